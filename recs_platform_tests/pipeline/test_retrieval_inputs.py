"""What the settings say of retrieval reaches it, and what is wrong in them is named."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.shared_settings import KEPT_OF_EACH
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.platform import Platform, sql_folder
from recs_platform.pipeline.retrieval import inputs
from recs_platform.pipeline.retrieval.inputs import item_vectors, retrieval_config, run_config, vectors_version
from recs_platform.settings import read_settings
from recs_platform_tests.homes import platform_at

AT = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "field", "says"),
    [
        ({"sources": {"oracle": {}}}, "sources", "unknown sources ['oracle']"),
        (
            {"sources": {"trending": {"half_life_days": -1}}},
            "sources.trending.half_life_days",
            "above 0 and at most 3650",
        ),
        ({"sources": {"trending_1d": {"half_life": 1}}}, "sources.trending_1d.half_life", "no such field"),
        ({"segments": {"new": {"off": ["als", "oracle"]}}}, "segments.new.off", "unknown sources ['oracle']"),
        ({"quotas": {"oracle": 3}}, "quotas.oracle", "unknown sources ['oracle']"),
        ({"cold": {"order": [["popularity"], ["oracle"]]}}, "cold.order", "unknown sources ['oracle']"),
    ],
)
def test_what_is_wrong_of_a_source_is_named_with_its_place(
    tmp_path: Path, asked: dict[str, object], field: str, says: str
) -> None:
    with pytest.raises(UsageError) as refused:
        retrieval_config(platform_at(tmp_path, retrieval=asked))
    assert str(refused.value).startswith(f"{tmp_path / 'recs.toml'}: retrieval.{field} ")
    assert says in str(refused.value)


def test_what_is_wrong_of_a_source_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "recs.toml").write_text("k = 5\n\n[retrieval.sources.trending]\nweight = 2\nhalf_life_days = -1\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECS_HOME", str(tmp_path))
        platform = Platform(read_settings(), sql_folder())
    with pytest.raises(UsageError) as refused:
        retrieval_config(platform)
    assert str(refused.value).startswith(
        f"{tmp_path / 'recs.toml'}:5: retrieval.sources.trending.half_life_days = -1: "
    )


def test_quotas_of_ones_own_go_before_those_of_each(tmp_path: Path) -> None:
    config = retrieval_config(platform_at(tmp_path, retrieval={"quotas": {"new_items": 3}}))
    assert (config.quotas["new_items"], config.quotas["als"]) == (3, KEPT_OF_EACH)


def test_a_file_of_vectors_switches_its_source_on_and_another_makes_another_version(tmp_path: Path) -> None:
    without = platform_at(tmp_path, retrieval={})
    assert (item_vectors(without), vectors_version(without)) == (None, None)
    assert not retrieval_config(without).sources["vectors"].enabled
    platform = platform_at(tmp_path, retrieval={"vectors": "mine.parquet"})
    versions: list[str | None] = []
    for value in (1.0, 2.0):
        pl.DataFrame({"item_id": ["a"], "vector": [[value, 0.0]]}).write_parquet(tmp_path / "mine.parquet")
        versions.append(vectors_version(platform))
    assert len(set(versions)) == 2
    assert retrieval_config(platform).sources["vectors"].enabled
    read = item_vectors(platform)
    assert read is not None
    assert read.rows() == [("a", [2.0, 0.0])]


def test_a_missing_file_of_vectors_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"mine\.parquet"):
        item_vectors(platform_at(tmp_path, retrieval={"vectors": "mine.parquet"}))


def test_who_is_cold_and_what_they_are_offered_reaches_retrieval(tmp_path: Path) -> None:
    cold = {"positives_max": 2, "order": [["content"], ["popularity"]]}
    config = retrieval_config(platform_at(tmp_path, retrieval={"cold": cold}))
    assert config.cold.positives_max == 2
    assert [[source.name for source in group] for group in config.cold_groups()] == [["content"], ["popularity"]]
    assert "content" in {source.name for source in config.fitted_sources()}
    assert retrieval_config(platform_at(tmp_path, retrieval={"cold": {"order": []}})).cold_groups() == ()


@pytest.mark.parametrize(
    ("sources", "best", "popularity", "groups"),
    [
        ({}, 0.125, 0.125, 0.125),
        ({}, 30.0, 30.0, 4.0),
        ({}, None, None, 4.0),
        ({"group_popularity": {"half_life_days": 9.0}}, 0.125, 0.125, 9.0),
        ({"popularity": {"half_life_days": 1.0}}, 0.125, 1.0, 1.0),
        ({"popularity": {"enabled": False}}, 0.125, None, 4.0),
    ],
)
def test_popularity_of_groups_forgets_at_least_as_fast_as_popularity(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sources: dict[str, dict[str, object]],
    best: float | None,
    popularity: float | None,
    groups: float,
) -> None:
    monkeypatch.setattr(inputs, "popularity_half_life", lambda _run: best)
    monkeypatch.setattr(inputs, "finer_popularity", lambda _run: None)
    monkeypatch.setattr(inputs, "measured_facts", lambda _run: {"interactions": 0.0})
    run = AsOfRun(platform_at(tmp_path, retrieval={"sources": sources}), AT, AT)
    found = run_config(run).sources
    assert found["popularity"].model_dump()["half_life_days"] == popularity
    assert found["group_popularity"].model_dump()["half_life_days"] == groups


FAST = {
    "interactions": 1e5,
    "log_days": 6.0,
    "item_life_days": 1.4,
    "repeated_steps_ratio": 2.0,
    "one_way_share": 0.0,
}


@pytest.mark.parametrize(("named", "is_on"), [({}, False), ({"spectral": {"factors": 32}}, True)])
def test_a_source_of_which_the_settings_name_nothing_is_switched_by_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: dict[str, dict[str, object]], is_on: bool
) -> None:
    monkeypatch.setattr(inputs, "measured_facts", lambda _run: FAST)
    run = AsOfRun(
        platform_at(tmp_path, retrieval={"sources": {"popularity": {"half_life_days": 1.0}, **named}}), AT, AT
    )
    assert run_config(run).sources["spectral"].enabled is is_on


def test_a_tuned_config_goes_before_what_the_data_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "measured_facts", lambda _run: FAST)
    monkeypatch.setattr(inputs, "adopted_changes", lambda _root: {"als": {"alpha": 3.0}})
    run = AsOfRun(platform_at(tmp_path, retrieval={"sources": {"popularity": {"half_life_days": 1.0}}}), AT, AT)
    assert run_config(run).sources["spectral"].enabled
