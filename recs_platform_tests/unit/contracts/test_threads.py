"""Libraries are held to the threads asked for, and let go again; an item is made while the one before is read."""

from collections.abc import Iterator
from pathlib import Path
from threading import Barrier, Event

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import recs_platform
from recs_platform.contracts.threads import limited, one_ahead, side_by_side

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


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_work_is_done_side_by_side_and_given_in_order(threads: int) -> None:
    made, meet = list[int](), Barrier(threads)

    def items() -> Iterator[int]:
        for number in range(6 * threads):
            made.append(number)
            yield number

    def work(number: int) -> int:
        meet.wait(timeout=30)  # nobody goes on before so many work at once
        return number * number

    read = list[int]()
    for result in side_by_side(work, items(), threads):
        read.append(result)
        assert len(made) <= len(read) + threads
    assert read == [number * number for number in range(6 * threads)]
    assert list(side_by_side(work, (), threads)) == []


def test_what_work_raises_is_raised_where_it_would_be_read() -> None:
    with pytest.raises(ZeroDivisionError):
        list(side_by_side(lambda number: 1 // number, range(3), 2))


def test_the_next_item_is_made_while_one_is_read_and_no_other() -> None:
    made: list[int] = []
    second, read = Event(), list[int]()

    def items() -> Iterator[int]:
        for number in range(5):
            made.append(number)
            if number == 1:
                second.set()
            yield number

    for number in one_ahead(items()):
        assert second.wait(timeout=30)  # made though the first has not been let go of
        assert len(made) <= number + 2
        read.append(number)
    assert read == made == [0, 1, 2, 3, 4]
    assert list(one_ahead(iter(()))) == []


def test_what_making_an_item_raises_reaches_its_reader_in_its_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("the second")

    ahead = one_ahead(items())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="the second"):
        next(ahead)
