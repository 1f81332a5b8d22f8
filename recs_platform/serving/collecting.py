"""Python's garbage collector in a server, where each of its pauses is a pause of all answers.

By itself it runs once enough was made that is not freed, and walks all of what is remembered: .2 s of sessions and
lists. Here it walks what is new ten times a second and sets it aside; what is remembered is freed by its count of
references wherever it lies. Circles of references that live longer are found once an hour.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_NEW_SECONDS, _ALL_SECONDS = 0.1, 3600.0
_NEW = 0  # the collector's generation


@asynccontextmanager
async def collecting() -> AsyncGenerator[None]:
    """The collector runs at the times of this module within, and by itself again afterwards."""
    was_enabled = gc.isenabled()
    gc.freeze()
    gc.disable()
    task = asyncio.create_task(_collect_for_ever())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        gc.unfreeze()
        if was_enabled:
            gc.enable()


async def _collect_for_ever() -> None:
    loop = asyncio.get_running_loop()
    all_due = loop.time() + _ALL_SECONDS
    while True:
        await asyncio.sleep(_NEW_SECONDS)
        if loop.time() < all_due:
            gc.collect(_NEW)
        else:
            gc.unfreeze()
            gc.collect()
            all_due = loop.time() + _ALL_SECONDS
        gc.freeze()
