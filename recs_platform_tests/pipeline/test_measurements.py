"""What was measured at a window is measured again exactly when something that decides it has changed."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from recs_platform.contracts.manifests import Manifest
from recs_platform.lake.artifacts import remove_artifact, sealed_versions, write_artifact, write_manifest
from recs_platform.pipeline import unit_test_proofs
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.training import measurements
from recs_platform.pipeline.training.evaluation import Evaluated, evaluate
from recs_platform.pipeline.training.measurements import measured_once, prune_measurements
from recs_platform.pipeline.training.schedule import training_schedule
from recs_platform.pipeline.training.window_cache import WindowCache
from recs_platform.pipeline.unit_test_proofs import PROOFS_FILE, prove
from recs_platform.warehouse.unit_tests import UnitTestResult
from recs_platform_tests.homes import Built, copy_home, platform_at

AT = datetime(2024, 1, 1, tzinfo=UTC)
FOUND = {
    "ndcg": pl.DataFrame({"user_id": ["b", "a"], "value": [0.1 + 0.2, None]}),
    "none": pl.DataFrame(schema={"at": pl.Datetime("us", "UTC"), "count": pl.Int32}),
}


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return platform_at(tmp_path / "home")


def window(version: str) -> Manifest:
    return Manifest(name="windows", version=version, as_of=AT, known_at=AT, data_version="1", seed=7, sealed_at=AT)


def measured(platform: Platform, calls: list[str], version: str = "w", kind: str = "trial", ranker: str = "r") -> None:
    def measure() -> dict[str, pl.DataFrame]:
        calls.append(f"{kind} {version} {ranker}")
        return FOUND

    found = measured_once(AsOfRun(platform, AT, AT), kind, window(version), {"ranker": ranker}, measure)
    assert found.keys() == FOUND.keys()
    assert all(frame.equals(FOUND[name]) and frame.schema == FOUND[name].schema for name, frame in found.items())


def test_it_is_measured_once_for_all_that_decides_it(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = list[str]()
    for _ in range(2):
        measured(platform, calls)
        measured(platform, calls, version="x")
        measured(platform, calls, kind="test")
        measured(platform, calls, ranker="s")
    assert calls == ["trial w r", "trial x r", "test w r", "trial w s"]
    monkeypatch.setattr(measurements, "code_version", lambda *_: "other code, settings, libraries or rules")
    measured(platform, calls)
    assert calls[4:] == ["trial w r"]


def test_a_kill_in_the_middle_leaves_nothing(platform: Platform) -> None:
    def killed() -> dict[str, pl.DataFrame]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured_once(AsOfRun(platform, AT, AT), "trial", window("w"), {"ranker": "r"}, killed)
    calls = list[str]()
    measured(platform, calls)
    assert calls == ["trial w r"]


def test_it_goes_with_its_window(platform: Platform) -> None:
    calls, root = list[str](), platform.home.artifacts
    for version in ("w", "x"):
        with write_artifact(root, "windows", version) as folder:
            write_manifest(folder, window(version))
        measured(platform, calls, version=version)
    assert prune_measurements(platform) == 0
    remove_artifact(root, "windows", "x")
    assert prune_measurements(platform) == 1
    for version in ("w", "x"):
        measured(platform, calls, version=version)
    assert calls == ["trial w r", "trial x r", "trial x r"]


def test_an_evaluation_from_what_was_sealed_is_one_measured_anew(built: Built, tmp_path: Path) -> None:
    found: list[Evaluated] = []
    for name, without in (("sealed", ()), ("anew", (measurements.MEASUREMENTS,))):
        platform = copy_home(built.platform, tmp_path / name, without=without, data_tests=True)
        run = AsOfRun(platform, built.as_of, built.known_at)
        before = len(sealed_versions(platform.home.artifacts, measurements.MEASUREMENTS))
        found.append(evaluate(WindowCache(run, ignore_line), training_schedule(run), ignore_line))
        run.close()
        after = len(sealed_versions(platform.home.artifacts, measurements.MEASUREMENTS))
        assert (after == before) == (name == "sealed")
    sealed, anew = found
    assert sealed.per_user.height
    assert sealed.per_user.equals(anew.per_user)
    assert sealed.per_list.equals(anew.per_list)


def ignore_line(_text: str) -> None:
    """Watches nothing."""


def test_given_expect_tests_that_passed_are_not_run_again_until_the_code_changes(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = (SimpleNamespace(name="one"), SimpleNamespace(name="two"))
    right, wrong = (SimpleNamespace(name=name, hash=name, unit_tests=tests) for name in ("right", "wrong"))
    run: list[str] = []

    def run_unit_test(_con: object, _models: object, model: SimpleNamespace, test: SimpleNamespace) -> UnitTestResult:
        run.append(f"{model.name} {test.name}")
        return UnitTestResult(test.name, ({"a": 1},) if model.name == "wrong" else (), ())

    def later() -> list[bool]:
        """Another process of the same home."""
        unit_test_proofs._found.clear()
        return [all(result.passed for result in prove(platform, model)) for model in (right, wrong)]  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(unit_test_proofs, "_found", {})
    monkeypatch.setattr(unit_test_proofs, "run_unit_test", run_unit_test)
    assert later() == later() == [True, False]
    assert run == ["right one", "right two", *["wrong one", "wrong two"] * 2]
    (platform.home.artifacts / PROOFS_FILE).write_text("half a fi")
    monkeypatch.setattr(unit_test_proofs, "code_version", lambda _: "other code")
    assert later() == [True, False]
    assert run[6:8] == ["right one", "right two"]
