# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
"""One thread for numeric libraries while clusters are made: sums then do not depend on the machine's cores."""

from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Generator[None]:
    """Hold BLAS and OpenMP to one thread, those that scikit-learn brings included."""
    import sklearn.cluster  # noqa: F401  # pyright: ignore[reportUnusedImport] - only what is imported can be held
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield
