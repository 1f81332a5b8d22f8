"""How one release differs from another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recs_platform.contracts import columns as c
from recs_platform.stages.releases.reading import read_release

if TYPE_CHECKING:
    import polars as pl

    from recs_platform.contracts.home import Home

MOVERS_MAX = 10


@dataclass(frozen=True)
class ReleaseDiff:
    """How release `b` differs from `a`.

    `users_added` and `users_removed` are sorted ids. Over users in both: `changed_share` is the share of b's positions
    whose item was not in the user's list in a, `mean_overlap` the mean over users of common items over the longer
    list's length; both None when no user is in both. `movers` (item_id, lists_before, lists_after, change) are the
    items whose number of lists changed most, at most ten, ties by item_id.
    """

    a: str
    b: str
    users_added: tuple[str, ...]
    users_removed: tuple[str, ...]
    users_in_both: int
    changed_share: float | None
    mean_overlap: float | None
    movers: pl.DataFrame

    def summary(self) -> dict[str, Any]:
        """The difference as plain values, users as counts."""
        return {
            "a": self.a,
            "b": self.b,
            "users_added": len(self.users_added),
            "users_removed": len(self.users_removed),
            "users_in_both": self.users_in_both,
            "changed_share": self.changed_share,
            "mean_overlap": self.mean_overlap,
            "movers": self.movers.to_dicts(),
        }


def diff_releases(home: Home, a: str, b: str) -> ReleaseDiff:
    """Compare release `b` with release `a`. Raises RecsError for an unknown id."""
    import polars as pl

    before, after = (read_release(home, name).select(c.USER_ID, c.ITEM_ID) for name in (a, b))
    users_before, users_after = (set(frame[c.USER_ID].to_list()) for frame in (before, after))
    both = pl.DataFrame({c.USER_ID: sorted(users_before & users_after)}, schema={c.USER_ID: pl.String()})
    lengths = _lengths(before, after, both)
    kept, positions = int(lengths["common"].sum()), int(lengths["after"].sum())
    overlap = (lengths["common"] / lengths.select(pl.max_horizontal("before", "after")).to_series()).to_list()
    return ReleaseDiff(
        a,
        b,
        users_added=tuple(sorted(users_after - users_before)),
        users_removed=tuple(sorted(users_before - users_after)),
        users_in_both=both.height,
        changed_share=1.0 - kept / positions if positions else None,
        mean_overlap=sum(overlap) / len(overlap) if overlap else None,
        movers=_movers(before, after),
    )


def _lengths(before: pl.DataFrame, after: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
    """One row a user: items in each list and in both."""
    import polars as pl

    counts = users
    common = after.join(before, on=[c.USER_ID, c.ITEM_ID], how="semi")
    for name, frame in (("before", before), ("after", after), ("common", common)):
        counts = counts.join(frame.group_by(c.USER_ID).len(name), on=c.USER_ID, how="left")
    return counts.with_columns(pl.col("before", "after", "common").fill_null(0).cast(pl.Int64)).sort(c.USER_ID)


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
