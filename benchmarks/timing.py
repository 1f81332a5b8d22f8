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
    """One measurement; `beside` is a floor or a peer on the same input in the same run.

    `told`: its size, and what else goes beside the name that promises know it by. `peak_gib`: of the process measured,
    where that is not the part's own. `recall`: share of what should be found that was, where that is not all of it.
    """

    what: str
    seconds: float
    amount: int = 0
    unit: str = ""
    beside: str = ""
    beside_seconds: float | None = None
    told: str = ""
    peak_gib: float | None = None
    recall: float | None = None
    beside_recall: float | None = None


def timed(action: Callable[[], T]) -> tuple[float, T]:
    started = time.perf_counter()
    result = action()
    return time.perf_counter() - started, result


def apart(action: Callable[..., T], *arguments: object) -> T:
    """Run it in a process of its own: peak memory is then that of the caller alone."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as alone:
        return alone.submit(action, *arguments).result()
