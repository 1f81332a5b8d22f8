"""Which tables the analysts' file holds. The file is built in `warehouse.publish`."""
# pyright: reportUnknownParameterType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import uuid
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError, NotReady
from recs_platform.contracts.home import Lock
from recs_platform.contracts.tables import (
    CANDIDATES,
    EVENTS,
    LIST_REFERENCES,
    LISTS,
    RANKED,
    SHARED_LISTS,
    SHORT_LISTS,
    SURFACE_LISTS,
    Column,
    TableContract,
)
from recs_platform.lake.audit import FIELDS, read_processing
from recs_platform.lake.locks import exclusive
from recs_platform.pipeline.damaged_releases import leave_out_damaged
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.published_keys import published_options
from recs_platform.pipeline.published_releases import LATEST, RELEASED, release_tables, view_table
from recs_platform.pipeline.roles import write_role_files
from recs_platform.pipeline.served import (
    Brought,
    bring_served_up_to_date,
    changing_what_is_served,
    impersonal_sources,
)
from recs_platform.stages.releases.in_force_log import note_in_force
from recs_platform.stages.releases.views import AS_OF_IN_FORCE
from recs_platform.stages.releases.withheld import Withheld
from recs_platform.warehouse.list_exports import write_list_exports
from recs_platform.warehouse.meta import META, META_PROCESSING, META_RUNS, meta_frames
from recs_platform.warehouse.publish import PublishReport
from recs_platform.warehouse.publish import publish as write_file
from recs_platform.warehouse.published_tables import (
    PublishedTable,
    published_contract,
    published_model,
)

if TYPE_CHECKING:
    from recs_platform.pipeline.run_rows import Made

# Of candidates the newest as_of alone is published: they would be most of the file.
_NEWEST_ONLY = frozenset({CANDIDATES.name, RANKED.name, "features.candidate_features"})


def publish(
    platform: Platform,
    *,
    keep_older: bool = True,
    present: "tuple[str, Made] | None" = None,
    on_wait: Callable[[str], None] | None = None,
) -> PublishReport:
    """Rebuild analytics.duckdb from the lake and the releases. Raises NotReady while nothing was ingested.

    Without `keep_older` no file of an earlier publish stays, which is what removed rows call for.
    `present`: the run that publishes, and what it has made. `on_wait` is told who publishes, where somebody does.
    """
    with _publishing(platform, on_wait):
        return _publish(platform, keep_older=keep_older, present=present)


def publish_releases(
    platform: Platform,
    *,
    earlier: Brought | None = None,
    change: Callable[[], Brought | None] | None = None,
    on_wait: Callable[[str], None] | None = None,
) -> PublishReport:
    """Bring releases and lists in analytics.duckdb up to date, and leave the rest as it is.

    `earlier`: what was brought up to date just now. `change` is called first, while nobody else publishes, and says the
    same. `on_wait` is told who publishes, where somebody does.
    All is published where there is no file to build upon. Raises NotReady while nothing was ingested.
    """
    with _publishing(platform, on_wait):
        if change is not None:
            earlier = change()
        try:
            return _publish_releases(platform, others_stay=True, earlier=earlier)
        except (NotReady, ContractError, duckdb.Error):
            return _publish(platform)


def publish_release_tables(platform: Platform) -> PublishReport:
    """Publish releases and lists alone."""
    with _publishing(platform):
        return _publish_releases(platform)


@contextmanager
def _publishing(platform: Platform, on_wait: Callable[[str], None] | None = None) -> Generator[None, None, None]:
    """One publish at a time, from reading what is in force on: the last one to begin is the last one to write."""
    with exclusive(platform.home.lock(Lock.PUBLISH), on_wait=on_wait):
        yield


def _publish(
    platform: Platform, *, keep_older: bool = True, present: "tuple[str, Made] | None" = None
) -> PublishReport:
    if not platform.lake.exists(EVENTS.name):
        raise NotReady("nothing to publish yet: land data and run `recs run` first")
    while True:
        withheld, released = _released(platform)
        tables = _tables(platform, released, present)
        try:
            return _write(platform, tables, withheld, keep_older=keep_older)
        except duckdb.IOException:
            # A rollback waits for no publish: it may have replaced other rows, and removed those that were copied.
            if _are_there(released):
                raise


def _are_there(released: Sequence[PublishedTable]) -> bool:
    """Whether every file with rows in the place of others is there still."""
    instead = [each for table in released for each in table.instead.values()]
    return all(file.exists() for each in instead for file in (each.of, each.rows) if file is not None)


def _publish_releases(
    platform: Platform, *, others_stay: bool = False, earlier: Brought | None = None
) -> PublishReport:
    """`others_stay`: tables of the file beside those of releases; NotReady where there is no file."""
    withheld, released = _released(platform, earlier)
    return _write(platform, released, withheld, others_stay=others_stay)


def _released(platform: Platform, earlier: Brought | None = None) -> tuple[Withheld, list[PublishedTable]]:
    """What may not be shown by now, and tables of releases that say the same of which release is in force."""
    with changing_what_is_served(platform.home):
        now = datetime.now(UTC)
        brought = bring_served_up_to_date(platform, now, earlier=earlier)
        if brought.release_id is not None:
            note_in_force(platform.home, brought.release_id, now)
        return brought.withheld, release_tables(platform, brought.withheld)


def _write(platform: Platform, tables: Sequence[PublishedTable], withheld: Withheld, **options: bool) -> PublishReport:
    report = _write_file(platform, tables, **options)
    # A role that hides what is not there must leave no lists of before in the hands of other systems.
    _export_lists(platform, withheld, keep_older=options.get("keep_older", True))
    write_role_files(platform)
    return report


def _write_file(platform: Platform, tables: Sequence[PublishedTable], **options: bool) -> PublishReport:
    """Write the file, without kept releases that have a damaged file: DuckDB fails at it and does not name it."""
    settings, left_out = platform.settings, list[str]()
    while True:
        try:
            report = write_file(
                platform.lake,
                platform.home.analytics,
                tables=tables,
                options=published_options(platform),
                rows_max=settings.publish.events_as_table_max_rows,
                as_ofs_max=settings.publish.as_ofs_max,
                publish_id=uuid.uuid4().hex[:12],
                **options,
            )
        except duckdb.Error:
            tables, said = leave_out_damaged(tables)
            if not said:
                raise
            left_out += said
        else:
            return replace(report, set_aside=(*report.set_aside, *left_out))


def _export_lists(platform: Platform, withheld: Withheld, *, keep_older: bool) -> None:
    """Lists in force for other systems, less personal ones of people who have opted out meanwhile."""
    settings = platform.settings
    write_list_exports(
        platform.home.analytics,
        platform.home.exports,
        settings.publish.exports,
        pl.DataFrame({c.USER_ID: sorted(withheld.opted_out)}, schema={c.USER_ID: pl.String}),
        published_options(platform),
        impersonal=impersonal_sources(withheld),
        keep_older=keep_older,
    )


def published_contracts(platform: Platform) -> tuple[TableContract, ...]:
    """Contract tables of the file; lists and short lists come from the release in force, histories are no tables."""
    apart = {LISTS.name, SHORT_LISTS.name, SHARED_LISTS.name, LIST_REFERENCES.name, SURFACE_LISTS.name}
    return tuple(table for table in platform.contracts if table.name not in apart and table.history_of is None)


def _tables(
    platform: Platform, released: Sequence[PublishedTable], present: "tuple[str, Made] | None"
) -> Sequence[PublishedTable]:
    rows = _rows(platform)
    latest = [_latest(table, grain) for table, grain in rows if _is_in_latest(table)]
    contracts = (*_contracts(platform), *(contract for contract, _ in latest))
    frames = meta_frames(platform.models, contracts, platform.lineage)
    # Here: it takes longer to import than a rollback may.
    from recs_platform.pipeline.run_rows import run_rows

    described = [published_contract(contract, frames[contract.name]) for contract in META]
    described.append(published_contract(META_PROCESSING, _processing(platform)))
    described.append(published_contract(META_RUNS, run_rows(platform, present)))
    return [
        *(table for table, _ in rows),
        *released,
        *(view_table(contract, sql) for contract, sql in latest),
        *described,
    ]


def _processing(platform: Platform) -> pl.DataFrame:
    """The audit trail as a table."""
    entries = pl.DataFrame(read_processing(platform.home), schema=dict.fromkeys(FIELDS, pl.String()))
    return entries.with_columns(pl.col("at").str.to_datetime(time_unit="us", time_zone="UTC"))


def _rows(platform: Platform) -> list[tuple[PublishedTable, tuple[str, ...]]]:
    """Tables that are published with the rows they have in the lake, and what identifies a row of one as_of."""
    stored = [model for model in platform.models if model.materialized == "table"]
    found = [(published_contract(table), table.grain) for table in published_contracts(platform)]
    found += [
        (published_model(model, is_as_of=platform.models.is_as_of(model.name)), tuple(model.grain)) for model in stored
    ]
    return [(replace(table, as_ofs_max=1) if table.name in _NEWEST_ONLY else table, grain) for table, grain in found]


def _contracts(platform: Platform) -> tuple[TableContract, ...]:
    """Contracts of what is published, less the META tables and those of `latest`."""
    return (*published_contracts(platform), *RELEASED, META_PROCESSING, META_RUNS)


def published_names(platform: Platform) -> frozenset[str]:
    """Every table of the file, as `raw.events`, and every column of one, as `price`; nothing need be published."""
    rows = [table for table, _ in _rows(platform)]
    contracts = (*_contracts(platform), *META)
    tables = [each.name for each in (*rows, *contracts)]
    tables += [_latest_name(table) for table in rows if _is_in_latest(table)]
    return frozenset(tables) | {column.name for each in (*rows, *contracts) for column in each.columns}


def _is_in_latest(table: PublishedTable) -> bool:
    return table.is_as_of and table.name not in _NEWEST_ONLY


def _latest_name(table: PublishedTable) -> str:
    return f"{LATEST}.{table.name.split('.')[1]}"


def _latest(table: PublishedTable, grain: tuple[str, ...]) -> tuple[TableContract, str]:
    """A table as of the release in force, as `latest.<table>`."""
    columns = tuple(Column(each.name, each.dtype, each.description, unit=each.unit) for each in table.columns)
    description = f"{table.description}; as of the release in force"
    contract = TableContract(_latest_name(table), description, columns, grain=grain)
    return contract, f"select * from {table.name} where {c.AS_OF} = {AS_OF_IN_FORCE}"  # noqa: S608  names of contracts
