"""A window whose feature holds what happened after its cutoff stops the build before a ranker is trained on it."""

from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.contracts.time import as_of_key
from recs_platform.defs.assets.ranking import RANKER_KEY, TRAINING_SET_KEY
from recs_platform.defs.leakage_check import NO_LABEL_LEAKAGE
from recs_platform.defs.resources import KNOWN_AT_TAG
from recs_platform.lake.artifacts import artifact, sealed_versions
from recs_platform.pipeline.platform import Platform
from recs_platform_tests.homes import Built, copy_home, execute

PLANTED = "item_rating_mean"


def train(platform: Platform, built: Built) -> dg.ExecuteInProcessResult:
    return execute(
        platform,
        "build",
        key=as_of_key(built.as_of),
        asset_selection=[TRAINING_SET_KEY, RANKER_KEY],
        tags={KNOWN_AT_TAG: built.known_at.isoformat()},
    )


def verdict(result: dg.ExecuteInProcessResult) -> Any:
    (check,) = [each for each in result.get_asset_check_evaluations() if each.asset_key == TRAINING_SET_KEY]
    assert check.check_name == NO_LABEL_LEAKAGE
    return check


def plant(platform: Platform) -> int:
    """Put the label of every window into a feature, with some noise; returns how many windows there are."""
    manifests = sealed_versions(platform.home.artifacts, "windows")
    for manifest in manifests:
        path = artifact(platform.home.artifacts, "windows", manifest.version) / "rows.parquet"
        rows, planted = pl.read_parquet(path), path.with_suffix(".planted")
        noise = pl.int_range(pl.len()) % 7 / 20  # at most 0.3
        rows.with_columns((pl.col(c.LABEL) + noise).cast(pl.Float32).alias(PLANTED)).write_parquet(planted)
        planted.replace(path)
    return len(manifests)


@pytest.fixture
def home(built: Built, tmp_path: Path) -> Platform:
    return copy_home(built.platform, tmp_path / "home", without=["ranker", "measurements"])


def test_a_planted_label_stops_the_build_before_the_ranker(home: Platform, built: Built):
    assert plant(home)
    result = train(home, built)
    check = verdict(result)
    assert check.blocking
    assert not check.passed
    assert PLANTED in check.description
    assert PLANTED in check.metadata["highest_auc"].value
    assert not result.success
    assert [event.asset_key for event in result.get_asset_materialization_events()] == [TRAINING_SET_KEY]
    assert not sealed_versions(home.home.artifacts, "ranker")


def test_windows_as_built_have_no_label_leakage(home: Platform, built: Built):
    result = train(home, built)
    check = verdict(result)
    assert result.success
    assert check.passed
    assert check.metadata["features"].value == len(home.feature_set.names)
    assert [event.asset_key for event in result.get_asset_materialization_events()] == [TRAINING_SET_KEY, RANKER_KEY]
