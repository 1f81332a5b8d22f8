# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
"""How many threads numeric libraries may use while a block runs, and work that goes on beside its reader.

The one user of threadpoolctl.
"""

import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@contextmanager
def limited(threads: int, *libraries: str) -> Generator[None]:
    """Hold OpenMP to `threads` and BLAS to one thread, which makes sums independent of `threads`.

    Only libraries imported before are held: modules named in `libraries`, which bring a BLAS or OpenMP of their own,
    are imported first. implicit warns where BLAS has more than one thread. OpenMP goes last: a BLAS that is made with
    it shares its setting. Limits are the process's.
    """
    for name in libraries:
        import_module(name)
    held = _loaded(len(sys.modules))
    with held.limit(limits=1, user_api="blas"), held.limit(limits=threads, user_api="openmp"):
        yield


def one_ahead(items: Iterator[_Item]) -> Generator[_Item]:
    """The same items in the same order: while the reader works on one, a thread makes the next, and no more than that.

    What making an item raises is raised where it would be read.
    """
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(list, islice(items, 1))
        while made := following.result():
            following = pool.submit(list, islice(items, 1))
            yield made[0]


def side_by_side(work: Callable[[_Item], _Result], items: Iterable[_Item], threads: int) -> Generator[_Result]:
    """What `work` gives for each item, in their order; so many at once, and items are made as they are worked on."""
    if threads == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque[Future[_Result]]()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@lru_cache(maxsize=1)
def _loaded(_module_count: int) -> "ThreadpoolController":
    """The libraries of this process, looked for again when modules were imported: that takes as long as a search."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
