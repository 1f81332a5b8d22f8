"""Lists of many users as matrices, which rules arrange without a loop over users.

A row is a user, a column an item by score, the best first; what a rule decides is the place of each column. Rules are
in `rules`, the type of those that work on slates in `rules.rule`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.rule_settings import BoostedSettings
from recs_platform.contracts.time import DAY_SECONDS
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.facts import SHARE

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Gain = Callable[[int, Ints, Bools], Floats]
# A matrix of floats of so many cells stays in a core's own cache while a rule goes over it again and again.
_CELLS_AT_ONCE = 200_000
_USER, _ITEM, _ROW = "_user", "_item", "_row"


class ItemArrays:
    """The catalogue by item code; the last entry, which -1 means, is of items that it lacks."""

    def __init__(self, context: RerankContext, users: pl.Series | None = None) -> None:
        self._items, self._context = context.items.sort(c.ITEM_ID), context
        self._users = context.users if users is None else users
        self.ids = self._items[c.ITEM_ID]

    def codes(self) -> pl.DataFrame:
        """`item_id` and its code `_item`."""
        return pl.DataFrame({c.ITEM_ID: self.ids, _ITEM: np.arange(len(self.ids), dtype=np.int64)})

    @cached_property
    def category(self) -> Ints:
        """Code of the category, -1 for none."""
        return self._dense(c.CATEGORY)

    @cached_property
    def creator(self) -> Ints:
        """Code of the creator, -1 for none."""
        return self._dense(c.CREATOR)

    @cached_property
    def user_count(self) -> Floats:
        """How many users chose the item."""
        counts = self._column(c.USER_COUNT, pl.Float64).fill_null(0.0)
        return np.append(counts.to_numpy(), 0.0)

    @cached_property
    def age_days(self) -> Floats:
        """Days since publication, or since the first event where no publication is known; infinite without either."""
        as_of = self._context.facts.as_of
        since = self._column(c.PUBLISHED_AT, pl.Datetime("us", "UTC"))
        since = since.fill_null(self._column(c.FIRST_SEEN_AT, pl.Datetime("us", "UTC")))
        if as_of is None or since.is_null().all():
            return np.full(len(self.ids) + 1, np.inf)
        days = pl.select((pl.lit(as_of) - since).dt.total_seconds() / DAY_SECONDS).to_series()
        return np.append(days.fill_null(float("inf")).to_numpy(), np.inf)

    def names(self, column: str) -> pl.Series:
        """Category or creator of each item, missing for items that the catalogue lacks."""
        return pl.concat([self._column(column, pl.String), pl.Series([None], dtype=pl.String)])

    def is_named(self, column: str, name: str) -> Bools:
        """Items of a category or creator, or with an id."""
        return (self.names(column) == name).fill_null(value=False).to_numpy().astype(np.bool_)

    def boost(self, plan: BoostedSettings) -> Floats:
        """Factor of each item's relevance by what holds as of the instant; several multiply."""
        factor = np.ones(len(self.ids) + 1)
        as_of = self._context.facts.as_of
        for each in plan.items:
            if as_of is not None and not each.holds(as_of):
                continue
            subjects = ((c.ITEM_ID, each.item_id), (c.CATEGORY, each.category), (c.CREATOR, each.creator))
            column, name = next((column, name) for column, name in subjects if name is not None)
            factor[self.is_named(column, name)] *= each.factor
        return factor

    @cached_property
    def tastes(self) -> tuple[Ints, Ints, Floats]:
        """Where each user's tastes begin, (n_users + 1,), then category code and share of every taste, by user.

        Looked up once for all slates: the tastes of everybody are millions of rows.
        """
        codes = pl.DataFrame({c.CATEGORY: self.names(c.CATEGORY), _ITEM: self.category}).unique(c.CATEGORY)
        users = pl.DataFrame({c.USER_ID: self._users}).with_row_index(_USER)
        found = self._context.facts.tastes.join(users, on=c.USER_ID).join(codes.drop_nulls(), on=c.CATEGORY)
        rows = found.sort(_USER)
        counts = np.bincount(rows[_USER].to_numpy(), minlength=len(self._users))
        begins = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts, dtype=np.int64)])
        return begins, rows[_ITEM].to_numpy(), rows[SHARE].to_numpy()

    def _dense(self, column: str) -> Ints:
        codes = (self._column(column, pl.String).rank("dense").cast(pl.Int64) - 1).fill_null(-1)
        return np.append(codes.to_numpy(), -1)

    def _column(self, name: str, dtype: pl.DataType | type[pl.DataType]) -> pl.Series:
        if name not in self._items.columns:
            return pl.Series(name, [None] * self._items.height, dtype=dtype)
        return self._items[name].cast(dtype)


@dataclass(eq=False)
class Slate:
    """Users (n_users, width) with their items by score, ties by item.

    Attributes:
        first: How many users are on slates before this one.
        users: Ids of the users, by row.
        segments: Their segments, missing where none is known.
        exists: Whether there is an item; those of a user come first.
        item: Its code in `items`.
        row: Its row in the frame that was given.
        order: Its place in the list so far, from 0; what a rule changes.
        boost: Factor of its relevance.
        moved_by: Number of the rule that last moved it up, -1 for none.
    """

    items: ItemArrays
    context: RerankContext
    first: int
    users: pl.Series
    segments: pl.Series
    exists: Bools
    item: Ints
    row: Ints
    order: Ints
    boost: Floats
    moved_by: NDArray[np.int8]

    @property
    def k(self) -> int:
        return self.context.k

    @cached_property
    def category(self) -> Ints:
        """Code of each item's category, -1 for none."""
        return self.items.category[self.item]

    @cached_property
    def creator(self) -> Ints:
        """Code of each item's creator, -1 for none."""
        return self.items.creator[self.item]

    @cached_property
    def relevance(self) -> Floats:
        """1 / log2(place by score + 1), times boost."""
        return self.boost / np.log2(np.arange(2, self.exists.shape[1] + 2, dtype=np.float64))

    def by_relevance(self) -> Ints:
        """Places by relevance, ties by score."""
        relevance = self.relevance
        if (relevance[:, 1:] <= relevance[:, :-1]).all():  # nothing is boosted: columns stand by score
            return np.broadcast_to(np.arange(relevance.shape[1], dtype=np.int64), relevance.shape)
        return places(np.argsort(np.where(self.exists, -self.relevance, np.inf), axis=1, kind="stable"))

    def members(self, segment_id: str | None, named: list[str]) -> Bools:
        """Users of a segment; None: those of none of the `named`."""
        return in_segment(self.segments, segment_id, named)


def in_segment(segments: pl.Series, segment_id: str | None, named: list[str]) -> Bools:
    """Which of the segments, missing where none is known, is that one; None: none of the `named`."""
    if segment_id is None:
        return (~segments.is_in(named) | segments.is_null()).to_numpy().astype(np.bool_)
    return (segments == segment_id).fill_null(value=False).to_numpy().astype(np.bool_)


def places(order: Ints) -> Ints:
    """The place of each column, from columns in order: the inverse permutation of each row.

    >>> places(np.array([[2, 0, 1]])).tolist()
    [[1, 2, 0]]
    """
    found = np.empty_like(order)
    np.put_along_axis(found, order, np.broadcast_to(np.arange(order.shape[1], dtype=np.int64), order.shape), axis=1)
    return found


def with_first(order: Ints, key: NDArray[np.uint16]) -> Ints:
    """Places by an ascending key (n_users, width) of the columns in list order, ties in that order.

    `order`: places so far. Keys of 16 bits are sorted in one pass, which a sort of whole numbers takes many for.

    >>> with_first(np.array([[2, 0, 1]]), np.array([[1, 1, 0]], dtype=np.uint16)).tolist()
    [[0, 1, 2]]
    """
    return places(np.take_along_axis(places(order), np.argsort(key, axis=1, kind="stable"), axis=1))


def greedy(first: Ints, exists: Bools, steps: int, gain_of: Gain) -> Ints:
    """Places chosen one by one, each time the greatest gain, ties by score; what is not chosen follows by `first`.

    `gain_of(position, chosen)`: gain (n_users, width) of each column, told which column (n_users,) each user took last
    and whether there was one.
    """
    n_users, width = exists.shape
    every, is_open = np.arange(n_users, dtype=np.int64), exists.copy()
    # By place in `first`: the position at which it was chosen, the last of all where it was not.
    key = np.full(exists.shape, min(steps, width), dtype=np.uint16)
    last, took = np.zeros(n_users, dtype=np.int64), np.zeros(n_users, dtype=np.bool_)
    for position in range(min(steps, width)):
        gain = np.where(is_open, gain_of(position, last, took), -np.inf)
        last = gain.argmax(axis=1).astype(np.int64)
        took = is_open[every, last]
        key[every[took], first[every[took], last[took]]] = position
        is_open[every, last] = False
    return with_first(first, key)


def slates(ranked: pl.DataFrame, context: RerankContext) -> Iterator[Slate]:
    """Ranked rows, users together, as slates of whole users; bounded cells each."""
    user = ranked[c.USER_ID].rle_id().cast(pl.Int64).to_numpy()
    starts = np.flatnonzero(np.diff(user, prepend=-1))
    ids = ranked[c.USER_ID].gather(pl.Series(starts))
    items = ItemArrays(context, ids)
    coded = ranked.select(c.ITEM_ID, c.SCORE).join(items.codes(), on=c.ITEM_ID, how="left", maintain_order="left")
    item, score = coded[_ITEM].fill_null(-1).to_numpy(), coded[c.SCORE].to_numpy()
    ends = np.append(starts[1:], len(user))
    segments = pl.DataFrame({c.USER_ID: ids}).join(
        context.facts.segments.select(c.USER_ID, c.SEGMENT_ID), on=c.USER_ID, how="left", maintain_order="left"
    )[c.SEGMENT_ID]
    boosts = _boosts(items, context)
    step = max(1, _CELLS_AT_ONCE // max(1, int((ends - starts).max(initial=1))))
    for first in range(0, len(starts), step):
        inside = slice(first, first + step)
        low, high = int(starts[first]), int(ends[inside][-1])
        yield _slate(
            items, context, first, ids[inside], segments[inside], user[low:high] - first, item[low:high],
            score[low:high], low, boosts,
        )  # fmt: skip


def _boosts(items: ItemArrays, context: RerankContext) -> dict[str | None, Floats | None]:
    """Factors of items by segment, where the rule is on; None where it is off."""
    plans = context.rules.boosted.plans()
    return {segment: items.boost(plan) if plan.enabled else None for segment, plan in plans.items()}


def _slate(
    items: ItemArrays,
    context: RerankContext,
    first: int,
    ids: pl.Series,
    segments: pl.Series,
    user: Ints,
    item: Ints,
    score: Floats,
    low: int,
    boosts: dict[str | None, Floats | None],
) -> Slate:
    n_users, begin = len(ids), np.flatnonzero(np.diff(user, prepend=-1))
    column = np.arange(len(user)) - begin[user]
    shape = (n_users, int(column.max(initial=0)) + 1)
    exists = np.zeros(shape, dtype=np.bool_)
    exists[user, column] = True
    codes, rows = np.full(shape, -1, dtype=np.int64), np.full(shape, -1, dtype=np.int64)
    codes[user, column], rows[user, column] = item, low + np.arange(len(user))
    scores = np.full(shape, -np.inf)
    scores[user, column] = score
    order = np.broadcast_to(np.arange(shape[1], dtype=np.int64), shape)
    if not (scores[:, 1:] < scores[:, :-1])[exists[:, 1:]].all():
        by_score = np.lexsort((np.where(exists, codes, np.iinfo(np.int64).max), -scores, ~exists), axis=1)
        exists = np.take_along_axis(exists, by_score, axis=1)
        codes, rows = (np.take_along_axis(each, by_score, axis=1) for each in (codes, rows))
        order = np.take_along_axis(order, by_score, axis=1)
    made = Slate(
        items, context, first, ids, segments, exists, codes, rows, order.copy(), np.ones(shape),
        np.full(shape, -1, dtype=np.int8),
    )  # fmt: skip
    named = [segment for segment in boosts if segment is not None]
    for segment, factors in boosts.items():
        if factors is not None:
            theirs = made.members(segment, named)
            made.boost[theirs] = factors[codes[theirs]]
    return made
