"""How a measurement is written down and taken. What is measured is told by the parts."""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
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


def apart(action: Callable[..., T], *arguments: object) -> T:
    """Run it in a process of its own: peak memory is then that of the caller alone."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as alone:
        return alone.submit(action, *arguments).result()
