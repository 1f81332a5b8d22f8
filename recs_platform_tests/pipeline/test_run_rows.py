"""What `meta.runs` says of runs that released, made a part, failed, and of the one that publishes."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from recs_platform.contracts.manifests import Manifest
from recs_platform.lake.artifacts import write_artifact, write_manifest
from recs_platform.pipeline.build_records import BUILDS
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.run_rows import Made, run_rows
from recs_platform_tests.homes import Built, ask, platform_at

START = datetime(2024, 2, 1, 12, tzinfo=UTC)
AS_OF = datetime(2024, 1, 31, tzinfo=UTC)


def ran(platform: Platform, *runs: tuple[str, str, str, float | None]) -> None:
    """Runs as Dagster keeps them: id, partition, status, seconds; each begins a minute after the one before."""
    folder = platform.home.dagster / "history"
    folder.mkdir(parents=True)
    with closing(sqlite3.connect(folder / "runs.db")) as con:
        con.execute("create table runs (run_id, partition, status, start_time, end_time)")
        for minute, (run_id, partition, status, seconds) in enumerate(runs):
            start = START.timestamp() + 60 * minute
            end = None if seconds is None else start + seconds
            con.execute("insert into runs values (?, ?, ?, ?, ?)", (run_id, partition, status, start, end))
        con.commit()


def record(platform: Platform, version: str, minute: int, release: str | None, **parameters: str) -> None:
    manifest = Manifest(
        name=BUILDS,
        version=version,
        as_of=AS_OF,
        known_at=START,
        data_version="d1",
        seed=1,
        parameters={"code": "1+c", "assets": ["b", "a"], **parameters},
        inputs={} if release is None else {"release": release},
        libraries={"polars": "2"},
        sealed_at=START + timedelta(minutes=minute, seconds=4),
    )
    with write_artifact(platform.home.artifacts, BUILDS, version) as folder:
        write_manifest(folder, manifest)


def test_a_row_a_run_and_the_one_that_publishes_too(tmp_path: Path) -> None:
    platform = platform_at(tmp_path / "home")
    ran(
        platform,
        ("first", "2024-01-31", "SUCCESS", 5.0),
        ("broken", "not a date", "FAILURE", 2.0),
        ("part", "2024-01-31", "SUCCESS", 5.0),
        ("stopped", "2024-01-30", "CANCELED", 1.0),
        ("now", "2024-01-31", "STARTED", None),
    )
    record(platform, "r1", 0, "release-1", run_id="first")
    record(platform, "r2", 2, None)  # of before records named their run
    record(platform, "r0", -100, "release-0")  # Dagster keeps nothing of it
    rows = run_rows(platform)
    kept = rows.select("run_id", "as_of", "release_id", "seconds", "outcome", "assets").rows()
    assert kept == [
        ("r0", AS_OF, "release-0", None, "released", ["a", "b"]),
        ("first", AS_OF, "release-1", 5.0, "released", ["a", "b"]),
        ("broken", None, None, 2.0, "failed", []),
        ("part", AS_OF, None, 5.0, "partial", ["a", "b"]),
        ("stopped", AS_OF - timedelta(days=1), None, 1.0, "canceled", []),
        ("now", AS_OF, None, None, "running", []),
    ]
    assert rows.row(1, named=True)["libraries"] == ["polars 2"]
    made = Made(AS_OF, START, ["c"], "release-2", "d2", "1+d", ended_at=START + timedelta(minutes=4, seconds=30))
    present = run_rows(platform, ("now", made))
    assert present.head(5).equals(rows.head(5))
    row = present.row(5, named=True)
    assert (row["outcome"], row["release_id"], row["seconds"], row["assets"], row["data_version"]) == (
        "released", "release-2", 30.0, ["c"], "d2"
    )  # fmt: skip


def test_the_build_that_published_the_file_is_in_it(built: Built) -> None:
    (row,) = ask(built.platform, "from meta.runs").to_dicts()
    (release,) = ask(built.platform, "select release_id from recommendations.releases")["release_id"].to_list()
    assert (row["as_of"], row["release_id"], row["outcome"]) == (built.as_of, release, "released")
    assert row["known_at"] == built.known_at
    assert row["seconds"] > 0
    assert {"recommendations.lists", "releases.analytics"} <= set(row["assets"])
    later = run_rows(built.platform).row(0, named=True)  # as the next publish reads it from the record
    same = (
        "run_id",
        "as_of",
        "release_id",
        "outcome",
        "assets",
        "known_at",
        "data_version",
        "code_version",
        "libraries",
    )
    assert {name: later[name] for name in same} == {name: row[name] for name in same}
