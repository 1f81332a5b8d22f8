"""Files with rejected rows replayed, with the source's SQL and the file's content as they are now.

The result is that of a first load of the same files in the same order: what a file gave before is removed, and files
whose rows were repeats of others, or that feed the catalogue, are decided again with it. Rows that were in the lake
before keep the instant at which they were learned of. One sealed batch puts whole tables in the place of the old ones.
"""
# ruff: noqa: S608 - relations are named by this package; values are literals built by text_literal

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import duckdb

from recs_platform.contracts import columns as c
from recs_platform.contracts.home import Home, Lock
from recs_platform.lake.batches import next_number, open_batch, recover
from recs_platform.lake.locks import exclusive
from recs_platform.lake.tables import Lake
from recs_platform.stages.events.deduplication import (
    HISTORIES,
    lake_rows,
    parquet_rows,
)
from recs_platform.stages.events.ingestion import (
    AS_IT_COMES,
    CONTRACTS,
    IngestContext,
    stage_files,
    working,
)
from recs_platform.stages.events.ledger import FileCounts
from recs_platform.stages.events.privacy import Privacy
from recs_platform.stages.events.replay_batch import without_files, write_batch
from recs_platform.stages.events.replay_plan import Plan, plan_replay
from recs_platform.stages.events.sources import SOURCE_TABLES, DataSource
from recs_platform.stages.events.staging import Staging
from recs_platform.stages.events.validation import row_key


@dataclass(frozen=True)
class ReplayReport:
    """What a replay did, or would do: counts of the files replayed, `before` and `after`.

    `missing` names files that are no longer in landing and therefore stay as they are.
    """

    batch: int | None
    before: tuple[FileCounts, ...]
    after: tuple[FileCounts, ...]
    missing: tuple[str, ...]


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
        plan = plan_replay(context, choose or _any)
        if not plan.files:
            return ReplayReport(None, (), (), plan.missing)
        number = next_number(lake)
        with working(context, con) as staging:
            plan = _stage_all(context, staging, plan, choose or _any)
            if dry_run:
                folder = staging.scratch.folder / "dry_run"
                folder.mkdir()
                write_batch(context, staging, plan, folder)
            else:
                with open_batch(home.batches, number) as folder:
                    write_batch(context, staging, plan, folder)
        recover(home.batches, lake, CONTRACTS)
        return ReplayReport(None if dry_run else number, plan.before, tuple(staging.counts.values()), plan.missing)


def _any(_counts: FileCounts) -> bool:
    return True


def _stage_all(context: IngestContext, staging: Staging, plan: Plan, choose: Callable[[FileCounts], bool]) -> Plan:
    """Stage the files, and with them later ones of which a row turns out to repeat theirs; returns the wider plan."""
    while True:
        stage_files(context, staging, plan.files)
        repeating = _later_holders(context, staging, plan)
        if not repeating:
            return plan
        plan = plan_replay(context, choose, plan.removed | repeating)
        staging.forget()


def _later_holders(context: IngestContext, staging: Staging, plan: Plan) -> frozenset[str]:
    """Hashes of files that came after the first of the plan's, stay as they are, and hold a key that is staged."""
    holders: set[str] = set()
    since = min(plan.places[file.file_hash] for file in plan.files)
    for table, contract in SOURCE_TABLES.items():
        files = staging.staged[table]
        if contract.name in HISTORIES or not files:
            continue
        kept, key = without_files(lake_rows(context.lake, contract), plan.removed), row_key(contract)
        staged = parquet_rows(contract, [file.path for file in files])
        holders |= {
            str(row[0])
            for row in staging.con.execute(
                f"select distinct {c.FILE_HASH} from {kept} where {key} in (select {key} from {staged})"
            ).fetchall()
        }
    return frozenset(digest for digest in holders if plan.places.get(digest, -1) > since)
