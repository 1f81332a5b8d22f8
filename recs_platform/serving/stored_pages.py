"""Items of first pages of released lists as JSON, made at once and kept for the next time.

What `lists` works out step by step gives the same. Whose page may be such a one is in `first_pages`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from recs_platform.contracts.http_documents import RecommendedItem
from recs_platform.serving.bounded import Bounded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence, Set

    from numpy.typing import NDArray

    from recs_platform.serving.live_lists import Asked
    from recs_platform.stages.releases.bundle import Bundle

_ENCODER = msgspec.json.Encoder()
_PAGE_BYTES = 100  # beside its text
_QUERIES_MAX, _QUERY_BYTES = 1_000, 100
_SMALL_HISTORY = 200


class PageCache:
    """Items of first pages as JSON, of one bundle, by user and length, and what queries ask of it.

    `sealed_count`, `kept_count`, `made_count`: pages that were sealed, held here, or worked out. The oldest go where
    `bytes_max` is reached. Nothing in it outlives its bundle or a request to forget somebody:
    `follow` and `clear`.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bundle: Bundle | None = None
        self._pages: Bounded[tuple[int, int], msgspec.Raw] = Bounded(bytes_max)
        self._asked: dict[bytes, Asked] = {}
        self.sealed_count = self.kept_count = self.made_count = 0

    def __len__(self) -> int:
        return len(self._pages)

    @property
    def bytes(self) -> int:
        """What they take."""
        return self._pages.bytes

    def follow(self, bundle: Bundle) -> None:
        """Hold pages of this bundle alone from now on."""
        if bundle is not self._bundle:
            self.clear()
            self._bundle = bundle

    def clear(self) -> None:
        """Hold nothing."""
        self._pages.clear()
        self._asked.clear()
        self._bundle = None

    def items(self, user: int, count: int, make: Callable[[], msgspec.Raw | None]) -> msgspec.Raw | None:
        """The items of a user, by code, made where it is not held."""
        key = user, count
        found = self._pages.get(key)
        self.kept_count += found is not None
        if found is None and (found := make()) is not None:
            self.made_count += 1
            self._pages.put(key, found, len(found) + _PAGE_BYTES)
        return found

    def asked(self, query: bytes, read: Callable[[], Asked | None]) -> Asked | None:
        """What a raw query asks for, read where it is not held; long ones name something of one user, and are not."""
        found = self._asked.get(query)
        if found is None and (found := read()) is not None:
            if len(query) > _QUERY_BYTES:
                return found
            if len(self._asked) >= _QUERIES_MAX:
                self._asked.clear()
            self._asked[query] = found
        return found


def stored_items(bundle: Bundle, user: int, count: int, hidden: Set[int]) -> msgspec.Raw | None:
    """The first `count` places of a released list that pass, as JSON.

    None where there are too few, none behind them, or too many of a category.
    """
    rows = bundle.list_of(user)
    items, behind = rows.items, bundle.candidates(user).items.tolist()
    gone, available = _gone(bundle, user, [*items, *behind], hidden), bundle.is_available
    if gone.isdisjoint(items) and all(map(available.__getitem__, items)):
        at = range(len(items))
    else:
        at = [place for place, item in enumerate(items) if available[item] and item not in gone]
    if len(at) < count:
        return None
    shown = at[:count]
    codes = [items[place] for place in shown]
    if not _is_within_cap([bundle.item_category[item] for item in codes], bundle.rules.max_per_category):
        return None
    if len(at) == count and not any(map(available.__getitem__, set(behind).difference(codes, gone))):
        return None
    places = map(
        RecommendedItem,
        range(1, count + 1),
        map(bundle.item_ids.__getitem__, codes),
        [rows.scores[place] for place in shown],
        [bundle.reasons[rows.reasons[place]] for place in shown],
        [bundle.source_sets[rows.sources[place]] for place in shown],
        [rows.propensities[place] for place in shown],
    )
    return msgspec.Raw(_ENCODER.encode(list(places)))


def _gone(bundle: Bundle, user: int, items: Sequence[int], hidden: Set[int]) -> Set[int]:
    """Those of `items`, and perhaps others, that are not shown to the user: the rules of batch, and what is hidden."""
    consumed = _among(bundle.consumed(user), items)
    excluded = bundle.excluded_in(bundle.region_of(user))
    if excluded:
        consumed |= excluded.intersection(items)
    return consumed | hidden if hidden else consumed


def _among(codes: NDArray[np.int32], items: Sequence[int]) -> set[int]:
    """Those of `items`, and perhaps others, that are in ascending `codes`; thousands of them stay in their array."""
    if len(codes) <= _SMALL_HISTORY:
        return set(codes.tolist())
    wanted = np.asarray(items, dtype=np.int32)
    spots = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
    return set(wanted[codes[spots] == wanted].tolist())


def _is_within_cap(categories: list[int], cap: int) -> bool:
    known = [category for category in categories if category >= 0]
    distinct = set(known)
    if len(known) - len(distinct) < cap:  # one of them would come cap + 1 times
        return True
    return all(known.count(category) <= cap for category in distinct)
