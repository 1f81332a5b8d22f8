"""The status of a home for `recs status`. It imports no Dagster, because it is called often."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

import recs_platform
from recs_platform.contracts import columns as c
from recs_platform.contracts.canary import CanaryState
from recs_platform.contracts.counted import counted
from recs_platform.contracts.errors import ContractError, RecsError
from recs_platform.contracts.home import Home, Lock
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.tables import EVENTS, INGESTIONS, QUARANTINE, TableContract
from recs_platform.lake.artifacts import library_versions
from recs_platform.lake.column_types import polars_schema
from recs_platform.lake.locks import describe_holder, holder
from recs_platform.lake.tables import Lake
from recs_platform.pipeline.ingestion import ingest as ingestion
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.questions.release_summary import ReleaseSummary, no_numbers, summarize_release
from recs_platform.pipeline.questions.run_history import has_unfinished_runs
from recs_platform.stages.events import ledger_checks as ledger
from recs_platform.stages.ranking.overrides import read_overrides
from recs_platform.stages.releases import current_release, cut_off_files, pinned_release

_REPORTED_LOCKS = (Lock.INGEST, Lock.AS_OF, Lock.PUBLISH, Lock.SERVED, Lock.UI)


@dataclass(frozen=True)
class Status:
    """Facts of the home by name, and the report summary of the current release, or why there is none."""

    facts: dict[str, Any]
    release: ReleaseSummary | str

    @property
    def lines(self) -> tuple[str, ...]:
        """A line each on the lists, the verdicts and the warnings."""
        return (f"quality: {self.release}",) if isinstance(self.release, str) else self.release.lines

    def exact(self) -> dict[str, Any]:
        """All of it as plain values, instants as ISO text; the same keys whether or not anything was released."""
        sources: dict[str, dict[str, datetime | None]] = self.facts["sources"]
        written = {source: {name: at and at.isoformat() for name, at in of.items()} for source, of in sources.items()}
        numbers = no_numbers(self.release) if isinstance(self.release, str) else self.release.numbers()
        return {**self.facts, "sources": written, **numbers}


def read_status(platform: Platform, read_stuck_runs: Callable[[], list[str]]) -> Status:
    """Home, versions, disk, last release, waiting files, stuck runs, and the report summary of the release.

    `read_stuck_runs` asks Dagster, and is called only where a run calls itself unfinished.
    """
    home = platform.home
    waiting = ingestion.find_waiting(platform, datetime.now(UTC))
    release = _release(platform)
    facts = {
        "home": str(home.root),
        "version": recs_platform.__version__,
        "libraries": library_versions("dagster", "duckdb", "deltalake", "polars", "lightgbm", "faiss-cpu"),
        "disk_used_mb": round(_size(home.root) / 1e6, 1),
        "disk_free_gb": round(shutil.disk_usage(home.root).free / 1e9, 1),
        "files_waiting_in_landing": len(waiting.files) + len(waiting.settling),
        "files_settling": list(waiting.settling),
        "files_refused": [f"{name}: {reason}" for name, reason in waiting.rejected],
        "files_of_no_source": list(waiting.unknown),
        "sources_left_out": [f"{name}: {fault}" for name, fault in platform.sources.broken.items()],
        "models_left_out": [f"{name}: {fault}" for name, fault in _broken_models(platform).items()],
        "rules_left_out": _broken_rules(platform),
        "rows_in_quarantine": _quarantined(platform.lake),
        "sources": _freshness(platform.lake),
        "release": None if isinstance(release, str) else release.version,
        "release_is_pinned": pinned_release(home) is not None,
        "releases_damaged": _damaged(home),
        "rankers_flagged": _flagged(home, None if isinstance(release, str) else release, datetime.now(UTC)),
        "canary": _canary(home),
        "running_process": holder(home.lock(Lock.AS_OF)),
        "locks_held": {
            name: held for name in _REPORTED_LOCKS if (held := describe_holder(home.lock(name))) is not None
        },
        "stuck_runs": read_stuck_runs() if has_unfinished_runs(home) else [],
    }
    return Status(facts, release if isinstance(release, str) else summarize_release(platform, release))


def _flagged(home: Home, release: Manifest | None, now: datetime) -> list[str]:
    """What is to be known of rankers that are retired, or will be: of that behind the release in force, then of all."""
    overrides = read_overrides(home.artifacts)
    behind = None if release is None else str(release.parameters[c.RANKER_VERSION])
    serving, gone = overrides.serving_on(now), overrides.known_at(now).retired
    said: list[str] = []
    if behind in gone:
        said.append(
            f"{behind}, behind the release in force, was retired: {gone[behind].reason}; `recs run` trains another"
        )
    if behind in serving:
        until = f"it may serve until {serving[behind]:%Y-%m-%d %H:%M} UTC, the first run after that has another"
        said.append(f"{behind}, behind the release in force: {overrides.retired[behind].reason}; {until}")
    others = sorted(end for version, end in serving.items() if version != behind)
    if others:
        said.append(f"{counted(len(others), 'other ranker')} may serve until {others[-1]:%Y-%m-%d %H:%M} UTC at most")
    return said


def _canary(home: Home) -> str | None:
    """How a canary release stands, as the server last wrote it."""
    if not home.canary.is_file():
        return None
    try:
        return msgspec.json.decode(home.canary.read_bytes(), type=CanaryState).said or None
    except msgspec.DecodeError as error:
        return f"{home.canary} cannot be read: {error}"


def _broken_rules(platform: Platform) -> list[str]:
    # What a home without rules need not load.
    return list(platform.own_rules.broken.values()) if any(platform.home.rules.glob("*.py")) else []


def _broken_models(platform: Platform) -> Mapping[str, str]:
    """Models of one's own that are left out; where there are none, those of the package need not be read."""
    return platform.models.broken if platform.home.models.is_dir() else {}


def _release(platform: Platform) -> Manifest | str:
    """The release in force, or why there is none: nothing was released, all was withdrawn, a manifest is damaged."""
    try:
        return current_release(platform.home)
    except RecsError as error:
        return str(error)


def _damaged(home: Home) -> list[str]:
    """Faults of files of releases. A damaged manifest is why there is no release in force, and is told there."""
    try:
        return cut_off_files(home)
    except ContractError:
        return []


def _quarantined(lake: Lake) -> int:
    """Rejected rows of files that the ledger holds: a batch adds its rejected rows before its ledger."""
    accounted = _scan(lake, INGESTIONS, [c.FILE_HASH]).unique()
    rejected = _scan(lake, QUARANTINE, [c.FILE_HASH])
    return rejected.join(accounted, on=c.FILE_HASH, how="semi").select(pl.len()).collect().item()


def _freshness(lake: Lake) -> dict[str, dict[str, datetime | None]]:
    """Last ingestion and last event of each source."""
    accounted = _scan(lake, INGESTIONS, [c.SOURCE, c.FILE_HASH, c.INGESTED_AT, c.ROWS_ACCEPTED]).collect()
    latest = pl.max(c.OCCURRED_AT).alias(ledger.LAST_OCCURRED_AT)
    files = _scan(lake, EVENTS, [c.SOURCE, c.FILE_HASH, c.OCCURRED_AT]).group_by(c.SOURCE, c.FILE_HASH).agg(latest)
    fresh = ledger.freshness(accounted, files.collect().join(accounted, on=c.FILE_HASH, how="semi"))
    instants = [ledger.LAST_INGESTED_AT, ledger.LAST_OCCURRED_AT]
    return {row[c.SOURCE]: {name: row[name] for name in instants} for row in fresh.iter_rows(named=True)}


def _scan(lake: Lake, table: TableContract, columns: Sequence[str]) -> pl.LazyFrame:
    """Columns of a raw table that every version of it has; no rows where it was never written."""
    files = lake.files(table.name) if lake.exists(table.name) else []
    if files:
        return pl.scan_parquet(files, hive_partitioning=False, extra_columns="ignore").select(columns)
    return pl.LazyFrame(schema=polars_schema(table.columns)).select(columns)


def _size(folder: Path) -> int:
    """Bytes of all files below a folder; one that goes meanwhile counts nothing."""
    total, folders = 0, [str(folder)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            continue
    return total
