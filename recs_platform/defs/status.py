"""What `recs status` says of a home. Reads only."""

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

import recs_platform
from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.tables import INGESTIONS
from recs_platform.defs import door, ledger, quarantining
from recs_platform.defs.instance import stuck_runs
from recs_platform.defs.platform import Platform
from recs_platform.lake.artifacts import library_versions
from recs_platform.lake.locks import describe_holder, holder
from recs_platform.stages.events import pending
from recs_platform.stages.releases import current_release, pinned_release


def read_status(platform: Platform, instance: dg.DagsterInstance) -> dict[str, Any]:
    """Home, versions, disk, last release, waiting files, stuck runs; values that print as they are."""
    home = platform.home
    waiting = door.look(platform, datetime.now(UTC))
    return {
        "home": str(home.root),
        "version": recs_platform.__version__,
        "libraries": library_versions("dagster", "duckdb", "deltalake", "polars", "lightgbm", "faiss-cpu"),
        "disk_used_mb": round(_size(home.root) / 1e6, 1),
        "disk_free_gb": round(shutil.disk_usage(home.root).free / 1e9, 1),
        "files_waiting_in_landing": len(pending(home, platform.sources, platform.lake)),
        "files_settling": list(waiting.settling),
        "files_refused": [f"{name}: {reason}" for name, reason in waiting.refused],
        "files_of_no_source": list(waiting.unknown),
        "sources_left_out": [f"{name}: {fault}" for name, fault in platform.sources.broken.items()],
        "models_left_out": [f"{name}: {fault}" for name, fault in _broken_models(platform).items()],
        "rows_in_quarantine": quarantining.count(platform),
        "sources": _freshness(platform),
        "release": _release(platform),
        "release_is_pinned": pinned_release(home) is not None,
        "running_process": holder(home.locks / "as_of"),
        "locks_held": {
            name: held for name in ("ingest", "as_of", "ui") if (held := describe_holder(home.locks / name)) is not None
        },
        "stuck_runs": [f"{stuck.run_id} ({stuck.job}: {stuck.reason})" for stuck in stuck_runs(instance)],
    }


def _broken_models(platform: Platform) -> Mapping[str, str]:
    """Models of one's own that are left out; where there are none, those of the package need not be read."""
    return platform.models.broken if platform.home.models.is_dir() else {}


def _freshness(platform: Platform) -> dict[str, dict[str, str | None]]:
    """Last ingestion and last event of each source."""
    moment = datetime.now(UTC)
    with platform.model_run(moment, moment) as run:
        fresh = ledger.freshness(run.frame(INGESTIONS.name), quarantining.events_by_day(run))
    instants = [ledger.LAST_INGESTED_AT, ledger.LAST_OCCURRED_AT]
    return {
        row[c.SOURCE]: {name: None if row[name] is None else row[name].isoformat() for name in instants}
        for row in fresh.iter_rows(named=True)
    }


def _release(platform: Platform) -> str | None:
    try:
        return current_release(platform.home).version
    except NotReady:
        return None


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
