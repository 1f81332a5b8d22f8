"""Measurements of the world, ingestion, features and a whole run; each runs in a process of its own."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from benchmarks.homes import lay_world, must, recs
from benchmarks.timing import SEED, Row, timed
from recs_platform.cli.house import open_platform
from recs_platform.lake.tables import Lake
from recs_platform.stages import events

if TYPE_CHECKING:
    from recs_platform.pipeline.platform import Platform

LATER = timedelta(days=1)


def world(folder: Path, scale: float) -> list[Row]:
    """Simulate, and leave the files in the landing of `folder/world` for the parts that follow."""
    from recs_platform.world import WorldConfig, simulate, write_landing

    config = WorldConfig(users=int(10_000 * scale), items=int(5_000 * scale), events=int(1_000_000 * scale), seed=SEED)
    seconds, made = timed(lambda: simulate(config))
    writing, _ = timed(lambda: write_landing(made, folder / "world" / "landing" / "world"))
    return [Row("world: simulate", seconds, made.events.height, "events", "write the same rows as Parquet", writing)]


def _ingest(platform: "Platform") -> tuple[float, int]:
    with platform.connection() as con:
        seconds, report = timed(
            lambda: events.ingest(
                platform.home, platform.lake, platform.sources, con, now=datetime.now(UTC), progress=lambda _: None
            )
        )
    return seconds, report.totals["events"].rows_read


def _copy(source: str, target: Path) -> float:
    with duckdb.connect() as con:
        con.execute("set enable_progress_bar = false")
        return timed(lambda: con.execute(f"copy (select * from {source}) to '{target}' (format parquet)"))[0]


def ingest_parquet(folder: Path, _scale: float) -> list[Row]:
    platform = open_platform()
    seconds, rows = _ingest(platform)
    files = platform.home.landing / "world" / "events-*.parquet"
    plain = _copy(f"read_parquet('{files}')", folder / "plain.parquet")
    return [Row("ingest Parquet", seconds, rows, "rows", "DuckDB COPY of the same files", plain)]


def ingest_jsonl(folder: Path, _scale: float) -> list[Row]:
    platform = open_platform()
    landing = platform.home.landing / "contract"
    landing.mkdir(parents=True, exist_ok=True)
    file = landing / "events.jsonl"
    left_out = "event_id, file_hash, ingested_at, event_date, source"
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        con.execute("set enable_progress_bar = false")
        stored = Lake(folder / "world" / "lake").files("raw.events")
        con.execute(f"copy (select * exclude ({left_out}) from read_parquet({stored})) to '{file}' (format json)")
    seconds, rows = _ingest(platform)
    plain = _copy(f"read_json('{file}', format = 'newline_delimited')", folder / "plain.parquet")
    return [Row("ingest JSONL", seconds, rows, "rows", "DuckDB COPY of the same file", plain)]


def features(_folder: Path, _scale: float) -> list[Row]:
    platform = open_platform()
    files = platform.lake.files("raw.events")
    bare = "select user_id, count(*), sum(dwell_seconds) from read_parquet($1) group by user_id"
    with platform.connection() as con:
        # The first query of a process also pays for DuckDB's start.
        plain = min(timed(lambda: con.execute(bare, [files]).fetchall())[0] for _ in range(3))
        row = con.execute("select count(*), max(occurred_at) from read_parquet($1)", [files]).fetchone()
    assert row is not None  # noqa: S101 - an aggregate has a row
    rows: list[Row] = []
    for name in ("features.user_features", "features.item_features"):
        with platform.model_run(row[1] + LATER, datetime.now(UTC)) as run:
            seconds, _ = timed(lambda run=run, name=name: run.materialize(name))
        rows.append(Row(name, seconds, row[0], "events", "count and sum by user, same files", plain))
    return rows


def orchestration(folder: Path, scale: float) -> list[Row]:
    """A whole run beside the sum of its steps: what the difference costs is Dagster, checks' records and imports."""
    home = folder / "run"
    lay_world(home, users=max(100, int(1000 * scale)), events=max(5_000, int(100_000 * scale)))
    done = must(recs(home, "run"), "recs run")
    steps, runs = sum(done.step_seconds().values()), sum(done.run_seconds().values())
    return [
        Row(f"recs run: its runs, {1 - steps / runs:.0%} outside steps", runs, 1, "run", "sum of its steps", steps),
        Row(f"recs run: process, {1 - steps / done.seconds:.0%} outside steps", done.seconds, 1, "run",
            "sum of its steps", steps),
    ]  # fmt: skip
