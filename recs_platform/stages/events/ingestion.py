"""Taking landing in: every file not taken in yet becomes part of one sealed batch, each row decided once.

How a file is read and its rows are checked is told in `intake`, how repeats are found in `deciding`.
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
from recs_platform.stages.events.deciding import (
    HISTORIES,
    accepted,
    find_repeats,
    lake_rows,
    write_appended,
    write_catalogue,
)
from recs_platform.stages.events.faults import raise_disk_full
from recs_platform.stages.events.intake import Intake, take_in
from recs_platform.stages.events.landing import (
    Landed,
    PendingFile,
    look_into_landing,
    split_pending,
    why_unknown,
)
from recs_platform.stages.events.ledger import FileCounts, IngestReport, make_ledger
from recs_platform.stages.events.macros import prepare_macros
from recs_platform.stages.events.minimization import Privacy
from recs_platform.stages.events.pseudonyms import prepare
from recs_platform.stages.events.records import Scratch, numbers_of
from recs_platform.stages.events.refused_rows import QUARANTINED, make_quarantined
from recs_platform.stages.events.sources import SOURCE_TABLES, Source
from recs_platform.warehouse.clauses import text_literal

CONTRACTS = {contract.table: contract for contract in BATCH_TABLES}
AS_IT_COMES = Privacy()


@dataclass(frozen=True)
class Door:
    """What an ingestion needs: where files lie and rows go, how sources are read, what is kept of people."""

    home: Home
    lake: Lake
    sources: Mapping[str, Source]
    privacy: Privacy
    now: datetime
    progress: Callable[[str], None]


def ingest(
    home: Home,
    lake: Lake,
    sources: Mapping[str, Source],
    con: duckdb.DuckDBPyConnection,
    *,
    now: datetime,
    progress: Callable[[str], None],
    settle_seconds: float = 0.0,
    privacy: Privacy = AS_IT_COMES,
) -> IngestReport:
    """Take in every landed file whose content is not in the ledger, exactly once, as one batch.

    Finishes batches of dead runs first. Waits for another ingestion to end, telling `progress` so. `now` becomes
    ingested_at where the source gives none, and valid_from. A file that changed within `settle_seconds` is watched for
    as long, and left for the next time when it goes on changing. All tables of a batch exist afterwards, once anything
    was taken in. Raises ModelError when a source's SQL is wrong and RecsError when the disk is full; then nothing is
    written.
    """
    door = Door(home, lake, sources, privacy, now, progress)
    with exclusive(home.lock(Lock.INGEST), on_wait=progress):
        recovered = tuple(recover(home.batches, lake, CONTRACTS))
        landed = _settled(door, settle_seconds)
        files = split_pending(landed, lake)
        if not files:
            progress("nothing new in landing")
            return _report(None, (), recovered, landed)
        number = next_number(lake)
        with working(door, con) as intake:
            stage_files(door, intake, files)
            if intake.counts:
                with open_batch(home.batches, number) as folder:
                    _write_batch(door, intake, folder)
        recover(home.batches, lake, CONTRACTS)
        return _report(number if intake.counts else None, intake.counts.values(), recovered, landed, intake.unfinished)


def rehearse(
    home: Home,
    lake: Lake,
    sources: Mapping[str, Source],
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
    door = Door(home, lake, sources, privacy, now, progress)
    with exclusive(home.lock(Lock.INGEST), on_wait=progress):
        recovered = tuple(recover(home.batches, lake, CONTRACTS))
        landed = _settled(door, settle_seconds)
        files = split_pending(landed, lake)
        if not files:
            return _report(None, (), recovered, landed)
        with working(door, con) as intake:
            stage_files(door, intake, files)
            for contract in SOURCE_TABLES.values():
                _find_repeats(door, intake, contract)
            spans = _event_spans(intake, now)
        report = _report(next_number(lake), intake.counts.values(), recovered, landed, intake.unfinished)
        return replace(report, event_spans=spans)


@contextmanager
def working(door: Door, con: duckdb.DuckDBPyConnection) -> Generator[Intake, None, None]:
    """An intake with a scratch folder and a cursor of its own, both gone afterwards; a full disk is told as such."""
    scratch = Scratch(door.home.temporary / Lock.INGEST)
    shutil.rmtree(scratch.folder, ignore_errors=True)
    try:
        scratch.folder.mkdir(parents=True)
        with closing(con.cursor()) as cursor:
            cursor.execute("set TimeZone = 'UTC'")
            prepare_macros(cursor)
            if door.privacy.key is not None:
                prepare(cursor, door.privacy.key)
            yield Intake(cursor, door.sources, scratch, door.now, door.privacy)
    except (OSError, duckdb.Error) as error:
        raise_disk_full(error)
        raise
    finally:
        shutil.rmtree(scratch.folder, ignore_errors=True)


def stage_files(door: Door, intake: Intake, files: Sequence[PendingFile]) -> None:
    """Read every file and stage its rows, refused ones in the quarantine."""
    make_quarantined(intake.con)
    for order, file in enumerate(files):
        door.progress(f"reading {file.source_file} ({order + 1} of {len(files)})")
        take_in(intake, order, file)


def count_repeats(intake: Intake, contract: TableContract, repeats: Mapping[int, int]) -> int:
    """Enter a table's repeats into the counts; returns the rows that are taken in."""
    taken = 0
    for (order, table), counts in intake.counts.items():
        if table == contract.table:
            duplicate = repeats.get(order, 0)
            accepted = counts.rows_read - counts.rows_quarantined - duplicate
            intake.counts[order, table] = replace(counts, rows_accepted=accepted, rows_duplicate=duplicate)
            taken += accepted
    return taken


def require_written(intake: Intake, contract: TableContract, folder: Path, taken: int) -> None:
    """Raise ContractError unless the batch holds as many rows of an appended table as the ledger will say."""
    files = text_literal(str(folder / f"{contract.table}*.parquet"))
    pattern = f"^{contract.table}(-[0-9]+)?[.]parquet$"
    (written,) = numbers_of(
        intake.con,
        f"select coalesce(sum(num_rows), 0) from parquet_file_metadata({files}) "
        f"where regexp_matches(parse_filename(file_name), '{pattern}')",
    )
    if written != taken:
        raise ContractError(f"{written} rows of {contract.name} were written, the ledger says {taken}")


def write_table(intake: Intake, contract: TableContract, relation: str, folder: Path) -> None:
    """Write a relation as a table of the batch."""
    intake.con.execute(f"copy {relation} to {text_literal(str(folder / f'{contract.table}.parquet'))} (format parquet)")


def _write_batch(door: Door, intake: Intake, folder: Path) -> None:
    door.progress("finding duplicates")
    for contract in SOURCE_TABLES.values():
        _decide(door, intake, contract, folder)
    make_ledger(intake.con, intake.counts.values(), {file.file_hash: door.now for file in intake.counts.values()})
    for contract, relation in ((QUARANTINE, QUARANTINED), (INGESTIONS, "ledger_rows")):
        # A batch adds nothing to a table that exists and gets no rows: its version stays.
        if numbers_of(intake.con, f"select count(*) from {relation}")[0] or not door.lake.exists(contract.name):
            write_table(intake, contract, relation, folder)


def _decide(door: Door, intake: Intake, contract: TableContract, folder: Path) -> None:
    files, is_there = intake.staged[contract.table], door.lake.exists(contract.name)
    repeats = _find_repeats(door, intake, contract)
    taken = sum(counts.rows_accepted for (_, table), counts in intake.counts.items() if table == contract.table)
    if not taken and is_there:
        return
    if contract.name in HISTORIES:
        held, versions = lake_rows(door.lake, contract), lake_rows(door.lake, HISTORIES[contract.name])
        write_catalogue(intake.con, contract, files, held, versions, folder=folder, now=door.now)
    else:
        write_appended(intake.con, contract, files, repeats, folder)
        require_written(intake, contract, folder, taken)


def _find_repeats(door: Door, intake: Intake, contract: TableContract) -> dict[int, int]:
    held = lake_rows(door.lake, contract) if door.lake.exists(contract.name) else ""
    repeats = find_repeats(intake.con, contract, intake.staged[contract.table], held)
    count_repeats(intake, contract, repeats)
    return repeats


def _event_spans(intake: Intake, now: datetime) -> dict[str, tuple[datetime, datetime]]:
    """First and last event of each file; events from the future end a span only where there are no others."""
    rows = accepted(EVENTS, intake.staged[EVENTS.table])
    found = intake.con.execute(
        f"select {c.FILE_HASH}, min({c.OCCURRED_AT}), "
        f"coalesce(max({c.OCCURRED_AT}) filter (where {c.OCCURRED_AT} <= ?), max({c.OCCURRED_AT})) "
        f"from {rows} group by {c.FILE_HASH}",
        [now],
    ).fetchall()
    return {str(digest): (first, last) for digest, first, last in found}


def _settled(door: Door, seconds: float) -> Landed:
    """What lies in landing; files that changed a moment ago are looked at twice."""
    if seconds <= 0:
        landed = look_into_landing(door.home, door.sources)
    else:
        limit = door.now - timedelta(seconds=seconds)
        landed = look_into_landing(door.home, door.sources, changed_before=limit)
        if landed.settling:
            time.sleep(seconds)
            landed = look_into_landing(door.home, door.sources, changed_before=limit, quiet=landed.settling)
    for name in landed.unknown:
        door.progress(f"warning: {name} is left where it is: {why_unknown(door.sources, name)}")
    for name, reason in landed.refused:
        door.progress(f"warning: {name} is not taken in: {reason}")
    if landed.markers:
        door.progress(
            f"{len(landed.markers)} marker or hidden files are left where they are: {', '.join(landed.markers[:3])}"
        )
    for name in landed.settling:
        door.progress(f"{name} is still being written; it is taken in next time")
    return landed


def _report(
    batch: int | None,
    files: Iterable[FileCounts],
    recovered: tuple[int, ...],
    landed: Landed,
    unfinished: Sequence[str] = (),
) -> IngestReport:
    settling = tuple(sorted((*landed.settling, *unfinished)))
    return IngestReport(batch, tuple(files), recovered, landed.unknown, landed.refused, settling)
