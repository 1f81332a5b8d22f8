# numba has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false
"""Loops over rows that numpy would take ten times as long for: compiled by numba, and shared out among threads.

The loops themselves are beside what they compute, in modules named `kernels`, which are imported when first used.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numba import njit

# Parts for each thread: rows differ in what they cost.
_PARTS = 8


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiled when first called, holding no lock; kept beside the module or in the user's cache, where one can be."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:
        return njit(nogil=True)(function)


def by_rows(n_rows: int, threads: int, work: Callable[[int, int], object]) -> None:
    """Call `work(first, last)` for ranges that together cover the rows, on so many threads at once."""
    if threads == 1 or n_rows < _PARTS * threads:
        work(0, n_rows)
        return
    bounds = np.linspace(0, n_rows, _PARTS * threads + 1).astype(int).tolist()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, bounds[:-1], bounds[1:]))
