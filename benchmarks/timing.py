"""How a measurement is written down and taken. What is measured is told by the parts."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
SEED = 7


@dataclass(frozen=True)
class Row:
    """One measurement; `beside` is a floor or a peer on the same input in the same process."""

    what: str
    seconds: float
    amount: int = 0
    unit: str = ""
    beside: str = ""
    beside_seconds: float | None = None


def timed(action: Callable[[], T]) -> tuple[float, T]:
    started = time.perf_counter()
    result = action()
    return time.perf_counter() - started, result
