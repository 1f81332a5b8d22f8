"""What is in force is shown with who gives it: default, file and line, environment, or the adopted config."""

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.shared_settings import KEPT_OF_EACH
from recs_platform.pipeline.platform import Platform, sql_folder
from recs_platform.pipeline.questions.settings_in_force import SettingInForce, settings_in_force
from recs_platform.pipeline.retrieval.tuned_configs import CONFIGS, adopt_config, seal_config
from recs_platform.settings import read_settings, setting_fields
from recs_platform_tests.homes import CommandLine

TOML = """\
k = 5
publish.as_ofs_max = 3
[retrieval]
quotas = {als = 4}
[retrieval.sources.als]
factors = 8
[retrieval.segments.newcomer]
off = ["als"]
"""
Found = dict[str, SettingInForce]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "recs.toml").write_text(TOML)
    monkeypatch.setenv("RECS_HOME", str(tmp_path))
    return tmp_path


def in_force() -> Found:
    return {each.name: each for each in settings_in_force(Platform(read_settings(), sql_folder()))}


def said(found: Found, name: str) -> tuple[object, object, str]:
    return found[name].value, found[name].default, found[name].origin


def test_the_file_is_named_with_its_line_and_the_environment_goes_before_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECS_PUBLISH__AS_OFS_MAX", "9")
    monkeypatch.setenv("RECS_RETRIEVAL", json.dumps({"sources": {"trending": {"weight": 2.0}}}))
    found = in_force()
    assert said(found, "k") == (5, 10, "recs.toml:1")
    assert said(found, "seed") == (7, 7, "default")
    assert said(found, "home") == (home, Path("data"), "RECS_HOME")
    assert said(found, "publish.as_ofs_max") == (9, 30, "RECS_PUBLISH__AS_OFS_MAX")
    assert said(found, "retrieval.sources.trending.weight") == (2.0, 1.0, "RECS_RETRIEVAL")
    assert said(found, "retrieval.sources.trending.half_life_days") == (7.0, 7.0, "default")
    assert said(found, "retrieval.quotas.als") == (4, KEPT_OF_EACH, "recs.toml:4")
    assert said(found, "retrieval.quotas.new_items") == (KEPT_OF_EACH, KEPT_OF_EACH, "default")
    assert said(found, "retrieval.segments.newcomer.off") == (("als",), None, "recs.toml:8")


def test_what_is_tuned_counts_where_neither_file_nor_environment_speak(home: Path) -> None:
    root, at = home / "artifacts", datetime(2024, 1, 1, tzinfo=UTC)
    manifest = Manifest(
        name=CONFIGS, version="0123456789abcdef", as_of=at, known_at=at, sealed_at=at, data_version="1", seed=7
    )
    changes = {"als": {"factors": 32, "alpha": 5.0}}
    seal_config(root, manifest, changes, pl.DataFrame({"trial": [0]}), pl.DataFrame({"source": ["als"]}))
    assert said(in_force(), "retrieval.sources.als.alpha") == (2.0, 2.0, "default")
    adopt_config(root, manifest.version)
    found = in_force()
    assert said(found, "retrieval.sources.als.alpha") == (5.0, 2.0, "tuned 0123456789abcdef")
    assert said(found, "retrieval.sources.als.factors") == (8, 64, "recs.toml:6")


def test_a_file_of_vectors_is_what_switches_their_source_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(in_force(), "retrieval.sources.vectors.enabled") == (False, False, "default")
    monkeypatch.setenv("RECS_RETRIEVAL__VECTORS", "mine.parquet")
    assert said(in_force(), "retrieval.sources.vectors.enabled") == (True, False, "RECS_RETRIEVAL__VECTORS")


def test_every_setting_is_there_once_with_a_reason(home: Path) -> None:
    found = settings_in_force(Platform(read_settings(), sql_folder()))
    names = [each.name for each in found]
    assert len(set(names)) == len(names)
    expanded = {"retrieval.quotas", "retrieval.segments", "retrieval.sources"}
    assert {name for name, _ in setting_fields()} - set(names) == expanded
    assert [each.name for each in found if not each.reason] == []


def test_the_command_prints_a_line_a_setting_and_one_object(recs: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "recs.toml").write_text(TOML)
    code, out, _ = recs(tmp_path, "config", "show")
    assert code == 0
    assert out.splitlines()[0].split() == ["setting", "value", "from", "reason"]
    assert ["k", "5", "recs.toml:1"] in [line.split()[:3] for line in out.splitlines()]
    code, out, _ = recs(tmp_path, "config", "show", "--json")
    rows = {row["name"]: row for row in json.loads(out)["settings"]}
    assert code == 0
    assert rows["k"] == {"name": "k", "value": 5, "default": 10, "from": "recs.toml:1", "reason": "items in a list"}
    assert (rows["horizon_days"]["value"], rows["horizon_days"]["from"]) == (5, "RECS_HORIZON_DAYS")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recs.toml"]
