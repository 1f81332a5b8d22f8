"""Reading who and what may be shown no more by now. Which rows of a release that makes unshowable is in `served`.

Today is the later of the newest as-of that was released and of the last event in the lake: what has expired, and where
users are, follows from the data and not from a clock. Opt-outs and withdrawals hold from the moment they are known.
"""
# pyright: reportUnknownMemberType=false

from datetime import UTC, datetime

import duckdb
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.regions import REGION_EXCLUSIONS, USER_REGIONS
from recs_platform.contracts.tables import CONSENTS, EVENTS, IDENTITIES, INGESTIONS, ITEM_HISTORY, USER_HISTORY
from recs_platform.pipeline.event_span import last_event
from recs_platform.pipeline.platform import Platform
from recs_platform.stages.releases.in_force import newest_as_of
from recs_platform.stages.releases.withheld import Regions, Withheld
from recs_platform.warehouse.models import Models
from recs_platform.warehouse.runner import ModelRun

_OPTED_OUT, _CATALOGUE = "staging.stg_opted_out", "staging.stg_catalogue"
_ITEMS, _USERS = "staging.stg_items", "staging.stg_users"
_USER_FEATURES = "features.user_features"
_IS_WITHDRAWN = "is_withdrawn"
_READ_FROM = (
    *(CONSENTS.name, IDENTITIES.name, INGESTIONS.name, ITEM_HISTORY.name, USER_HISTORY.name, EVENTS.name),
    _USER_FEATURES,
)
_LIMITS = [c.OFFERED_IN, c.NOT_OFFERED_IN, c.AGE_MIN]
_READ = [c.ITEM_ID, c.CREATOR, c.AVAILABLE_FROM, c.AVAILABLE_UNTIL, _IS_WITHDRAWN, *_LIMITS]


def today_of(platform: Platform, now: datetime) -> datetime:
    """The instant the lake has come to: of its newest release, or of its last event that is not after `now`."""
    try:
        last = last_event(platform, now)
    except NotReady:
        last = None
    known = [each for each in (last, newest_as_of(platform.home)) if each is not None]
    return max(known).astimezone(UTC) if known else now


def withheld_versions(platform: Platform) -> tuple[int | None, ...]:
    """Versions of the tables that say who and what is withheld: where they are the same, so is what is read of them."""
    lake = platform.lake
    return tuple(lake.version(name) if lake.exists(name) else None for name in _READ_FROM)


def read_withheld(platform: Platform, today: datetime, now: datetime) -> Withheld:
    """Who and what may be shown no more `today`, as it is known `now`."""
    with platform.connection() as con:
        # Reading all models would take longer than all the rest of a rollback.
        run = _run(platform, con, platform.some_models(_OPTED_OUT, _CATALOGUE), today, now)
        opted_out = run.frame(_OPTED_OUT, [c.USER_ID])[c.USER_ID]
        catalogue = run.frame(_CATALOGUE, _READ)
    blocked = platform.settings.retrieval
    is_blocked = pl.col(c.ITEM_ID).is_in(list(blocked.blocked_items)) | pl.col(c.CREATOR).is_in(
        list(blocked.blocked_creators)
    ).fill_null(value=False)
    is_over = (pl.col(c.AVAILABLE_UNTIL) <= today).fill_null(value=False) | (
        pl.col(c.AVAILABLE_FROM) >= today
    ).fill_null(value=False)
    return Withheld(
        opted_out=frozenset(opted_out),
        # One of which nothing is known but events may be blocked too.
        withdrawn=frozenset({*catalogue.filter(pl.col(_IS_WITHDRAWN) | is_blocked)[c.ITEM_ID], *blocked.blocked_items}),
        expired=frozenset(catalogue.filter(is_over)[c.ITEM_ID]),
        regions=_regions(platform, catalogue.filter(~is_over & ~pl.col(_IS_WITHDRAWN)), opted_out, today, now),
    )


def _regions(
    platform: Platform, offered: pl.DataFrame, opted_out: pl.Series, today: datetime, now: datetime
) -> Regions | None:
    """Where users are and what may not be offered there; None, and nothing is read, where no item is restricted."""
    restricted = offered.filter(~pl.all_horizontal(pl.col(_LIMITS).is_null()))
    if restricted.is_empty():
        return None
    built = [each for each in platform.lake.as_ofs(_USER_FEATURES) if each <= today]
    # What users were when features were last built: reading all events again would take as long as a build.
    models = platform.some_models(USER_REGIONS, REGION_EXCLUSIONS)
    with platform.connection() as con:
        run = _run(platform, con, models, today, now)
        if built:
            places = _places(con, platform.lake.files(_USER_FEATURES, as_of=built[-1]))
            run.register(_USERS, places.join(_ages(con, platform, opted_out, now), on=c.USER_ID, how="left"))
        run.register(_ITEMS, restricted.with_columns(pl.lit(value=True).alias(c.IS_AVAILABLE)))
        regions = run.frame(USER_REGIONS, [c.USER_ID, c.AVAILABILITY_REGION], ordered=True)
        return Regions(regions, run.frame(REGION_EXCLUSIONS, ordered=True))


def _places(con: duckdb.DuckDBPyConnection, files: list[str]) -> pl.DataFrame:
    columns = f"{c.USER_ID}, {c.COUNTRY}, {c.REGION}"
    return con.execute(f"select {columns} from read_parquet(?)", [files]).pl()  # noqa: S608  names of columns


def _ages(con: duckdb.DuckDBPyConnection, platform: Platform, opted_out: pl.Series, now: datetime) -> pl.DataFrame:
    """The age band of users as it is known last; of those who opted out nothing is known."""
    if not platform.lake.exists(USER_HISTORY.name):
        return pl.DataFrame(schema={c.USER_ID: pl.String, c.AGE_BAND: pl.String})
    # Not `arg_max`, which leaves NULL out: an age that is told no more is not known.
    latest = f"{c.USER_ID}, arg_max_null({c.AGE_BAND}, {c.VALID_FROM}) as {c.AGE_BAND}"
    rows = f"select {latest} from read_parquet(?) where {c.VALID_FROM} <= ? group by {c.USER_ID}"  # noqa: S608  names
    found = con.execute(rows, [platform.lake.files(USER_HISTORY.name), now]).pl()
    return found.filter(~pl.col(c.USER_ID).is_in(opted_out.implode()))


def _run(
    platform: Platform, con: duckdb.DuckDBPyConnection, models: Models, today: datetime, now: datetime
) -> ModelRun:
    return ModelRun(con, platform.lake, models, (), as_of=today, known_at=now)
