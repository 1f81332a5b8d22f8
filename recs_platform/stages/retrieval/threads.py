# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
"""How many threads numeric libraries may use while a block runs. Which numbers they compute is not known here."""

from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def limited(threads: int) -> Generator[None]:
    """Hold OpenMP to `threads` and BLAS to one thread, which makes sums independent of `threads`.

    Only libraries imported before are held. implicit warns where BLAS has more than one thread.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits({"blas": 1, "openmp": threads}):
        yield
