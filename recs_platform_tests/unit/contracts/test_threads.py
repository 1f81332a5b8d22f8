"""Numeric libraries are held to the threads asked for, and let go again; threadpoolctl is asked in one place."""

from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

import recs_platform
from recs_platform.contracts.threads import limited

PACKAGE = Path(recs_platform.__file__).parent


def threads_of(api: str) -> set[int]:
    """Threads of the libraries of an API, less a BLAS that is made with OpenMP and shares its setting."""
    libraries = [library for library in threadpool_info() if library["user_api"] == api]
    return {library["num_threads"] for library in libraries if library.get("threading_layer") != "openmp"}


def by_file() -> dict[str, int]:
    return {library["filepath"]: library["num_threads"] for library in threadpool_info()}


def test_blas_has_one_thread_and_openmp_those_asked_for() -> None:
    assert np.ones((2, 2)).sum() == 4  # loads a BLAS
    before = by_file()
    with limited(2, "sklearn.cluster"):
        assert (threads_of("blas"), threads_of("openmp")) == ({1}, {2})
        with limited(1):
            assert (threads_of("blas"), threads_of("openmp")) == ({1}, {1})
    assert before.items() <= by_file().items()


def test_one_module_asks_threadpoolctl() -> None:
    users = [path for path in PACKAGE.rglob("*.py") if "from threadpoolctl import" in path.read_text()]
    assert [path.relative_to(PACKAGE).as_posix() for path in users] == ["contracts/threads.py"]
