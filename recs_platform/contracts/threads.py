# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
"""How many threads numeric libraries may use while a block runs; the one user of threadpoolctl."""

from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module


@contextmanager
def limited(threads: int, *libraries: str) -> Generator[None]:
    """Hold OpenMP to `threads` and BLAS to one thread, which makes sums independent of `threads`.

    Only libraries imported before are held: modules named in `libraries`, which bring a BLAS or OpenMP of their own,
    are imported first. implicit warns where BLAS has more than one thread. OpenMP goes last: a BLAS that is made with
    it shares its setting. Limits are the process's.
    """
    for name in libraries:
        import_module(name)
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"), threadpool_limits(threads, "openmp"):
        yield
