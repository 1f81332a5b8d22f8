"""Two as-ofs built one after the other: what the later one says of the earlier. Single builds are told of elsewhere."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
import polars as pl
import pytest

from recs_platform.contracts.tables import LISTS
from recs_platform.pipeline.platform import Platform
from recs_platform_tests.homes import copy_home, make, make_lists
from recs_platform_tests.worlds import TINY

pytestmark = pytest.mark.trial

DAYS_BETWEEN = 8
PERFORMANCE = "marts.recommendation_performance"
CANDIDATE_FEATURES = dg.AssetSelection.assets("features/candidate_features")


@dataclass(frozen=True)
class TwoBuilds:
    """A home with lists as of one instant and segments as of two; tests only read it."""

    platform: Platform
    first: datetime
    second: datetime

    def frame(self, name: str, as_of: datetime) -> pl.DataFrame:
        with self.platform.model_run(as_of, datetime.now(UTC)) as run:
            return run.frame(name)


@pytest.fixture(scope="module")
def two_builds(taken_in: Platform, tmp_path_factory: pytest.TempPathFactory) -> TwoBuilds:
    platform = copy_home(taken_in, tmp_path_factory.mktemp("two_builds") / "home", evaluation_protocol="per_user")
    second = TINY.start + timedelta(days=TINY.days)
    first = second - timedelta(days=DAYS_BETWEEN)
    make_lists(platform, first)
    performance = dg.AssetSelection.assets(dg.AssetKey(PERFORMANCE.split(".")))
    make(platform, second, dg.AssetSelection.groups("features", "segments") - CANDIDATE_FEATURES)
    make(platform, second, performance)
    return TwoBuilds(platform, first, second)


def test_segments_keep_the_ids_of_those_they_follow(two_builds: TwoBuilds) -> None:
    """Users who stay together keep their segment's id: two builds a week apart share most of it."""
    then, now = (two_builds.frame("segments.behaviour_segments", at) for at in (two_builds.first, two_builds.second))
    both = then.join(now, on="user_id", suffix="_now")
    assert both.height == then.height
    assert set(then["segment_id"]) & set(now["segment_id"])
    kept = both.filter(pl.col("segment_id") == pl.col("segment_id_now")).height
    assert kept > both.height / 2


@pytest.mark.parametrize(
    ("segmentation", "table"), [("behaviour", "behaviour_segments"), ("lifecycle", "user_segments")]
)
def test_migrations_tell_where_each_user_of_the_first_went(
    two_builds: TwoBuilds, segmentation: str, table: str
) -> None:
    then, now = (two_builds.frame(f"segments.{table}", at) for at in (two_builds.first, two_builds.second))
    went = then.join(now, on="user_id", how="full", suffix="_now", coalesce=True)
    expected = went.group_by(
        pl.col("segment_id").fill_null("absent"), pl.col("segment_id_now").fill_null("absent")
    ).len()
    told = two_builds.frame("segments.migrations", two_builds.second).filter(pl.col("segmentation") == segmentation)
    assert set(told["previous_as_of"]) == {two_builds.first}
    assert sorted(told.select("from_segment_id", "to_segment_id", "user_count").rows()) == sorted(expected.rows())


def test_the_first_build_has_nothing_before_it(two_builds: TwoBuilds) -> None:
    assert two_builds.frame("segments.migrations", two_builds.first).is_empty()


def test_performance_counts_what_came_of_the_first_lists(two_builds: TwoBuilds) -> None:
    """Counted again from the lists and the events as they lie in the lake."""
    told = two_builds.frame(PERFORMANCE, two_builds.second).filter(pl.col("rank") == 0)
    assert told["list_as_of"].to_list() == [two_builds.first]
    opted_out = two_builds.frame("staging.stg_opted_out", two_builds.second)
    lists = two_builds.frame(LISTS.name, two_builds.first).join(opted_out, on="user_id", how="anti")
    consumed = two_builds.frame("staging.stg_events", two_builds.second).filter(
        pl.col("occurred_at").is_between(two_builds.first, two_builds.first + timedelta(days=7), closed="left")
        & (pl.col("event_type") != "impression")
    )
    came = lists.join(consumed, on=["user_id", "item_id"], how="semi")
    assert came.height > 0
    assert told["recommended_count"].item() == lists.height
    assert told["consumed_count_7d"].item() == came.height
