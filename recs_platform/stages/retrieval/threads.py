"""Retrieval tasks side by side, each with one core. How many threads a library may use is in `contracts.threads`."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from recs_platform.contracts.threads import limited

# Those that bring a BLAS or OpenMP of their own.
_LIBRARIES = ("scipy.sparse", "faiss", "implicit.cpu.als", "implicit.nearest_neighbours")


@contextmanager
def side_by_side(threads: int) -> Generator[ThreadPoolExecutor]:
    """A pool of `threads` tasks at once, each with one core.

    The limit is held around all of them, with the libraries loaded before, so that none is lifted by the task that
    ends first.
    """
    with limited(1, *_LIBRARIES), ThreadPoolExecutor(threads) as pool:
        yield pool
