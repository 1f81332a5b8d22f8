"""Evidence: for each recommended item the most personal true fact. Its wording is in `reasons`."""

from dataclasses import dataclass

import polars as pl

from recs_platform.contracts import columns as c

KIND = "reason_kind"
BASIS_ITEM_ID = "basis_item_id"
BASIS_EVENT_TYPE = "basis_event_type"
TASTE_COUNT = "taste_count"
TASTE_TOTAL = "taste_total"
SEGMENT_COUNT = "segment_user_count"
COUNTRY_COUNT = "country_user_count"
OCCURRED_US = "occurred_us"

KINDS = ("neighbour", "taste", "segment", "country", "popularity", "few", "new")

# Fewer make nothing popular, and a reader could guess who they are.
USERS_MIN = 5

_ROWS_AT_ONCE = 200_000  # list rows times neighbours in memory: about 4 M
_MIN_TASTE_COUNT = 2  # one item is no taste
_USER = "_user"
_ITEM = "_item"
_BASIS = "_basis"
_PAIR = "_pair"
_IS_MOST = "_is_tied"


@dataclass(frozen=True)
class Evidence:
    """What a reason may use, all of it before the as-of.

    Attributes:
        history: `user_id`, `item_id`, `event_type`, `occurred_us`, `weight`: interactions of the lists' users.
        neighbours: `item_id`, `neighbour_id`, `score`, `rank`.
        items: `item_id`, `title`, `category`, `published_at` (UTC); every item that the other frames name.
        users: `user_id`, `country`, `segment_id`; any may be missing but `user_id`.
        segment_popularity: `segment_id`, `item_id`, `user_count` within the window.
        country_popularity: `country`, `item_id`, `user_count` within the window.
        popularity: `item_id`, `user_count` over all time, of all users.
    """

    history: pl.DataFrame
    neighbours: pl.DataFrame
    items: pl.DataFrame
    users: pl.DataFrame
    segment_popularity: pl.DataFrame
    country_popularity: pl.DataFrame
    popularity: pl.DataFrame


def find_evidence(lists: pl.DataFrame, evidence: Evidence, users_min: int = USERS_MIN) -> pl.DataFrame:
    """Add the facts found and `reason_kind`, the first of KINDS that holds, to `lists`; rows and order stay.

    neighbour: a positive item of the user's own history among the item's neighbours, the nearest one (ties by item);
    taste: the item's category is the one the user chose most, twice at least and no other as often; segment, country:
    at least `users_min` users of the same chose it within the window; popularity: as many ever did; few: fewer; new:
    nobody did.
    """
    users, items = evidence.users, evidence.items.select(c.ITEM_ID, c.TITLE, c.CATEGORY, c.PUBLISHED_AT)
    codes = _Codes.of(lists, items)
    chosen = _chosen_items(evidence.history, codes)
    counts = (
        (evidence.segment_popularity, [c.SEGMENT_ID, c.ITEM_ID], SEGMENT_COUNT),
        (evidence.country_popularity, [c.COUNTRY, c.ITEM_ID], COUNTRY_COUNT),
        (evidence.popularity, [c.ITEM_ID], c.USER_COUNT),
    )
    rows = _left(lists, items, [c.ITEM_ID])
    rows = _left(rows, users.select(c.USER_ID, c.COUNTRY, c.SEGMENT_ID), [c.USER_ID])
    rows = _left(rows, _nearest_chosen(lists, chosen, evidence.neighbours, codes), [c.USER_ID, c.ITEM_ID])
    rows = _left(rows, _tastes(chosen, items, codes), [c.USER_ID, c.CATEGORY])
    for frame, keys, name in counts:
        rows = _left(rows, frame.select(*keys, pl.col(c.USER_COUNT).alias(name)), keys)
    return rows.with_columns(
        pl.when(pl.col(BASIS_ITEM_ID).is_not_null())
        .then(pl.lit("neighbour"))
        .when(pl.col(TASTE_COUNT).is_not_null())
        .then(pl.lit("taste"))
        .when(pl.col(SEGMENT_COUNT) >= users_min)
        .then(pl.lit("segment"))
        .when(pl.col(COUNTRY_COUNT) >= users_min)
        .then(pl.lit("country"))
        .when(pl.col(c.USER_COUNT) >= users_min)
        .then(pl.lit("popularity"))
        .when(pl.col(c.USER_COUNT) > 0)
        .then(pl.lit("few"))
        .otherwise(pl.lit("new"))
        .alias(KIND)
    )


def _left(rows: pl.DataFrame, facts: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    return rows.join(facts, on=keys, how="left", maintain_order="left", validate="m:1")


@dataclass(frozen=True)
class _Codes:
    """Users of the lists and items as integers: joins and sorts over them take a fraction of the time of text keys."""

    users: pl.DataFrame
    items: pl.DataFrame

    @classmethod
    def of(cls, lists: pl.DataFrame, items: pl.DataFrame) -> "_Codes":
        users = lists.select(pl.col(c.USER_ID).unique().sort()).with_row_index(_USER)
        return cls(users.cast({_USER: pl.UInt64}), items.select(pl.col(c.ITEM_ID).sort()).with_row_index(_ITEM))

    def pair(self, item: str) -> pl.Expr:
        """One integer for a user and the item coded in column `item`."""
        return pl.col(_USER) * max(1, self.items.height) + pl.col(item)


def _chosen_items(history: pl.DataFrame, codes: _Codes) -> pl.DataFrame:
    """One row a user and item they chose, with the event that says it most strongly (ties: the latest)."""
    return (
        history.filter(pl.col(c.WEIGHT) > 0)
        .select(c.USER_ID, c.ITEM_ID, c.EVENT_TYPE, OCCURRED_US, c.WEIGHT)
        .join(codes.users, on=c.USER_ID)
        .join(codes.items, on=c.ITEM_ID)
        .select(_USER, _ITEM, codes.pair(_ITEM).alias(_PAIR), c.EVENT_TYPE, OCCURRED_US, c.WEIGHT)
        .sort(_PAIR, c.WEIGHT, OCCURRED_US, c.EVENT_TYPE, descending=[False, True, True, False])
        .unique(_PAIR, keep="first", maintain_order=True)
        .select(_USER, _ITEM, _PAIR, c.EVENT_TYPE)
    )


def _nearest_chosen(lists: pl.DataFrame, chosen: pl.DataFrame, neighbours: pl.DataFrame, codes: _Codes) -> pl.DataFrame:
    near = (
        neighbours.filter((pl.col(c.SCORE) > 0) & (pl.col(c.ITEM_ID) != pl.col(c.NEIGHBOUR_ID)))
        .join(codes.items, on=c.ITEM_ID)
        .join(codes.items.rename({c.ITEM_ID: c.NEIGHBOUR_ID, _ITEM: _BASIS}), on=c.NEIGHBOUR_ID)
        .select(_ITEM, _BASIS, c.SCORE)
    )
    pairs = lists.join(codes.users, on=c.USER_ID).join(codes.items, on=c.ITEM_ID).select(_USER, _ITEM)
    parts = pairs.iter_slices(_ROWS_AT_ONCE) if pairs.height else (pairs,)
    basis = chosen.select(_PAIR, pl.col(c.EVENT_TYPE).alias(BASIS_EVENT_TYPE))
    found = [
        part.join(near, on=_ITEM)
        .with_columns(codes.pair(_BASIS).alias(_PAIR))
        .join(basis, on=_PAIR)
        .sort(_USER, _ITEM, c.SCORE, _BASIS, descending=[False, False, True, False])
        .unique([_USER, _ITEM], keep="first", maintain_order=True)
        for part in parts
    ]
    return (
        pl.concat(found)
        .join(codes.users, on=_USER)
        .join(codes.items, on=_ITEM)
        .join(codes.items.rename({c.ITEM_ID: BASIS_ITEM_ID, _ITEM: _BASIS}), on=_BASIS)
        .select(c.USER_ID, c.ITEM_ID, BASIS_ITEM_ID, BASIS_EVENT_TYPE)
    )


def _tastes(chosen: pl.DataFrame, items: pl.DataFrame, codes: _Codes) -> pl.DataFrame:
    """Each user's most chosen category where none is chosen as often: how many of how many items."""
    categories = items.join(codes.items, on=c.ITEM_ID).filter(pl.col(c.CATEGORY).is_not_null())
    return (
        chosen.join(categories.select(_ITEM, c.CATEGORY), on=_ITEM)
        .group_by(_USER, c.CATEGORY)
        .agg(pl.len().cast(pl.Int64).alias(TASTE_COUNT))
        .with_columns(
            pl.col(TASTE_COUNT).sum().over(_USER).alias(TASTE_TOTAL),
            (pl.col(TASTE_COUNT) == pl.col(TASTE_COUNT).max().over(_USER)).alias(_IS_MOST),
        )
        .filter(_IS_MOST)
        .filter((pl.len().over(_USER) == 1) & (pl.col(TASTE_COUNT) >= _MIN_TASTE_COUNT))
        .join(codes.users, on=_USER)
        .select(c.USER_ID, c.CATEGORY, TASTE_COUNT, TASTE_TOTAL)
    )
