"""The batch of a replay: whole tables, with the rows of its files in the place of those they gave before."""
# ruff: noqa: S608 - relations are named by this package; values are literals built by text_literal

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import INGESTIONS, QUARANTINE, TableContract
from recs_platform.lake.batches import REPLACES
from recs_platform.stages.events.deduplication import (
    HISTORIES,
    accepted,
    find_repeats,
    lake_rows,
    parquet_rows,
    write_catalogue,
)
from recs_platform.stages.events.ingestion import (
    IngestContext,
    count_repeats,
    require_written,
    write_table,
)
from recs_platform.stages.events.ledger import LEDGER_ROWS, make_ledger
from recs_platform.stages.events.quarantined_rows import QUARANTINED
from recs_platform.stages.events.replay_plan import Plan
from recs_platform.stages.events.sources import SOURCE_TABLES
from recs_platform.stages.events.staging import StagedFile, Staging
from recs_platform.stages.events.validation import row_key
from recs_platform.warehouse.clauses import text_literal


def write_batch(context: IngestContext, staging: Staging, plan: Plan, folder: Path) -> None:
    """Write the whole tables of a replay into the folder of a batch."""
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
        kept = without_files(lake_rows(context.lake, contract), plan.removed)
        write_table(staging, contract, f"(from {kept} union all by name from {relation})", folder)
    (folder / REPLACES).touch()


def _write_appended(
    context: IngestContext, staging: Staging, plan: Plan, contract: TableContract, folder: Path
) -> None:
    """The rows of other files, then the new ones; those that were there before keep their ingested_at."""
    stored, files = lake_rows(context.lake, contract), staging.staged[contract.table]
    kept = without_files(stored, plan.removed)
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
    context: IngestContext, staging: Staging, plan: Plan, contract: TableContract, folder: Path
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
    context: IngestContext, staging: Staging, plan: Plan, files: Sequence[StagedFile]
) -> list[tuple[datetime, list[StagedFile]]]:
    hashes = {order: counts.file_hash for (order, _), counts in staging.counts.items()}

    def arrival(file: StagedFile) -> datetime:
        return plan.in_force[hashes[file.order]] if plan.is_catalogue_whole else context.now

    return [(instant, list(group)) for instant, group in groupby(sorted(files, key=arrival), key=arrival)]


def without_files(relation: str, hashes: Collection[str]) -> str:
    """Rows of a relation that are of none of these files."""
    return f"(select * from {relation} where {c.FILE_HASH} not in ({_listed(hashes)}))"


def _only(relation: str, hashes: Collection[str]) -> str:
    return f"(select * from {relation} where {c.FILE_HASH} in ({_listed(hashes)}))"


def _listed(hashes: Collection[str]) -> str:
    return ", ".join(text_literal(digest) for digest in sorted(hashes))
