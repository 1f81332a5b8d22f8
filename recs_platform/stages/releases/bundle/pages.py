"""First pages of released lists as the JSON that is sent, made once when a bundle is sealed.

Made are those that show the released list as it is: `serving.stored_pages` says the same, step by step, of the others.
Which of them still hold is a small file of its own, so that an item can be withdrawn without writing them again.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.lib import format as npy

from recs_platform.stages.releases.bundle.texts import PackedTexts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from recs_platform.stages.releases.bundle.content import BundleRules

    Arrays = Mapping[str, NDArray[Any]]

PAGE_OFFSETS, PAGE_TEXT, PAGE_HOLDS = "page.offsets", "page.text", "page.holds"
PAGE_FILES = (PAGE_OFFSETS, PAGE_TEXT, PAGE_HOLDS)
# What says which pages hold.
PAGE_READS = (
    *(PAGE_HOLDS, "item.is_available", "user.region", "excluded.offsets", "excluded.items"),
    *(f"{rows}.{column}" for rows in ("list", "candidate") for column in ("items", "offsets")),
)
_USERS_AT_ONCE = 10_000  # some 60 MB of pages of 20 places and of what they are put together from
_SEPARATOR = "\x1f"  # between the sources of a set, as `writing` has it
_JSON = msgspec.json.Encoder()


def write_pages(folder: Path, arrays: Arrays, rules: BundleRules) -> None:
    """Write the first `rules.k` places of each user as a JSON array, empty where the stored list is not the page.

    `page.offsets` int64 (n_users + 1,), `page.text` uint8, `page.holds` bool (n_users,).
    """
    n_users = len(arrays["user.keys"])
    lengths = np.zeros(n_users, dtype=np.int64)
    with (folder / f"{PAGE_TEXT}.npy").open("wb") as file:
        _write_head(file, 0)
        begins = file.tell()
        for first in range(0, n_users, _USERS_AT_ONCE):
            part = _Part(arrays, rules, first, min(first + _USERS_AT_ONCE, n_users))
            users = part.ready()
            pages = list(part.pages(users))
            lengths[first + users] = [len(page) for page in pages]
            file.writelines(pages)
        size = file.tell() - begins
        file.seek(0)
        _write_head(file, size)
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    np.save(folder / f"{PAGE_OFFSETS}.npy", offsets, allow_pickle=False)
    np.save(folder / f"{PAGE_HOLDS}.npy", lengths > 0, allow_pickle=False)


def pages_without(sealed: Arrays, now: Arrays) -> NDArray[np.bool_]:
    """Which pages still hold: those of users who may be offered `now` all that they might be as it was `sealed`.

    Both have the arrays of `PAGE_READS`; what differs is what is available, and where.
    """
    holds: NDArray[np.bool_] = sealed[PAGE_HOLDS].copy()
    for name in ("list", "candidate"):
        rows = np.flatnonzero(_offered(sealed, name) & ~_offered(now, name))
        holds[np.searchsorted(sealed[f"{name}.offsets"], rows, side="right") - 1] = False
    return holds


def _offered(arrays: Arrays, name: str) -> NDArray[np.bool_]:
    """Which rows are of an item that is available, and may be offered in the user's region."""
    items, offsets = arrays[f"{name}.items"], arrays[f"{name}.offsets"]
    regions = np.repeat(arrays["user.region"].astype(np.int64), np.diff(offsets))
    n_items = max(len(arrays["item.is_available"]), 1)
    return arrays["item.is_available"][items] & ~_is_in(regions * n_items + items, _excluded(arrays, n_items))


def _excluded(arrays: Arrays, n_items: int) -> NDArray[np.int64]:
    """Region times items plus item of what is excluded, ascending."""
    counts = np.diff(arrays["excluded.offsets"])
    return np.repeat(np.arange(len(counts)), counts) * n_items + arrays["excluded.items"]


def _write_head(file: Any, size: int) -> None:  # noqa: ANN401 - a binary file
    """A head whose length is the same whatever the size: numpy leaves room for it to grow."""
    npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (size,)})


@dataclass(frozen=True, eq=False)
class _Part:
    """Users `first` to `last`, as many as are worked on at a time; counted from 0 in what follows."""

    arrays: Arrays
    rules: BundleRules
    first: int
    last: int

    def ready(self) -> NDArray[np.int64]:
        """Users whose page is the beginning of their released list, with more to show behind it."""
        starts, lengths = self._runs("list")
        users = np.flatnonzero(lengths >= self.rules.k) if self.rules.k else np.zeros(0, dtype=np.int64)
        items = self._shown(starts, users)
        may_be_shown = self._passing(np.repeat(users, self.rules.k), items.ravel()).reshape(items.shape).all(axis=1)
        fits = may_be_shown & _is_within_cap(self.arrays["item.category"][items], self.rules.max_per_category)
        users, items = users[fits], items[fits]
        return users[self._has_more(users, items)]

    def pages(self, users: NDArray[np.int64]) -> Iterator[bytes]:
        """JSON of the first places of these users."""
        k = self.rules.k
        if not len(users):
            return
        starts, _ = self._runs("list")
        rows = (starts[users][:, None] + np.arange(k)).ravel()
        get = self.arrays
        columns = (
            [b'%b{"rank":%d,' % (b"," if rank else b"[", rank + 1) for rank in range(k)] * len(users),
            _encoded(get["list.items"][rows], b'"item_id":%b,"score":', PackedTexts(get, "item.ids").__getitem__),
            _numbers(get["list.scores"][rows]),
            _encoded(get["list.reasons"][rows], b',"reason":%b', PackedTexts(get, "list.reason_texts").__getitem__),
            _encoded(get["list.sources"][rows], b',"sources":%b,"propensity":', _source_sets(get)),
            _numbers(get["list.propensities"][rows]),
            ([b"}"] * (k - 1) + [b"}]"]) * len(users),
        )
        pieces, width = list(chain.from_iterable(zip(*columns, strict=True))), k * len(columns)
        for place in range(0, len(pieces), width):
            yield b"".join(pieces[place : place + width])

    def _runs(self, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the rows of each user begin, and how many there are."""
        offsets = self.arrays[f"{name}.offsets"][self.first : self.last + 1]
        return offsets[:-1], np.diff(offsets)

    def _pairs(self, name: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Users and item codes of all rows."""
        starts, lengths = self._runs(name)
        inside = slice(int(starts[0]), int(starts[-1] + lengths[-1]))
        return np.repeat(np.arange(len(starts)), lengths), self.arrays[f"{name}.items"][inside]

    def _shown(self, starts: NDArray[np.int64], users: NDArray[np.int64]) -> NDArray[Any]:
        return self.arrays["list.items"][starts[users][:, None] + np.arange(self.rules.k)]

    def _passing(self, users: NDArray[np.int64], items: NDArray[Any]) -> NDArray[np.bool_]:
        """Which of these pairs may be shown: available, not consumed, not excluded in the user's region."""
        get, n_items = self.arrays, max(len(self.arrays["item.keys"]), 1)
        consumers, consumed = self._pairs("consumed")
        regions = get["user.region"][self.first : self.last][users].astype(np.int64)
        return (
            get["item.is_available"][items]
            & ~_is_in(users * n_items + items, consumers * n_items + consumed)
            & ~_is_in(regions * n_items + items, _excluded(get, n_items))
        )

    def _has_more(self, users: NDArray[np.int64], shown: NDArray[Any]) -> NDArray[np.bool_]:
        """Who has a candidate behind the page."""
        n_items = max(len(self.arrays["item.keys"]), 1)
        owners, items = self._pairs("candidate")
        on_page = np.sort((users[:, None] * n_items + shown).ravel())
        behind = self._passing(owners, items) & ~_is_in(owners * n_items + items, on_page)
        return np.bincount(owners[behind], minlength=self.last - self.first)[users] > 0


def _is_in(wanted: NDArray[np.int64], ascending: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of `wanted` are among others that ascend."""
    if not len(ascending):
        return np.zeros(len(wanted), dtype=np.bool_)
    return ascending[np.minimum(np.searchsorted(ascending, wanted), len(ascending) - 1)] == wanted


def _is_within_cap(categories: NDArray[Any], cap: int) -> NDArray[np.bool_]:
    """Which rows hold no known category more than `cap` times."""
    ordered = np.sort(categories, axis=1)
    if cap >= ordered.shape[1]:
        return np.ones(len(ordered), dtype=np.bool_)
    return ~((ordered[:, cap:] == ordered[:, : ordered.shape[1] - cap]) & (ordered[:, cap:] >= 0)).any(axis=1)


def _encoded(codes: NDArray[Any], frame: bytes, meaning: Callable[[int], object]) -> Iterator[bytes]:
    """For each code what it stands for, as JSON in its frame."""
    distinct, places = np.unique(codes, return_inverse=True)
    texts = [frame % _JSON.encode(meaning(code)) for code in distinct.tolist()]
    return map(texts.__getitem__, places.tolist())


def _numbers(values: NDArray[Any]) -> Sequence[bytes]:
    """Numbers as the encoder of answers writes them."""
    return _JSON.encode(values.tolist())[1:-1].split(b",")


def _source_sets(arrays: Arrays) -> Callable[[int], tuple[str, ...]]:
    texts = PackedTexts(arrays, "list.source_sets")

    def meaning(code: int) -> tuple[str, ...]:
        return tuple(texts[code].split(_SEPARATOR)) if texts[code] else ()

    return meaning
