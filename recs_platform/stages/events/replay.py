"""Files with rejected rows replayed, with the source's SQL and the file's content as they are now.

The result is that of a first load of the same files in the same order: what a file gave before is removed, and files
whose rows were repeats of others, or that feed the catalogue, are decided again with it. Rows that were in the lake
before keep the instant at which they were learned of. One sealed batch puts whole tables in the place of the old ones.
"""
# ruff: noqa: S608 - relations are named by this package; values are literals built by text_literal

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import groupby
from pathlib import Path

import duckdb
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.home import Home, Lock
from recs_platform.contracts.tables import INGESTIONS, QUARANTINE, TableContract
from recs_platform.lake.batches import REPLACES, next_number, open_batch, recover
from recs_platform.lake.locks import exclusive
from recs_platform.lake.tables import Lake
from recs_platform.stages.events.deduplication import (
    HISTORIES,
    accepted,
    find_repeats,
    lake_rows,
    parquet_rows,
    write_catalogue,
)
from recs_platform.stages.events.ingestion import (
    AS_IT_COMES,
    CONTRACTS,
    IngestContext,
    count_repeats,
    require_written,
    stage_files,
    working,
    write_table,
)
from recs_platform.stages.events.landing import PendingFile, look_into_landing
from recs_platform.stages.events.ledger import LEDGER_ROWS, FileCounts, make_ledger
from recs_platform.stages.events.privacy import Privacy
from recs_platform.stages.events.quarantined_rows import QUARANTINED
from recs_platform.stages.events.sources import SOURCE_TABLES, DataSource
from recs_platform.stages.events.staging import StagedFile, Staging
from recs_platform.stages.events.validation import row_key
from recs_platform.warehouse.clauses import text_literal

_CATALOGUE = tuple(contract.table for contract in SOURCE_TABLES.values() if contract.name in HISTORIES)


@dataclass(frozen=True)
class ReplayReport:
    """What a replay did, or would do: counts of the files replayed, `before` and `after`.

    `missing` names files that are no longer in landing and therefore stay as they are.
    """

    batch: int | None
    before: tuple[FileCounts, ...]
    after: tuple[FileCounts, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class _Plan:
    """Files to read in the order of their first arrival, and hashes of which all rows go first.

    By hash: `arrived` holds each content's own instant, `in_force` that of the content it replaces if that came first,
    `places` the same as a place in the ledger.
    """

    files: list[PendingFile]
    removed: frozenset[str]
    arrived: Mapping[str, datetime]
    in_force: Mapping[str, datetime]
    places: Mapping[str, int]
    before: tuple[FileCounts, ...]
    missing: tuple[str, ...]
    is_catalogue_whole: bool


def replay(
    home: Home,
    lake: Lake,
    sources: Mapping[str, DataSource],
    con: duckdb.DuckDBPyConnection,
    *,
    now: datetime,
    progress: Callable[[str], None],
    choose: Callable[[FileCounts], bool] | None = None,
    dry_run: bool = False,
    privacy: Privacy = AS_IT_COMES,
) -> ReplayReport:
    """Replay files with quarantined rows, those that `choose` picks of the ledger's rows, or all.

    A file that lies in landing under its old name with another content replaces the old one. `batch` is None where
    there is nothing to replay, and on a dry run. Raises ModelError when a source's SQL is wrong; then nothing changes.
    """
    context = IngestContext(home, lake, sources, privacy, now, progress)
    with exclusive(home.lock(Lock.INGEST), on_wait=progress):
        recover(home.batches, lake, CONTRACTS)
        plan = _plan(context, choose or _any)
        if not plan.files:
            return ReplayReport(None, (), (), plan.missing)
        number = next_number(lake)
        with working(context, con) as staging:
            plan = _stage_all(context, staging, plan, choose or _any)
            if dry_run:
                folder = staging.scratch.folder / "dry_run"
                folder.mkdir()
                _write_batch(context, staging, plan, folder)
            else:
                with open_batch(home.batches, number) as folder:
                    _write_batch(context, staging, plan, folder)
        recover(home.batches, lake, CONTRACTS)
        return ReplayReport(None if dry_run else number, plan.before, tuple(staging.counts.values()), plan.missing)


def _any(_counts: FileCounts) -> bool:
    return True


def _stage_all(context: IngestContext, staging: Staging, plan: _Plan, choose: Callable[[FileCounts], bool]) -> _Plan:
    """Stage the files, and with them later ones of which a row turns out to repeat theirs; returns the wider plan."""
    while True:
        stage_files(context, staging, plan.files)
        repeating = _later_holders(context, staging, plan)
        if not repeating:
            return plan
        plan = _plan(context, choose, plan.removed | repeating)
        staging.forget()


def _later_holders(context: IngestContext, staging: Staging, plan: _Plan) -> frozenset[str]:
    """Hashes of files that came after the first of the plan's, stay as they are, and hold a key that is staged."""
    holders: set[str] = set()
    since = min(plan.places[file.file_hash] for file in plan.files)
    for table, contract in SOURCE_TABLES.items():
        files = staging.staged[table]
        if contract.name in HISTORIES or not files:
            continue
        kept, key = _without(lake_rows(context.lake, contract), plan.removed), row_key(contract)
        staged = parquet_rows(contract, [file.path for file in files])
        holders |= {
            str(row[0])
            for row in staging.con.execute(
                f"select distinct {c.FILE_HASH} from {kept} where {key} in (select {key} from {staged})"
            ).fetchall()
        }
    return frozenset(digest for digest in holders if plan.places.get(digest, -1) > since)


def _plan(
    context: IngestContext, choose: Callable[[FileCounts], bool], companions: frozenset[str] = frozenset()
) -> _Plan:
    ledger = _ledger(context.lake)
    came = {counts.source_file: place for place, (counts, _) in reversed(list(enumerate(ledger)))}
    # A repaired file was written later, and counts from when its name first came.
    landed = sorted(
        look_into_landing(context.home, context.sources).files, key=lambda file: came.get(file.source_file, len(ledger))
    )
    by_hash = {file.file_hash: file for file in reversed(landed)}
    hash_by_name = {file.source_file: file.file_hash for file in landed}

    def current(counts: FileCounts) -> list[PendingFile]:
        """What lies there with its content, and what lies there under its name."""
        digests = dict.fromkeys((counts.file_hash, hash_by_name.get(counts.source_file, "")))
        return [by_hash[digest] for digest in digests if digest in by_hash]

    chosen = {counts.file_hash for counts, _ in ledger if counts.rows_quarantined and choose(counts)}
    found = {counts.file_hash for counts, _ in ledger if counts.file_hash in chosen and current(counts)}
    touches_catalogue = any(counts.contract_table in _CATALOGUE for counts, _ in ledger if counts.file_hash in found)
    again = {
        counts.file_hash
        for counts, _ in ledger
        if counts.file_hash in found | companions
        or (found and counts.rows_duplicate)
        or (touches_catalogue and counts.contract_table in _CATALOGUE)
    }
    wanted = [(counts, current(counts)) for counts, _ in ledger if counts.file_hash in again | chosen]
    first = _first_places(ledger, wanted)
    files = {file.file_hash: file for _, found_files in wanted for file in found_files} if found else {}
    removed = frozenset({counts.file_hash for counts, found_files in wanted if found_files} | set(files))
    catalogue = {counts.file_hash for counts, _ in ledger if counts.contract_table in _CATALOGUE}
    return _Plan(
        files=sorted(files.values(), key=lambda file: (first[file.file_hash], file.source, file.source_file)),
        removed=removed if found else frozenset(),
        arrived={counts.file_hash: at for counts, at in ledger},
        in_force={digest: ledger[place][1] for digest, place in first.items()},
        places=first,
        before=tuple(counts for counts, _ in ledger if counts.file_hash in removed),
        missing=tuple(dict.fromkeys(counts.source_file for counts, found_files in wanted if not found_files)),
        is_catalogue_whole=catalogue <= removed,
    )


def _first_places(
    ledger: Sequence[tuple[FileCounts, datetime]], wanted: Sequence[tuple[FileCounts, list[PendingFile]]]
) -> dict[str, int]:
    """Where in the ledger a content, or the content that it replaces, came first; by hash."""
    places: dict[str, int] = {}
    for place, (counts, _) in enumerate(ledger):
        places.setdefault(counts.file_hash, place)
    first = dict(places)
    for counts, files in wanted:
        place = places[counts.file_hash]
        for file in files:
            first[file.file_hash] = min(first.get(file.file_hash, place), place)
    return first


def _ledger(lake: Lake) -> list[tuple[FileCounts, datetime]]:
    """The ledger's rows with their instants, in the order in which files were ingested."""
    if not lake.exists(INGESTIONS.name) or not lake.files(INGESTIONS.name):
        return []
    rows = pl.concat([pl.read_parquet(file) for file in lake.files(INGESTIONS.name)], how="diagonal_relaxed")
    names = [field.name for field in fields(FileCounts) if field.name in rows.columns]
    # Of one ingestion, rows stand in the order in which its files were read.
    ordered = rows.sort(c.INGESTED_AT, maintain_order=True).with_columns(pl.col(pl.Int64).fill_null(0))
    return [(FileCounts(**{name: row[name] for name in names}), row[c.INGESTED_AT]) for row in ordered.to_dicts()]


def _write_batch(context: IngestContext, staging: Staging, plan: _Plan, folder: Path) -> None:
    context.progress("finding duplicates")
    fed = {table for file in plan.files for table in file.kind.tables}
    for table, contract in SOURCE_TABLES.items():
        if table in fed and contract.name in HISTORIES:
            _write_catalogue(context, staging, plan, contract, folder)
        elif table in fed:
            _write_appended(context, staging, plan, contract, folder)
    arrived = {file.file_hash: plan.arrived.get(file.file_hash, context.now) for file in staging.counts.values()}
    make_ledger(staging.con, staging.counts.values(), arrived)
    for contract, relation in ((QUARANTINE, QUARANTINED), (INGESTIONS, LEDGER_ROWS)):
        kept = _without(lake_rows(context.lake, contract), plan.removed)
        write_table(staging, contract, f"(from {kept} union all by name from {relation})", folder)
    (folder / REPLACES).touch()


def _write_appended(
    context: IngestContext, staging: Staging, plan: _Plan, contract: TableContract, folder: Path
) -> None:
    """The rows of other files, then the new ones; those that were there before keep their ingested_at."""
    stored, files = lake_rows(context.lake, contract), staging.staged[contract.table]
    kept = _without(stored, plan.removed)
    taken = count_repeats(staging, contract, find_repeats(staging.con, contract, files, kept))
    key = row_key(contract)
    known = f"(select {key} as known_key, {c.INGESTED_AT} as known_from from {_only(stored, plan.removed)})"
    rows = (
        f"(select n.* exclude (new_key) replace (coalesce(k.known_from, n.{c.INGESTED_AT}) as {c.INGESTED_AT}) "
        f"from (select *, {key} as new_key from {accepted(contract, files)}) as n "
        f"left join {known} as k on n.new_key = k.known_key)"
    )
    (others,) = staging.con.execute(f"select count(*) from {kept}").fetchall()[0]
    write_table(staging, contract, f"(from {kept} union all by name from {rows})", folder)
    require_written(staging, contract, folder, taken + int(others))


def _write_catalogue(
    context: IngestContext, staging: Staging, plan: _Plan, contract: TableContract, folder: Path
) -> None:
    """Put the rows in force again, arrival by arrival; from nothing where every file that fed the table is here."""
    history = HISTORIES[contract.name]
    current, versions = lake_rows(context.lake, contract), lake_rows(context.lake, history)
    if plan.is_catalogue_whole:
        current, versions = parquet_rows(contract, []), parquet_rows(history, [])
    repeats: dict[int, int] = {}
    steps = _by_arrival(context, staging, plan, staging.staged[contract.table])
    for place, (instant, files) in enumerate(steps):
        repeats |= find_repeats(staging.con, contract, files, current)
        step = staging.scratch.folder / f"{contract.table}-step-{place}"
        step.mkdir()
        write_catalogue(staging.con, contract, files, current, versions, folder=step, now=instant)
        current = parquet_rows(contract, [step / f"{contract.table}.parquet"])
        versions = parquet_rows(history, [step / f"{history.table}.parquet"])
    count_repeats(staging, contract, repeats)
    write_table(staging, contract, current, folder)
    write_table(staging, history, versions, folder)


def _by_arrival(
    context: IngestContext, staging: Staging, plan: _Plan, files: Sequence[StagedFile]
) -> list[tuple[datetime, list[StagedFile]]]:
    hashes = {order: counts.file_hash for (order, _), counts in staging.counts.items()}

    def arrival(file: StagedFile) -> datetime:
        return plan.in_force[hashes[file.order]] if plan.is_catalogue_whole else context.now

    return [(instant, list(group)) for instant, group in groupby(sorted(files, key=arrival), key=arrival)]


def _without(relation: str, hashes: Collection[str]) -> str:
    return f"(select * from {relation} where {c.FILE_HASH} not in ({_listed(hashes)}))"


def _only(relation: str, hashes: Collection[str]) -> str:
    return f"(select * from {relation} where {c.FILE_HASH} in ({_listed(hashes)}))"


def _listed(hashes: Collection[str]) -> str:
    return ", ".join(text_literal(digest) for digest in sorted(hashes))
