"""Until when lists are meant to be shown: who comes every day is due a new one sooner than who comes once a month."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import LIST_EXPIRY
from recs_platform.lake.artifacts import artifact
from recs_platform.lake.column_types import polars_schema
from recs_platform.lake.whole_files import collect_whole, whole_parquet
from recs_platform.stages.releases.files import EXPIRY_FILE, RELEASES_ARTIFACT
from recs_platform.stages.releases.in_force import find_release

if TYPE_CHECKING:
    import polars as pl

    from recs_platform.contracts.home import Home

WINDOW_DAYS = 28


def list_expiry(
    users: pl.Series, activity: pl.DataFrame, as_of: datetime, *, days_min: float, days_max: float
) -> pl.DataFrame:
    """Rows of recommendations.list_expiry, less release_id: one of each of `users` (distinct), sorted.

    `activity`: `user_id` (distinct), `active_day_count_28d`. A list is meant for as long as the user stays away
    between two visits in the mean, 28 days by the days with an event, within the bounds; for the greatest where no
    such day is known.

    >>> import polars as pl
    >>> seen = pl.DataFrame({"user_id": ["a", "b", "c"], "active_day_count_28d": [28, 7, 1]})
    >>> rows = list_expiry(pl.Series(["a", "b", "c", "d"]), seen, datetime(2024, 1, 1), days_min=2, days_max=7)
    >>> [at.day - 1 for at in rows["expires_at"]]
    [2, 4, 7, 7]
    """
    import polars as pl

    active = pl.col(c.ACTIVE_DAY_COUNT_28D)
    days = pl.when(active > 0).then(WINDOW_DAYS / active).fill_null(days_max).clip(min(days_min, days_max), days_max)
    # Whole seconds: of a day's fraction nobody can tell more.
    seconds = (days * timedelta(days=1).total_seconds()).round().cast(pl.Int64)
    known = users.alias(c.USER_ID).to_frame().join(activity, on=c.USER_ID, how="left").sort(c.USER_ID)
    at = pl.lit(as_of).dt.cast_time_unit("us")
    return known.select(at.alias(c.AS_OF), c.USER_ID, (at + pl.duration(seconds=seconds)).alias(c.EXPIRES_AT))


def read_list_expiry(home: Home, release_id: str, *, user: str | None = None) -> pl.DataFrame:
    """The same of a release, of all users or one; none of releases that say nothing. RecsError for an unknown id."""
    import polars as pl

    find_release(home, release_id)
    file = artifact(home.artifacts, RELEASES_ARTIFACT, release_id) / EXPIRY_FILE
    columns = [column for column in LIST_EXPIRY.columns if column.name != c.RELEASE_ID]
    if not file.exists():
        return pl.DataFrame(schema=polars_schema(columns))
    rows = pl.scan_parquet(whole_parquet(file))
    return collect_whole(rows if user is None else rows.filter(pl.col(c.USER_ID) == user), file)


def expired_share(home: Home, release_id: str, at: datetime) -> float | None:
    """Share of the users of a release whose lists were meant until before an instant; None where nothing is known."""
    import polars as pl

    share = read_list_expiry(home, release_id).select((pl.col(c.EXPIRES_AT) <= at).mean()).item()
    return None if share is None else float(share)
