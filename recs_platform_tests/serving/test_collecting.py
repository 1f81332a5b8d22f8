"""When Python's garbage collector runs in a server."""

import asyncio
import gc
import weakref

import pytest

from recs_platform.serving import collecting as module
from recs_platform.serving.collecting import collecting

_SECONDS_MAX = 10.0


class _Circle:
    def __init__(self) -> None:
        self.itself = self


async def _until_gone(circle: "weakref.ref[_Circle]") -> bool:
    loop = asyncio.get_running_loop()
    ends = loop.time() + _SECONDS_MAX
    while circle() is not None and loop.time() < ends:
        await asyncio.sleep(0.01)
    return circle() is None


def test_new_circles_are_freed_while_the_collector_does_not_run_by_itself():
    async def scenario() -> None:
        async with collecting():
            assert not gc.isenabled()
            assert await _until_gone(weakref.ref(_Circle()))

    asyncio.run(scenario())


def test_circles_that_were_set_aside_are_freed_later(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_NEW_SECONDS", 0.02)
    monkeypatch.setattr(module, "_ALL_SECONDS", 0.5)

    async def scenario() -> None:
        async with collecting():
            circle = _Circle()
            await asyncio.sleep(0.1)  # it is old now
            set_aside = gc.get_freeze_count()
            found = weakref.ref(circle)
            del circle
            assert set_aside > 0
            assert await _until_gone(found)

    asyncio.run(scenario())


def test_the_collector_is_as_before_afterwards():
    async def scenario() -> None:
        async with collecting():
            await asyncio.sleep(0)

    was_enabled = gc.isenabled()
    asyncio.run(scenario())
    assert (gc.isenabled(), gc.get_freeze_count()) == (was_enabled, 0)
