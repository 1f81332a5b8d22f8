"""What `recs status` and the end of `recs run` say of a home, held against Dagster and the reports themselves."""

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import cast

import dagster as dg
import pytest

from recs_platform.defs.instance import CARRIED, open_instance
from recs_platform.lake.artifacts import MANIFEST_FILE
from recs_platform.pipeline.questions.release_summary import summarize_release
from recs_platform.pipeline.questions.run_history import UNFINISHED, failed_checks, has_unfinished_runs
from recs_platform.pipeline.questions.status import read_status
from recs_platform.pipeline.questions.warning_lines import WARNINGS_SHOWN
from recs_platform.stages.releases import current_release, withdraw_release
from recs_platform.stages.releases.files import RELEASES_ARTIFACT
from recs_platform_tests.homes import Built, ask, copy_home, platform_at


@pytest.fixture
def instance(tmp_path: Path) -> Generator[dg.DagsterInstance, None, None]:
    with open_instance(platform_at(tmp_path / "home").home) as opened:
        yield opened


def test_the_statuses_are_those_of_stuck_runs() -> None:
    assert set(UNFINISHED) == {status.value for status in CARRIED}


def test_a_run_is_unfinished_until_it_ends(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    @dg.job
    def nothing() -> None: ...

    home = platform_at(tmp_path / "home").home
    assert not has_unfinished_runs(home)
    run = instance.create_run_for_job(nothing, status=dg.DagsterRunStatus.STARTED)
    assert has_unfinished_runs(home)
    instance.report_run_failed(run)
    assert not has_unfinished_runs(home)


def test_failed_checks_are_those_of_the_event_log(built: Built) -> None:
    last: dict[tuple[str, str], bool] = {}
    with open_instance(built.platform.home) as opened:
        for record in reversed(opened.get_run_records()):
            events = opened.all_logs(record.dagster_run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
            for entry in events:
                check = entry.dagster_event.asset_check_evaluation_data
                last[".".join(check.asset_key.path), check.check_name] = check.passed
    failed = {name for name, passed in last.items() if not passed}
    found = failed_checks(built.platform.home, "2024-01-31")
    assert failed
    assert {(check.asset, check.check) for check in found} == failed
    assert all(check.description for check in found)
    assert [
        check for check in failed_checks(built.platform.home, "1990-01-01") if check.asset.startswith("reports.")
    ] == []


def test_a_check_that_is_only_planned_hides_nothing_of_what_it_found_before(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """A run that is under way, or that ended before the check, has planned it."""
    ends = iter([None, RuntimeError("no disk")])

    @dg.asset
    def table() -> None:
        error = next(ends)
        if error is not None:
            raise error

    @dg.asset_check(asset=table)
    def holds() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, description="two rows too many")

    home = platform_at(tmp_path / "home").home
    for _ in range(2):
        dg.materialize([table, holds], instance=instance, raise_on_error=False)
        assert [check.description for check in failed_checks(home, "2024-01-31")] == ["two rows too many"]


def test_the_lines_tell_what_the_reports_hold(built: Built) -> None:
    platform = built.platform
    found = summarize_release(platform, current_release(platform.home))
    final = "model = 'final' and segment = 'all' and metric = 'ndcg' and protocol = 'global'"
    value = ask(platform, f"select value from reports.offline_metrics where {final}")["value"].item()
    verdicts = dict(ask(platform, "select verdict, count(*) as n from reports.verdicts group by all").iter_rows())
    assert found.quality is not None
    assert found.quality["final"]["value"] == value
    assert {name: count for name, count in found.numbers()["verdicts"].items() if count} == verdicts
    heads = [line.partition(":")[0] for line in found.lines if not line.startswith("  ")]
    assert heads == ["quality", "verdicts", "warnings"]
    assert len(found.lines) == 3 + min(len(found.checks), WARNINGS_SHOWN + 1)
    assert max(len(line) for line in found.lines[3:]) < 200
    assert f"{value:.3f}".removeprefix("0") in found.lines[0]
    assert all("\n" not in line for line in found.lines)


def test_a_home_whose_reports_are_gone_says_that_nothing_was_measured(built: Built, tmp_path: Path) -> None:
    platform = copy_home(built.platform, tmp_path / "home", without=("windows", "ranker"))
    for name in ("reports.offline_metrics", "reports.verdicts"):
        platform.lake.delete_as_of(name, built.as_of)
    found = read_status(platform, list)
    assert found.lines[0].startswith("quality: not measured: no report was made as of 2024-01-31; `recs run --as-of")
    assert found.lines[1] == "verdicts: none as of 2024-01-31"
    assert found.exact()["quality"] is None


HEAVY = """
import sys
from recs_platform.cli import app
app(["status"], standalone_mode=False)
print("heavy:", [name for name in ("dagster", "lightgbm", "sklearn", "pandas") if name in sys.modules])
"""


def test_status_of_a_home_at_rest_imports_no_dagster_and_writes_nothing(built: Built, tmp_path: Path) -> None:
    home = copy_home(built.platform, tmp_path / "home", without=("windows",)).home.root
    before = _files(home)
    told = subprocess.run(
        [sys.executable, "-c", HEAVY],
        env={**os.environ, "RECS_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.endswith("heavy: []\n"), told.stdout
    assert "quality: NDCG@10" in told.stdout
    assert _files(home) == before


def _files(home: Path) -> dict[str, bytes]:
    """All files but those that remember how landing looked, and what SQLite keeps beside a file that is read."""
    return {
        path.relative_to(home).as_posix(): path.read_bytes()
        for path in home.rglob("*")
        if path.is_file() and path.parent.name != "tmp" and path.suffix not in {".db-shm", ".db-wal"}
    }


def test_status_says_why_no_release_is_in_force(built: Built, tmp_path: Path) -> None:
    platform = copy_home(built.platform, tmp_path / "home")
    release = current_release(platform.home).version
    manifest = platform.home.artifacts / RELEASES_ARTIFACT / release / MANIFEST_FILE
    whole = manifest.read_bytes()
    manifest.write_bytes(whole[:100])
    assert "manifest.json is damaged" in read_status(platform, list).lines[0]
    manifest.write_bytes(whole)
    lists = manifest.with_name("recommendations.parquet")
    half = lists.read_bytes()[: lists.stat().st_size // 2]
    lists.unlink()  # it is a link to the file of the home that was copied
    lists.write_bytes(half)
    (fault,) = cast("list[str]", read_status(platform, list).facts["releases_damaged"])
    assert fault.startswith(f"{lists} is damaged: it ends before its rows do")
    withdraw_release(platform.home, release)
    found = read_status(platform, list)
    assert found.facts["release"] is None
    assert f"{release} was withdrawn" in found.lines[0]
    assert f"{release} was withdrawn" in found.exact()["not_measured"]
