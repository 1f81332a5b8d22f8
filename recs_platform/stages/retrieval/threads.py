# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
"""How many threads numeric libraries may use while a block runs. Which numbers they compute is not known here."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module

# Those that bring a BLAS or OpenMP of their own.
_LIBRARIES = ("scipy.sparse", "faiss", "implicit.cpu.als", "implicit.nearest_neighbours")


@contextmanager
def limited(threads: int) -> Generator[None]:
    """Hold OpenMP to `threads` and BLAS to one thread, which makes sums independent of `threads`.

    Only libraries imported before are held. implicit warns where BLAS has more than one thread. OpenMP goes last: a
    BLAS that is made with it shares its setting.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"), threadpool_limits(threads, "openmp"):
        yield


@contextmanager
def side_by_side(threads: int) -> Generator[ThreadPoolExecutor]:
    """A pool of `threads` tasks at once, each with one core.

    Limits are the process's: held around all of them, with the libraries loaded before, none is lifted by the task
    that ends first.
    """
    for name in _LIBRARIES:
        import_module(name)
    with limited(1), ThreadPoolExecutor(threads) as pool:
        yield pool
