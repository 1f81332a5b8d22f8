"""The releases that the off-policy report compares, and the part of the log that neither was made from."""
# ruff: noqa: S608  names come from contracts, values are whole numbers

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.tables import EVENTS, LIST_REFERENCES, LISTS, SHARED_LISTS, EventType
from recs_platform.contracts.time import as_of_key
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.off_policy.evaluate import held_against
from recs_platform.pipeline.off_policy.log import microseconds, read_log
from recs_platform.stages import releases
from recs_platform.stages.releases.references import expand
from recs_platform.stages.reports.held_lists import Comparison, Held
from recs_platform.stages.reports.off_policy import BEFORE, COMING, IN_FORCE

_NO_RELEASE = "No release is older: there is nothing to compare with."
_METRIC = EventType.CLICK


def compare_lists(run: AsOfRun) -> Sequence[Comparison]:
    """The coming lists against the release in force, and that against the one before it.

    In force is the last one of before the as-of, whatever is pinned: a rebuild of a past day compares the same.
    """
    home = run.platform.home
    in_force = releases.previous_release(home, run.as_of)
    if in_force is None:
        return (Comparison(COMING, why=_NO_RELEASE), Comparison(IN_FORCE, why=_NO_RELEASE))
    before = releases.previous_release(home, in_force.as_of)
    return (
        _compare(run, COMING, None, in_force, run.as_of, run.known_at),
        Comparison(IN_FORCE, why=_NO_RELEASE)
        if before is None
        else _compare(run, IN_FORCE, in_force, before, in_force.as_of, run.as_of),
    )


def _compare(
    run: AsOfRun, subject: str, of: Manifest | None, instead: Manifest, start: datetime, end: datetime
) -> Comparison:
    names = (COMING, IN_FORCE) if of is None else (IN_FORCE, BEFORE)
    if not _has_log(run, start, end):
        key = as_of_key(start)
        why = f"No impression with a propensity is logged from {key} on: lists are held against no log of their past."
        return Comparison(subject, why=why)
    settings = run.platform.settings
    try:
        log = read_log(run.platform, start, end, run.known_at, _METRIC)
    except NotReady as error:
        said = str(error)
        return Comparison(subject, why=f"{said[0].upper()}{said[1:]}.")
    users = log[c.USER_ID].unique().sort()
    mine, theirs = _lists(run, of, users), _lists(run, instead, users)
    both = mine.select(c.USER_ID).unique().join(theirs, on=c.USER_ID, how="semi")
    rows = log.join(both, on=c.USER_ID, how="semi", maintain_order="left")
    if rows.is_empty():
        return Comparison(subject, why="No user of the log has a list of both.")
    made, shown_instead = (
        held_against(rows, lists.join(both, on=c.USER_ID, how="semi", maintain_order="left"), settings.seed)
        for lists in (mine, theirs)
    )
    return Comparison(
        subject,
        Held(names[0], None if of is None else of.version, *made[:2]),
        Held(names[1], instead.version, *shown_instead[:2]),
        made[2],
        both.height,
        settings.k,
    )


def _lists(run: AsOfRun, release: Manifest | None, users: pl.Series) -> pl.DataFrame:
    """The first k items of each of `users`: of a release, or of the lists that are not released yet."""
    k, pair = run.platform.settings.k, [c.USER_ID, c.ITEM_ID]
    columns = [*pair, c.PROPENSITY]
    if release is not None:
        return releases.read_items_of(run.platform.home, release.version, users, k).sort(pair)
    with run.models() as models:
        own, shared, references = (models.frame(each.name) for each in (LISTS, SHARED_LISTS, LIST_REFERENCES))
    mine = references.filter(pl.col(c.USER_ID).is_in(users.implode()))
    rows = pl.concat([own.select(LISTS.column_names), expand(shared, mine)]) if mine.height else own
    kept = (pl.col(c.RANK) <= k) & pl.col(c.USER_ID).is_in(users.implode())
    return rows.filter(kept).select(columns).sort(pair)


def _has_log(run: AsOfRun, start: datetime, end: datetime) -> bool:
    """Whether the lake has such an impression: one column read, where the log takes every event."""
    lake = run.platform.lake
    files = lake.files(EVENTS.name) if lake.exists(EVENTS.name) else []
    if not files or end <= start:
        return False
    with run.platform.connection() as con:
        row = con.execute(
            f"select 1 from read_parquet(?) where {c.EVENT_TYPE} = 'impression' and {c.PROPENSITY} is not null and "
            f"epoch_us({c.OCCURRED_AT}) >= {microseconds(start)} and "
            f"epoch_us({c.OCCURRED_AT}) < {microseconds(end)} and "
            f"epoch_us({c.INGESTED_AT}) <= {microseconds(run.known_at)} limit 1",
            [files],
        ).fetchone()
    return row is not None
