"""Features of an instant before, as reports read them: those that a build stored, or the same computed."""

from datetime import timedelta

import polars as pl
import pytest

from recs_platform.pipeline import earlier_features
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.build_records import is_as_built
from recs_platform.pipeline.platform import Platform
from recs_platform.stages.reports import DRIFT_TABLES, compared_users
from recs_platform_tests.homes import Built, copy_home, land_contract, platform_at, take_in


def features(platform: Platform, built: Built) -> dict[str, pl.DataFrame]:
    """Features as of the build that a report of a later day compares with, of users those that it samples."""
    run = AsOfRun(platform, built.as_of + timedelta(days=1), built.known_at)
    found = earlier_features.features_at(run, built.as_of)
    users = compared_users(run.at(built.as_of).users.select("user_id"), seed=platform.settings.seed)
    run.close()
    ours = {
        name: rows.join(users, on="user_id", how="semi") if "user_id" in rows else rows for name, rows in found.items()
    }
    return {name: rows.sort([key for key in ("user_id", "item_id") if key in rows]) for name, rows in ours.items()}


def test_what_a_build_stored_is_what_would_be_computed(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[bool]()

    def told(run: AsOfRun, tables: tuple[str, ...]) -> bool:
        asked.append(is_as_built(run, tables))
        return asked[-1]

    monkeypatch.setattr(earlier_features, "is_as_built", told)
    stored = features(built.platform, built)
    assert asked == [True]
    monkeypatch.setattr(earlier_features, "is_as_built", lambda *_: False)
    computed = features(built.platform, built)
    assert stored.keys() == computed.keys() == set(DRIFT_TABLES)
    for name, rows in stored.items():
        assert rows.height
        assert rows.equals(computed[name]), name


def test_what_was_built_of_other_data_or_settings_is_computed(
    built: Built, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("late") / "home"
    platform = copy_home(built.platform, root)

    def is_stored(of: Platform) -> bool:
        run = AsOfRun(of, built.as_of, built.known_at + timedelta(days=1))
        return is_as_built(run, DRIFT_TABLES)

    assert is_stored(platform)
    assert not is_stored(platform_at(root, session_gap_minutes=7))
    late = (built.as_of - timedelta(days=2)).isoformat()
    land_contract(
        platform, "events.jsonl", [{"user_id": "u1", "item_id": "i1", "event_type": "click", "occurred_at": late}]
    )
    take_in(platform)
    assert not is_stored(platform)


def test_what_retention_removed_is_computed(built: Built) -> None:
    run = AsOfRun(built.platform, built.as_of, built.known_at)
    assert is_as_built(run, DRIFT_TABLES)
    assert not is_as_built(run, (*DRIFT_TABLES, "features.not_there"))
