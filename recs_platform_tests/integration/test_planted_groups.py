"""Groups planted in a world are found again from its log alone; `python -m benchmarks.segments` is the long version."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.pipeline.segments import USER_FEATURES, measures
from recs_platform.stages import segments
from recs_platform.stages.events import ingest
from recs_platform.stages.segments.sklearn_adapter import adjusted_rand
from recs_platform.world import GROUP_NAMES, WorldConfig, simulate, write_landing
from recs_platform_tests.homes import platform_at

BUSY = WorldConfig(users=200, items=100, days=42, events=80_000)
EVENTS_ENOUGH = 200  # about ten visits
GROUP = "group"


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """Users with enough events: the group they were drawn from, the segment they were put in."""
    world = simulate(BUSY)
    platform = platform_at(tmp_path_factory.mktemp("groups") / "home")
    write_landing(world, platform.home.landing / "world")
    with platform.connection() as con:
        now = datetime.now(UTC)
        ingest(platform.home, platform.lake, platform.sources, con, now=now, progress=lambda _: None)
    as_of, measured = BUSY.start + timedelta(days=BUSY.days), measures(platform)
    with platform.model_run(as_of, datetime.now(UTC), scratch=True) as run:
        features = run.frame(USER_FEATURES, [c.USER_ID, c.EVENT_COUNT, *(measure.name for measure in measured)])
    found = segments.segment_users(features, measured, segments.SegmentConfig(), seed=7)
    planted = pl.DataFrame({c.USER_ID: world.truth.user_ids, GROUP: world.truth.group})
    busy = features.filter(pl.col(c.EVENT_COUNT) >= EVENTS_ENOUGH, ~pl.col(c.USER_ID).is_in(world.truth.bot_users))
    return busy.select(c.USER_ID).join(found.members, on=c.USER_ID).join(planted, on=c.USER_ID)


def test_users_of_a_group_share_a_segment(members: pl.DataFrame) -> None:
    planted = members[GROUP].cast(pl.Int64).to_numpy()
    found = members[c.SEGMENT_ID].rank("dense").cast(pl.Int64).to_numpy()
    assert members.height > 60
    assert adjusted_rand(planted, found) >= 0.8


def test_the_night_time_mobile_group_is_found_and_named(members: pl.DataFrame) -> None:
    name = pl.col(c.SEGMENT_NAME).str.to_lowercase()
    named = members.filter(name.str.contains("night-time"), name.str.contains("mobile"))
    planted = members.filter(pl.col(GROUP) == GROUP_NAMES.index("night-time mobile"))
    both = named.join(planted, on=c.USER_ID).height
    assert planted.height > 5
    assert both >= 0.9 * named.height
    assert both >= 0.9 * planted.height
