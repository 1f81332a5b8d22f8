"""Read-only queries of Dagster's SQLite files without importing Dagster, which takes seconds.

The files and tables are those of `event_log` and `instance`; a test holds the answers against Dagster's own.
"""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recs_platform.contracts.home import Home

_BUILDS = """
select run_id, partition, status, start_time, end_time from runs where partition is not null and start_time is not null
order by start_time
"""
# Statuses of runs that a process carries, or should.
UNFINISHED = ("STARTED", "STARTING", "CANCELING", "NOT_STARTED")
_FAILED_CHECKS = """
with executions as (
    select asset_key, check_name, execution_status, evaluation_event,
        row_number() over (partition by asset_key, check_name order by id desc) as nth
    from checks.asset_check_executions
    where run_id in (select run_id from runs where partition = ? or partition is null)
        -- what a run has planned and not evaluated says nothing
        and execution_status <> 'PLANNED' and evaluation_event is not null
)
select asset_key, evaluation_event from executions
where nth = 1 and execution_status = 'FAILED'
order by asset_key, check_name
"""


@dataclass(frozen=True)
class FailedCheck:
    """A check that did not pass when it ran last; a `blocking` one stopped what depends on its asset."""

    asset: str
    check: str
    is_blocking: bool
    description: str

    @property
    def sentence(self) -> str:
        return f"{self.asset} {self.check}: {self.description}"


@dataclass(frozen=True)
class BuildRun:
    """A run of a partition that began: `status` as Dagster has it, `ended_at` None while it has not ended."""

    run_id: str
    partition: str
    status: str
    started_at: datetime
    ended_at: datetime | None


def build_runs(home: Home) -> list[BuildRun]:
    """Every run of an as-of that began, oldest first."""
    return [
        BuildRun(run_id, partition, status, _instant(start), None if end is None else _instant(end))
        for run_id, partition, status, start, end in _ask(home, _BUILDS, ())
    ]


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def has_unfinished_runs(home: Home) -> bool:
    """Whether any run calls itself unfinished, whether or not its process lives."""
    marks = ", ".join("?" * len(UNFINISHED))
    query = f"select 1 from runs where status in ({marks}) limit 1"  # noqa: S608 - marks for values
    return bool(_ask(home, query, UNFINISHED))


def failed_checks(home: Home, as_of_key: str) -> list[FailedCheck]:
    """Checks that did not pass when they last ran for the as-of, or for an ingestion; by asset and name."""
    if not _index(home).is_file():
        return []
    return [_failed(asset_key, event) for asset_key, event in _ask(home, _FAILED_CHECKS, (as_of_key,))]


def _failed(asset_key: str, event: str) -> FailedCheck:
    found: dict[str, Any] = json.loads(event)["dagster_event"]["event_specific_data"]
    verdict = found["metadata"].get("verdict", {}).get("text")
    return FailedCheck(
        ".".join(json.loads(asset_key)),
        found["check_name"],
        found["blocking"] and found["severity"]["__enum__"].endswith("ERROR"),
        found["description"] or verdict or "did not pass",
    )


def _runs(home: Home) -> Path:
    return home.dagster / "history" / "runs.db"


def _index(home: Home) -> Path:
    return home.dagster / "history" / "runs" / "index.db"


def _ask(home: Home, query: str, values: Sequence[str]) -> list[tuple[Any, ...]]:
    """Rows of a query; none where no run was ever made."""
    if not _runs(home).is_file():
        return []
    with closing(sqlite3.connect(f"{_runs(home).as_uri()}?mode=ro", uri=True)) as con:
        if _index(home).is_file():
            con.execute("attach ? as checks", [f"{_index(home).as_uri()}?mode=ro"])
        return con.execute(query, values).fetchall()
