"""What popularity is tried on: likes before a cutoff, what users chose next, and the NDCG of lists for groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.evaluation.groups import codes_of, largest_groups
from recs_platform.evaluation.metrics import Hits, ndcg
from recs_platform.evaluation.popularity import GROUP_USERS_MIN, GROUPS_MAX
from recs_platform.evaluation.splits import OCCURRED_US, new_pairs

# Heads of lists: what a user has consumed is left out, and the next move up.
_SPARE = 50
_USERS_MAX = 5_000
_LIKES_MAX = 1_000_000
_CODE = "_code"


@dataclass(frozen=True, eq=False)
class Grouping:
    """Groups of users by a column: of each like's user and of each tested user, `n` for none that is large enough."""

    of_likes: NDArray[np.int64]
    of_tested: NDArray[np.int64]
    n: int


@dataclass(frozen=True, eq=False)
class PopularityWindow:
    """One cutoff as codes.

    `like_items`, `like_us`: the last positive of each user with each item before it. `tested`: ids of the
    users to list for, sorted. `held_users`, `held_items`: positions in `tested` and items, -1 for an item nobody knew;
    `had_users`, `had_items`: what tested users had consumed. `category_codes` (n_items,): positions in
    `category_names`, their number where the category is unknown.
    """

    items: pl.Series
    like_items: NDArray[np.int32]
    like_us: NDArray[np.int64]
    tested: pl.Series
    held_users: NDArray[np.int64]
    held_items: NDArray[np.int64]
    had_users: NDArray[np.int64]
    had_items: NDArray[np.int64]
    groupings: Mapping[str, Grouping]
    category_codes: NDArray[np.int64]
    category_names: list[str]

    @property
    def n_items(self) -> int:
        return len(self.items)

    @property
    def choices_by_category(self) -> dict[str, int]:
        """How many held-out pairs are of items of each category."""
        known = self.category_codes[self.held_items[self.held_items >= 0]]
        counts = np.bincount(known, minlength=len(self.category_names) + 1)[:-1]
        return dict(zip(self.category_names, counts.tolist(), strict=True))

    def is_in(self, category: str) -> NDArray[np.bool_]:
        """Flags (n_items,): whether an item is of the category."""
        names = self.category_names
        return self.category_codes == (names.index(category) if category in names else -1)

    def of_category(self, category: str) -> "PopularityWindow":
        """The same with only those users who chose something of it, and only these choices."""
        held = (self.held_items >= 0) & self.is_in(category)[self.held_items]
        users = np.unique(self.held_users[held])
        had = np.isin(self.had_users, users)
        return replace(
            self,
            tested=self.tested.gather(users),
            held_users=np.searchsorted(users, self.held_users[held]),
            held_items=self.held_items[held],
            had_users=np.searchsorted(users, self.had_users[had]),
            had_items=self.had_items[had],
            groupings={},
        )


def popularity_window(
    interactions: pl.DataFrame,
    cutoff: datetime,
    horizon: timedelta,
    *,
    seed: int,
    users: pl.DataFrame,
    items: pl.DataFrame,
    columns: Sequence[str],
) -> PopularityWindow | None:
    """What was liked before the cutoff, and what users with history newly liked in `[cutoff, cutoff + horizon)`.

    `interactions`: user_id, item_id, occurred_at, occurred_us, weight. `users`: user_id and those of `columns` that it
    has, as of the cutoff; `items`: item_id and category. At most 5,000 users and
    a million likes, drawn by `seed`. None without users.
    """
    at = pl.col(c.OCCURRED_AT)
    known = interactions.filter(at < cutoff)
    held_out = _held_out(interactions.filter((at >= cutoff) & (at < cutoff + horizon)), known, seed)
    if held_out.is_empty():
        return None
    likes = _sample(_last_likes(known), _LIKES_MAX, seed)
    ids, tested = known[c.ITEM_ID].unique().sort(), held_out[c.USER_ID].unique().sort()
    had = known.join(held_out, on=c.USER_ID, how="semi").select(c.USER_ID, c.ITEM_ID).unique()
    people = likes[c.USER_ID].unique().sort()
    like_users = _codes(likes[c.USER_ID], people)
    categories = _aligned(items, c.ITEM_ID, c.CATEGORY, ids)
    names = categories.unique().drop_nulls().sort()
    return PopularityWindow(
        items=ids,
        like_items=_codes(likes[c.ITEM_ID], ids).astype(np.int32),
        like_us=likes[OCCURRED_US].to_numpy(),
        tested=tested,
        held_users=_codes(held_out[c.USER_ID], tested),
        held_items=_codes(held_out[c.ITEM_ID], ids),
        had_users=_codes(had[c.USER_ID], tested),
        had_items=_codes(had[c.ITEM_ID], ids),
        groupings={
            column: _grouping(users, column, people, like_users, tested)
            for column in columns
            if column in users.columns
        },
        category_codes=codes_of(categories, names),
        category_names=names.to_list(),
    )


def heads(scores: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """Items (rows, at most k + 50) of each row of `scores` (rows, n_items), greatest first, ties by item; -1 = none.

    Items that score 0 are left out.
    """
    width = min(k + _SPARE, scores.shape[1])
    found = np.full((len(scores), width), -1, dtype=np.int64)
    for row, values in enumerate(scores):
        least = np.partition(values, -width)[-width] if width < len(values) else -np.inf
        items = np.flatnonzero((values >= least) & (values > 0))
        best = items[np.lexsort((items, -values[items]))][:width]
        found[row, : len(best)] = best
    return found


def list_ndcg(
    window: PopularityWindow, lists: NDArray[np.int64], list_of: NDArray[np.int64], k: int
) -> NDArray[np.float64]:
    """NDCG@k of each tested user (n_tested,) of the first items of `lists[list_of]` that they have not consumed."""
    places = _places(lists, window.n_items)
    held = np.where(window.held_items >= 0, places[list_of[window.held_users], window.held_items], -1).astype(np.int64)
    had = places[list_of[window.had_users], window.had_items].astype(np.int64)
    width: int = lists.shape[1] + 1
    is_hit, is_had = held >= 0, had >= 0
    hit_users, hit_places = window.held_users[is_hit], held[is_hit]
    taken: NDArray[np.int64] = np.sort(window.had_users[is_had] * width + had[is_had])
    begun: NDArray[np.int64] = np.searchsorted(taken, hit_users * width)
    passed: NDArray[np.int64] = np.searchsorted(taken, hit_users * width + hit_places)
    ranks = (hit_places - (passed - begun) + 1).astype(np.float64)
    listed = ranks <= k
    held_out = np.bincount(window.held_users, minlength=len(window.tested))
    return ndcg(Hits(hit_users[listed], ranks[listed], held_out, k))


def _places(lists: NDArray[np.int64], n_items: int) -> NDArray[np.int16]:
    """Place (n_lists, n_items) of each item in each list, from 0; -1 where it is not there."""
    found = np.full((len(lists), n_items), -1, dtype=np.int16)
    rows, places = np.nonzero(lists >= 0)
    found[rows, lists[rows, places]] = places
    return found


def _grouping(
    users: pl.DataFrame, column: str, people: pl.Series, like_users: NDArray[np.int64], tested: pl.Series
) -> Grouping:
    """`people`: who liked anything; `like_users`: positions in it."""
    both = pl.concat([people, tested])
    active = np.arange(len(both)) < len(people)
    groups, n = largest_groups(
        _aligned(users, c.USER_ID, column, both), active, members_min=GROUP_USERS_MIN, groups_max=GROUPS_MAX
    )
    return Grouping(groups[: len(people)][like_users], groups[len(people) :], n)


def _aligned(frame: pl.DataFrame, key: str, column: str, ids: pl.Series) -> pl.Series:
    """The column, NULL where an id is not in the frame, in the order of `ids`."""
    if column not in frame.columns:
        return pl.Series(column, [None] * len(ids), dtype=pl.String)
    rows = frame.select(key, column).unique(key, keep="first", maintain_order=True)
    return ids.alias(key).to_frame().join(rows, on=key, how="left", maintain_order="left")[column]


def _codes(values: pl.Series, ids: pl.Series) -> NDArray[np.int64]:
    """Position of each of `values` in `ids` (distinct), -1 where it is not there."""
    positions = ids.alias(_CODE + "_id").to_frame().with_row_index(_CODE)
    found = (
        values.alias(_CODE + "_id")
        .to_frame()
        .join(positions, on=_CODE + "_id", how="left", maintain_order="left")[_CODE]
    )
    return found.cast(pl.Int64).fill_null(-1).to_numpy()


def _last_likes(known: pl.DataFrame) -> pl.DataFrame:
    """The last positive of each user with each item."""
    liked = known.filter(pl.col(c.WEIGHT) > 0)
    return liked.group_by(c.USER_ID, c.ITEM_ID).agg(pl.col(OCCURRED_US).max()).sort(c.USER_ID, c.ITEM_ID)


def _held_out(later: pl.DataFrame, known: pl.DataFrame, seed: int) -> pl.DataFrame:
    pairs = new_pairs(later, known).join(known, on=c.USER_ID, how="semi").sort(c.USER_ID, c.ITEM_ID)
    users = _sample(pairs.select(pl.col(c.USER_ID).unique().sort()), _USERS_MAX, seed)
    return pairs.join(users, on=c.USER_ID, how="semi")


def _sample(rows: pl.DataFrame, most: int, seed: int) -> pl.DataFrame:
    """At most so many of the rows, in their order."""
    if rows.height <= most:
        return rows
    return rows[np.sort(np.random.default_rng(seed).permutation(rows.height)[:most])]
