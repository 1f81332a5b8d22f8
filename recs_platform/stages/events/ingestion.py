"""Ingestion: every landed file that is not ingested yet becomes part of one sealed batch, each row decided once.

How a file is read and its rows are checked is described in `staging`, how repeats are found in `deduplication`.
"""
# ruff: noqa: S608 - relations are named by this package; values are literals built by text_literal

import shutil
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.home import Home, Lock
from recs_platform.contracts.tables import BATCH_TABLES, EVENTS, INGESTIONS, QUARANTINE, TableContract
from recs_platform.lake.batches import next_number, open_batch, recover
from recs_platform.lake.locks import exclusive
from recs_platform.lake.tables import Lake
from recs_platform.stages.events.deduplication import (
    HISTORIES,
    accepted,
    find_repeats,
    lake_rows,
    write_appended,
    write_catalogue,
)
from recs_platform.stages.events.disk_errors import raise_disk_full
from recs_platform.stages.events.forgotten import prepare_forgotten
from recs_platform.stages.events.landing import (
    Landed,
    PendingFile,
    look_into_landing,
    split_pending,
    why_unknown,
)
from recs_platform.stages.events.ledger import FileCounts, IngestReport, make_ledger
from recs_platform.stages.events.macros import prepare_macros
from recs_platform.stages.events.privacy import Privacy
from recs_platform.stages.events.pseudonyms import prepare
from recs_platform.stages.events.quarantined_rows import QUARANTINED, make_quarantined
from recs_platform.stages.events.records import Scratch, numbers_of
from recs_platform.stages.events.sources import SOURCE_TABLES, DataSource
from recs_platform.stages.events.staging import Staging, stage_file
from recs_platform.warehouse.clauses import text_literal
from recs_platform.warehouse.connection import open_cursor

CONTRACTS = {contract.table: contract for contract in BATCH_TABLES}
AS_IT_COMES = Privacy()


@dataclass(frozen=True)
class IngestContext:
    """What an ingestion needs: where files lie and rows go, how sources are read, what is kept of people."""

    home: Home
    lake: Lake
    sources: Mapping[str, DataSource]
    privacy: Privacy
    now: datetime
    progress: Callable[[str], None]


def ingest(
    home: Home,
    lake: Lake,
    sources: Mapping[str, DataSource],
    con: duckdb.DuckDBPyConnection,
    *,
    now: datetime,
    progress: Callable[[str], None],
    settle_seconds: float = 0.0,
    privacy: Privacy = AS_IT_COMES,
) -> IngestReport:
    """Ingest every landed file whose content is not in the ledger, exactly once, as one batch.

    Finishes batches of dead runs first. Waits for another ingestion to end, reporting it to `progress`. `now` becomes
    ingested_at where the source gives none, and valid_from. A file that changed within `settle_seconds` is watched for
    as long, and left for the next time when it goes on changing. All tables of a batch exist afterwards, once anything
    was ingested. Raises ModelError when a source's SQL is wrong and RecsError when the disk is full; then nothing is
    written.
    """
    context = IngestContext(home, lake, sources, privacy, now, progress)
    with exclusive(home.lock(Lock.INGEST), on_wait=progress):
        recovered = tuple(recover(home.batches, lake, CONTRACTS))
        landed = _settled(context, settle_seconds)
        files = split_pending(landed, lake)
        if not files:
            progress("nothing new in landing")
            return _report(None, (), recovered, landed)
        number = next_number(lake)
        with working(context, con) as staging:
            stage_files(context, staging, files)
            if staging.counts:
                with open_batch(home.batches, number) as folder:
                    _write_batch(context, staging, folder)
        recover(home.batches, lake, CONTRACTS)
        return _report(
            number if staging.counts else None, staging.counts.values(), recovered, landed, staging.unfinished
        )


def ingest_dry_run(
    home: Home,
    lake: Lake,
    sources: Mapping[str, DataSource],
    con: duckdb.DuckDBPyConnection,
    *,
    now: datetime,
    progress: Callable[[str], None],
    settle_seconds: float = 0.0,
    privacy: Privacy = AS_IT_COMES,
) -> IngestReport:
    """Decide about every row as `ingest` would now, and write nothing; `batch` is its number to be.

    The report also tells when the events that each file will bring occurred.
    """
    context = IngestContext(home, lake, sources, privacy, now, progress)
    with exclusive(home.lock(Lock.INGEST), on_wait=progress):
        recovered = tuple(recover(home.batches, lake, CONTRACTS))
        landed = _settled(context, settle_seconds)
        files = split_pending(landed, lake)
        if not files:
            return _report(None, (), recovered, landed)
        with working(context, con) as staging:
            stage_files(context, staging, files)
            for contract in SOURCE_TABLES.values():
                _find_repeats(context, staging, contract)
            spans, days = _event_spans(staging, now), _event_days(staging)
        report = _report(next_number(lake), staging.counts.values(), recovered, landed, staging.unfinished)
        return replace(report, event_spans=spans, event_days=days)


@contextmanager
def working(context: IngestContext, con: duckdb.DuckDBPyConnection) -> Generator[Staging, None, None]:
    """A staging area with a scratch folder and a cursor of its own, both removed afterwards; reports a full disk."""
    scratch = Scratch(context.home.temporary / Lock.INGEST)
    shutil.rmtree(scratch.folder, ignore_errors=True)
    try:
        scratch.folder.mkdir(parents=True)
        with closing(open_cursor(con)) as cursor:
            cursor.execute("set TimeZone = 'UTC'")
            prepare_macros(cursor)
            if context.privacy.key is not None:
                prepare(cursor, context.privacy.key)
            prepare_forgotten(cursor, context.home, pseudonymize=context.privacy.key is not None)
            yield Staging(cursor, context.sources, scratch, context.now, context.privacy)
    except (OSError, duckdb.Error) as error:
        raise_disk_full(error)
        raise
    finally:
        shutil.rmtree(scratch.folder, ignore_errors=True)


def stage_files(context: IngestContext, staging: Staging, files: Sequence[PendingFile]) -> None:
    """Read every file and stage its rows, rejected ones in the quarantine."""
    make_quarantined(staging.con)
    for order, file in enumerate(files):
        context.progress(f"reading {file.source_file} ({order + 1} of {len(files)})")
        stage_file(staging, order, file)


def count_repeats(staging: Staging, contract: TableContract, repeats: Mapping[int, int]) -> int:
    """Enter a table's repeats into the counts; returns the rows that are ingested."""
    taken = 0
    for (order, table), counts in staging.counts.items():
        if table == contract.table:
            duplicate = repeats.get(order, 0)
            accepted = counts.rows_read - counts.rows_quarantined - duplicate
            staging.counts[order, table] = replace(counts, rows_accepted=accepted, rows_duplicate=duplicate)
            taken += accepted
    return taken


def require_written(staging: Staging, contract: TableContract, folder: Path, taken: int) -> None:
    """Raise ContractError unless the batch holds as many rows of an appended table as the ledger will say."""
    files = text_literal(str(folder / f"{contract.table}*.parquet"))
    pattern = f"^{contract.table}(-[0-9]+)?[.]parquet$"
    (written,) = numbers_of(
        staging.con,
        f"select coalesce(sum(num_rows), 0) from parquet_file_metadata({files}) "
        f"where regexp_matches(parse_filename(file_name), '{pattern}')",
    )
    if written != taken:
        raise ContractError(f"{written} rows of {contract.name} were written, the ledger says {taken}")


def write_table(staging: Staging, contract: TableContract, relation: str, folder: Path) -> None:
    """Write a relation as a table of the batch."""
    staging.con.execute(
        f"copy {relation} to {text_literal(str(folder / f'{contract.table}.parquet'))} (format parquet)"
    )


def _write_batch(context: IngestContext, staging: Staging, folder: Path) -> None:
    context.progress("finding duplicates")
    for contract in SOURCE_TABLES.values():
        _decide(context, staging, contract, folder)
    make_ledger(staging.con, staging.counts.values(), {file.file_hash: context.now for file in staging.counts.values()})
    for contract, relation in ((QUARANTINE, QUARANTINED), (INGESTIONS, "ledger_rows")):
        # A batch adds nothing to a table that exists and gets no rows: its version stays.
        if numbers_of(staging.con, f"select count(*) from {relation}")[0] or not context.lake.exists(contract.name):
            write_table(staging, contract, relation, folder)


def _decide(context: IngestContext, staging: Staging, contract: TableContract, folder: Path) -> None:
    files, is_there = staging.staged[contract.table], context.lake.exists(contract.name)
    repeats = _find_repeats(context, staging, contract)
    taken = sum(counts.rows_accepted for (_, table), counts in staging.counts.items() if table == contract.table)
    if not taken and is_there:
        return
    if contract.name in HISTORIES:
        held, versions = lake_rows(context.lake, contract), lake_rows(context.lake, HISTORIES[contract.name])
        write_catalogue(staging.con, contract, files, held, versions, folder=folder, now=context.now)
    else:
        write_appended(staging.con, contract, files, repeats, folder)
        require_written(staging, contract, folder, taken)


def _find_repeats(context: IngestContext, staging: Staging, contract: TableContract) -> dict[int, int]:
    held = lake_rows(context.lake, contract) if context.lake.exists(contract.name) else ""
    repeats = find_repeats(staging.con, contract, staging.staged[contract.table], held)
    count_repeats(staging, contract, repeats)
    return repeats


def _event_spans(staging: Staging, now: datetime) -> dict[str, tuple[datetime, datetime]]:
    """First and last event of each file; events from the future end a span only where there are no others."""
    rows = accepted(EVENTS, staging.staged[EVENTS.table])
    found = staging.con.execute(
        f"select {c.FILE_HASH}, min({c.OCCURRED_AT}), "
        f"coalesce(max({c.OCCURRED_AT}) filter (where {c.OCCURRED_AT} <= ?), max({c.OCCURRED_AT})) "
        f"from {rows} group by {c.FILE_HASH}",
        [now],
    ).fetchall()
    return {str(digest): (first, last) for digest, first, last in found}


def _event_days(staging: Staging) -> dict[int, int]:
    rows = accepted(EVENTS, staging.staged[EVENTS.table])
    day = f"cast({c.OCCURRED_AT} as date) - date '1970-01-01'"
    return dict(staging.con.execute(f"select {day}, count(*) from {rows} group by 1 order by 1").fetchall())


def _settled(context: IngestContext, seconds: float) -> Landed:
    """What lies in landing; files that changed a moment ago are looked at twice."""
    if seconds <= 0:
        landed = look_into_landing(context.home, context.sources)
    else:
        limit = context.now - timedelta(seconds=seconds)
        landed = look_into_landing(context.home, context.sources, changed_before=limit)
        if landed.settling:
            time.sleep(seconds)
            landed = look_into_landing(context.home, context.sources, changed_before=limit, quiet=landed.settling)
    for name in landed.unknown:
        context.progress(f"warning: {name} is left where it is: {why_unknown(context.sources, name)}")
    for name, reason in landed.rejected:
        context.progress(f"warning: {name} is not ingested: {reason}")
    if landed.markers:
        context.progress(
            f"{len(landed.markers)} marker or hidden files are left where they are: {', '.join(landed.markers[:3])}"
        )
    for name in landed.settling:
        context.progress(f"{name} is still being written; it is ingested next time")
    return landed


def _report(
    batch: int | None,
    files: Iterable[FileCounts],
    recovered: tuple[int, ...],
    landed: Landed,
    unfinished: Sequence[str] = (),
) -> IngestReport:
    settling = tuple(sorted((*landed.settling, *unfinished)))
    return IngestReport(batch, tuple(files), recovered, landed.unknown, landed.rejected, settling)
