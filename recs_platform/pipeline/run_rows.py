"""Builds as rows of `meta.runs`: what Dagster says of each run, and what its record says that it made.

The record of a build is sealed once its file is published, so that the run which publishes says of itself what its
record will say; a later publish reads the record. Dagster's files are read in `questions.run_history`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.time import read_instant
from recs_platform.lake.artifacts import sealed_versions
from recs_platform.lake.column_types import polars_schema
from recs_platform.pipeline.build_records import ASSETS, BUILDS, CODE, RELEASE, RUN_ID
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.questions.run_history import BuildRun, build_runs
from recs_platform.warehouse.meta import META_RUNS

# What became of a build, by Dagster's status of its run.
_OUTCOMES = {"SUCCESS": "done", "FAILURE": "failed", "CANCELED": "canceled"}
RELEASED, PARTIAL, RUNNING = "released", "partial", "running"


@dataclass(frozen=True)
class Made:
    """What a build made: of a record that is sealed, or of the run that publishes just now.

    `release`: that of a whole build, None where only some assets were made. `versions`: of data and code.
    """

    as_of: datetime
    known_at: datetime
    assets: Collection[str]
    release: str | None
    data_version: str
    code: str
    libraries: Mapping[str, str] = field(default_factory=dict[str, str])
    ended_at: datetime | None = None


def run_rows(platform: Platform, present: tuple[str, Made] | None = None) -> pl.DataFrame:
    """Rows of meta.runs, oldest first. `present`: the run under way, and what it has made."""
    runs = {run.run_id: run for run in build_runs(platform.home)}
    records = sealed_versions(platform.home.artifacts, BUILDS)
    made = {_run_id(record, runs.values()): _made(record) for record in records}
    if present is not None:
        made[present[0]] = present[1]
    # A record may outlive what Dagster keeps of the run.
    rows = [_row(run_id, runs.get(run_id), made.get(run_id)) for run_id in {**runs, **made}]
    rows.sort(key=lambda row: (row[c.STARTED_AT] is not None, row[c.STARTED_AT] or row[c.KNOWN_AT], row[c.RUN_ID]))
    return pl.DataFrame(rows, schema=polars_schema(META_RUNS.columns))


def _run_id(record: Manifest, runs: Collection[BuildRun]) -> str:
    """The run that left a record; older records do not name it, but they were sealed while it ran."""
    if RUN_ID in record.parameters:
        return str(record.parameters[RUN_ID])
    during = [
        run.run_id
        for run in runs
        if read_instant(run.partition) == record.as_of
        and run.started_at <= record.sealed_at
        and (run.ended_at is None or record.sealed_at <= run.ended_at)
    ]
    return during[-1] if during else record.version


def _made(record: Manifest) -> Made:
    return Made(
        as_of=record.as_of,
        known_at=record.known_at,
        assets=record.parameters[ASSETS],
        release=record.inputs.get(RELEASE),
        data_version=record.data_version,
        code=record.parameters[CODE],
        libraries=record.libraries,
        ended_at=record.sealed_at,
    )


def _row(run_id: str, run: BuildRun | None, made: Made | None) -> dict[str, Any]:
    started = None if run is None else run.started_at
    ended = made.ended_at if made is not None and (run is None or run.ended_at is None) else run and run.ended_at
    return {
        c.RUN_ID: run_id,
        c.AS_OF: _as_of(run, made),
        c.RELEASE_ID: None if made is None else made.release,
        c.STARTED_AT: started,
        c.SECONDS: None if started is None or ended is None else (ended - started).total_seconds(),
        c.OUTCOME: _outcome(run, made),
        c.ASSETS: [] if made is None else sorted(made.assets),
        c.KNOWN_AT: None if made is None else made.known_at,
        c.DATA_VERSION: None if made is None else made.data_version,
        c.CODE_VERSION: None if made is None else made.code,
        c.LIBRARIES: [] if made is None else [f"{name} {version}" for name, version in sorted(made.libraries.items())],
    }


def _as_of(run: BuildRun | None, made: Made | None) -> datetime | None:
    """Missing of a run that failed with a key that is no date."""
    if made is not None:
        return made.as_of
    return None if run is None else read_instant(run.partition)


def _outcome(run: BuildRun | None, made: Made | None) -> str:
    status = "SUCCESS" if run is None else run.status
    if status in _OUTCOMES and status != "SUCCESS":
        return _OUTCOMES[status]
    if made is not None:
        return PARTIAL if made.release is None else RELEASED
    return _OUTCOMES.get(status, RUNNING)
