"""How one release differs from another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recs_platform.contracts import columns as c
from recs_platform.stages.releases.reading import read_release

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from recs_platform.contracts.home import Home

MOVERS_MAX = 10
SHIFTS_MAX = 5  # of a dimension


@dataclass(frozen=True)
class ReleaseDiff:
    """How release `b` differs from `a`.

    `users_added` and `users_removed` are sorted ids. Over users in both: `rows_entered` and `rows_left` count items
    that came into or went out of a user's list, `rows_moved` those at another place of it; `changed_share` is the share
    of b's positions whose item was not in the user's list in a, `mean_overlap` the mean over users of common items over
    the longer list's length; both None when no user is in both. `items_entered` and `items_left` count items that some
    list of one release holds and none of the other. `movers` (item_id, lists_before, lists_after, change) are the items
    whose number of lists changed most, at most ten, ties by item_id. `exposure` (dimension, value, share_before,
    share_after, change) are the groups of items or users whose share of all positions changed most, at most five a
    dimension.
    """

    a: str
    b: str
    users_added: tuple[str, ...]
    users_removed: tuple[str, ...]
    users_in_both: int
    rows_entered: int
    rows_left: int
    rows_moved: int
    changed_share: float | None
    mean_overlap: float | None
    items_entered: int
    items_left: int
    movers: pl.DataFrame
    exposure: pl.DataFrame

    def summary(self) -> dict[str, Any]:
        """The difference as plain values, users as counts."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            **plain,
            "users_added": len(self.users_added),
            "users_removed": len(self.users_removed),
            "movers": self.movers.to_dicts(),
            "exposure": self.exposure.to_dicts(),
        }


def diff_releases(home: Home, a: str, b: str, items: pl.DataFrame | None = None) -> ReleaseDiff:
    """Compare release `b` with release `a`. Raises RecsError for an unknown id.

    `items`: item_id and columns by which exposure is compared, such as category and creator; by segment always.
    """
    import polars as pl

    columns = [c.USER_ID, c.ITEM_ID, c.RANK, c.SEGMENT_ID]
    before, after = (read_release(home, name).select(columns) for name in (a, b))
    users_before, users_after = (set(frame[c.USER_ID].to_list()) for frame in (before, after))
    both = pl.DataFrame({c.USER_ID: sorted(users_before & users_after)}, schema={c.USER_ID: pl.String()})
    lengths = _lengths(before, after, both)
    kept, positions = int(lengths["common"].sum()), int(lengths["after"].sum())
    overlap = (lengths["common"] / lengths.select(pl.max_horizontal("before", "after")).to_series()).to_list()
    items_before, items_after = (set(frame[c.ITEM_ID].to_list()) for frame in (before, after))
    return ReleaseDiff(
        a,
        b,
        users_added=tuple(sorted(users_after - users_before)),
        users_removed=tuple(sorted(users_before - users_after)),
        users_in_both=both.height,
        rows_entered=positions - kept,
        rows_left=int(lengths["before"].sum()) - kept,
        rows_moved=_moved(before, after),
        changed_share=1.0 - kept / positions if positions else None,
        mean_overlap=sum(overlap) / len(overlap) if overlap else None,
        items_entered=len(items_after - items_before),
        items_left=len(items_before - items_after),
        movers=_movers(before, after),
        exposure=_exposure(before, after, items),
    )


def _lengths(before: pl.DataFrame, after: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
    """One row a user: items in each list and in both."""
    import polars as pl

    counts = users
    common = after.join(before, on=[c.USER_ID, c.ITEM_ID], how="semi")
    for name, frame in (("before", before), ("after", after), ("common", common)):
        counts = counts.join(frame.group_by(c.USER_ID).len(name), on=c.USER_ID, how="left")
    return counts.with_columns(pl.col("before", "after", "common").fill_null(0).cast(pl.Int64)).sort(c.USER_ID)


def _moved(before: pl.DataFrame, after: pl.DataFrame) -> int:
    """Items that are in a user's list before and after, at another place."""
    pairs = after.join(before, on=[c.USER_ID, c.ITEM_ID])
    return int((pairs[c.RANK] != pairs[f"{c.RANK}_right"]).sum())


def _movers(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    counted = (
        before.group_by(c.ITEM_ID)
        .len("lists_before")
        .join(after.group_by(c.ITEM_ID).len("lists_after"), on=c.ITEM_ID, how="full", coalesce=True)
    )
    filled = counted.with_columns(pl.col("lists_before", "lists_after").fill_null(0).cast(pl.Int64))
    moved = filled.with_columns((pl.col("lists_after") - pl.col("lists_before")).alias("change"))
    ordered = moved.filter(pl.col("change") != 0).sort([pl.col("change").abs(), c.ITEM_ID], descending=[True, False])
    return ordered.head(MOVERS_MAX)


def exposure_shares(rows: Mapping[str, pl.DataFrame], items: pl.DataFrame | None, dimension: str) -> pl.DataFrame:
    """`value` of the dimension, and for each of `rows` by name the share of its rows with it, the greatest first.

    `items` (item_id and the dimension) says what each item is; without it the rows have the dimension themselves. Rows
    without a value are a group too.
    """
    import polars as pl

    joined: pl.DataFrame | None = None
    for name, frame in rows.items():
        valued = frame if items is None else frame.select(c.ITEM_ID).join(items, on=c.ITEM_ID, how="left")
        counted = valued.group_by(pl.col(dimension).cast(pl.String).alias(c.VALUE)).agg(
            (pl.len() / max(1, frame.height)).alias(name)
        )
        joined = (
            counted if joined is None else joined.join(counted, on=c.VALUE, how="full", coalesce=True, nulls_equal=True)
        )
    if joined is None:
        raise ValueError("there are no rows to take shares of")
    return joined.with_columns(pl.col(list(rows)).fill_null(0.0)).sort(
        [*rows, c.VALUE], descending=[*[True] * len(rows), False]
    )


def _exposure(before: pl.DataFrame, after: pl.DataFrame, items: pl.DataFrame | None) -> pl.DataFrame:
    """Groups whose share of all positions changed most, by dimension; positions without a value are a group too."""
    import polars as pl

    dimensions = [c.SEGMENT_ID, *(() if items is None else (name for name in items.columns if name != c.ITEM_ID))]
    found: list[pl.DataFrame] = []
    for dimension in dimensions:
        groups = None if items is None or dimension == c.SEGMENT_ID else items.select(c.ITEM_ID, dimension)
        shares = exposure_shares({"share_before": before, "share_after": after}, groups, dimension)
        change = shares.with_columns(
            (pl.col("share_after") - pl.col("share_before")).alias("change"),
            pl.lit(dimension).alias(c.DIMENSION),
        )
        ordered = change.filter(pl.col("change") != 0).sort([pl.col("change").abs(), c.VALUE], descending=[True, False])
        found.append(ordered.head(SHIFTS_MAX))
    return pl.concat(found).select(c.DIMENSION, c.VALUE, "share_before", "share_after", "change")
