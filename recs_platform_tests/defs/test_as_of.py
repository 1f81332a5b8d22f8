"""An as-of that is a mistake is refused before anything is registered or written, wherever it comes from."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from recs_platform.contracts.errors import NotReady, RecsError, UsageError
from recs_platform.contracts.setting_groups import RoleSettings
from recs_platform.contracts.time import as_of_key
from recs_platform.defs import launch
from recs_platform.defs.assembly import definitions_of
from recs_platform.defs.event_log import in_time
from recs_platform.defs.instance import open_instance
from recs_platform.defs.resources import FORCED, FORCED_TAG
from recs_platform.defs.running import why_failed
from recs_platform.defs.startable import PARTITION_TAG
from recs_platform.pipeline.event_gap import far_events
from recs_platform.pipeline.event_span import (
    LATE_DAYS,
    default_as_of,
    event_span,
    midnight_after,
    require_not_after,
    require_not_late,
    require_possible,
)
from recs_platform.pipeline.platform import Platform
from recs_platform_tests.homes import as_of_tables, copy_home, execute, failures, ignore, platform_at

NOON = datetime(2024, 2, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with open_instance(platform_at(tmp_path / "instance").home) as opened:
        yield opened


def test_the_next_midnight_is_possible_and_what_lies_beyond_is_not() -> None:
    require_not_after(midnight_after(NOON), NOON)
    with pytest.raises(UsageError, match=r"2024-02-02T01 is after now \(2024-02-01 12:00 UTC\)"):
        require_not_after(midnight_after(NOON) + timedelta(hours=1), NOON)


def test_thirty_days_after_the_last_event_are_possible_and_a_moment_more_is_not() -> None:
    require_not_late(NOON + LATE_DAYS * DAY, NOON)
    with pytest.raises(NotReady, match=r"30 days after the last event.*choose 2024-02-01T12"):
        require_not_late(NOON + LATE_DAYS * DAY + timedelta(seconds=1), NOON)


def test_events_from_the_future_do_not_move_the_default(taken_in: Platform) -> None:
    first, last = event_span(taken_in)
    for now in (first + timedelta(hours=1), NOON - 12 * DAY):
        assert default_as_of(taken_in, now) == midnight_after(now)
    assert default_as_of(taken_in, first - DAY) == midnight_after(first - DAY)
    assert default_as_of(taken_in, last) == default_as_of(taken_in) == midnight_after(last)
    with pytest.raises(UsageError, match="after now"):
        require_possible(taken_in, last, first + DAY)
    require_possible(taken_in, last, first + DAY, forced=True)


def test_a_few_events_of_years_later_are_cautioned_about_and_the_as_of_of_all_others_is_named(
    taken_in: Platform, tmp_path: Path
) -> None:
    platform = copy_home(taken_in, tmp_path / "home")
    now = datetime(2026, 11, 30, 7, tzinfo=UTC)
    assert far_events(platform, now) is None
    end = as_of_key(default_as_of(platform, now))
    row = pl.read_parquet(platform.lake.files("raw.events")).head(3)
    late = row.with_columns(occurred_at=pl.lit(now, pl.Datetime("us", "UTC")), event_date=now.date())
    platform.lake.append("raw.events", late)
    caution = far_events(platform, now)
    assert caution is not None
    assert caution.startswith(f"caution: 3 events since 2026-11-30 move the default as-of from {end}, where the other ")
    assert ", to 2026-12-01: " in caution
    assert caution.endswith(f"recs run --as-of {end}")
    # Before those events there is nothing to say.
    assert far_events(platform, now - DAY) is None


@pytest.mark.parametrize(
    ("as_of", "error"),
    [
        (datetime(2990, 1, 1, tzinfo=UTC), UsageError),
        (datetime(2024, 6, 1, tzinfo=UTC), NotReady),
        (datetime(1990, 1, 1, tzinfo=UTC), NotReady),
    ],
)
def test_a_refused_build_registers_and_writes_nothing(
    taken_in: Platform, instance: dg.DagsterInstance, as_of: datetime, error: type[RecsError]
) -> None:
    with pytest.raises(error, match=as_of_key(as_of)):
        launch.build(taken_in, instance, as_of, ignore)
    assert instance.get_dynamic_partitions("as_of") == []
    assert instance.get_runs() == []
    assert as_of_tables(taken_in) == {}


@pytest.mark.parametrize("key", ["2990-01-01", "2024-06-01", "2024-02-30", "1990-01-01"])
def test_a_run_that_the_ui_starts_for_such_a_partition_fails_with_the_sentence(
    taken_in: Platform, tmp_path: Path, key: str
) -> None:
    platform = copy_home(taken_in, tmp_path / "home")
    result = execute(platform, "build", key=key)
    assert not result.success
    assert key in failures(result)
    assert f"recs as-of remove {key}" in failures(result)
    assert as_of_tables(platform) == {}
    assert not any(platform.home.artifacts.rglob("manifest.json"))


@pytest.mark.parametrize(
    ("tags", "said"), [({}, "this run names no as_of"), ({PARTITION_TAG: "x"}, "as_of 'x' is not")]
)
def test_a_part_of_the_graph_is_refused_by_the_same_sentence(
    taken_in: Platform, instance: dg.DagsterInstance, tags: dict[str, str], said: str
) -> None:
    """Its first step reads partitions, which Dagster looks up before the body of the step is called."""
    job = definitions_of(taken_in).resolve_job_def("retrain_ranker")
    result = job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
    assert [line for line in why_failed(instance, result.run_id) if said in line]
    assert not [event for event in result.all_events if event.is_step_event]


def test_a_run_by_hand_is_refused_while_the_settings_name_what_is_not_there(tmp_path: Path) -> None:
    platform = platform_at(tmp_path / "home", roles={"analyst": RoleSettings(hide=("raw.userz",))})
    result = execute(platform, "rebuild_features", key="2024-01-31")
    assert "roles.analyst.hide names 'raw.userz'" in failures(result)
    assert not [event for event in result.all_events if event.is_step_event]


def test_a_forced_run_passes_the_guard(taken_in: Platform, tmp_path: Path) -> None:
    platform = copy_home(taken_in, tmp_path / "home")
    asset = dg.AssetKey(["features", "user_features"])
    tags = {FORCED_TAG: FORCED}
    result = execute(platform, "build", key="2024-06-01", tags=tags, asset_selection=[asset])
    assert "last event" not in failures(result)
    assert "features.user_affinities was never written" in failures(result)


def test_partitions_stand_in_order_of_time_whatever_the_order_of_adding(instance: dg.DagsterInstance) -> None:
    keys = ["2017-02-20", "2017-02-19T06", "2017-02-30", "2017-02-19", "2017-02-20T00:30:00", "1999-01-01"]
    ordered = ["1999-01-01", "2017-02-19", "2017-02-19T06", "2017-02-20", "2017-02-20T00:30:00", "2017-02-30"]
    for key in keys:
        instance.add_dynamic_partitions("as_of", [key])
    assert list(instance.get_dynamic_partitions("as_of")) == ordered
    storage = instance.event_log_storage
    for ascending, expected in ((True, ordered), (False, ordered[::-1])):
        pages: list[str] = []
        cursor, more = None, True
        while more:
            page = storage.get_paginated_dynamic_partitions("as_of", 4, ascending, cursor)
            pages, cursor, more = [*pages, *page.results], page.cursor, page.has_more
        assert pages == expected
    assert sorted(keys, key=in_time) == ordered
