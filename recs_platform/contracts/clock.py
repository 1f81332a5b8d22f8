"""Seconds that parts of a step took, for whoever looks at a run."""

import time
from collections.abc import Generator
from contextlib import contextmanager


class Clock:
    """Seconds on the wall by part, in the order in which parts began; a part that is measured again adds up."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def measured(self, part: str) -> Generator[None]:
        """Add what the block takes to a part."""
        started = time.monotonic()
        self.seconds.setdefault(part, 0.0)
        try:
            yield
        finally:
            self.seconds[part] += time.monotonic() - started
