"""The asset raw.event_flags: what is new is flagged once, whatever is run again or killed, and a bot is listed."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import EVENT_FLAGS, EVENTS
from recs_platform.pipeline.platform import Platform
from recs_platform.stages.events import flag_updates
from recs_platform.stages.events.flag_updates import BOT_LIKE, flag_events, is_due
from recs_platform.world import World, WorldConfig, simulate, write_landing
from recs_platform_tests.homes import copy_home, execute, land_contract, platform_at, take_in

FLAGS = EVENT_FLAGS.name
BOTTED = WorldConfig(users=60, items=80, days=30, events=6_000, event_files=2, bot_rate=0.035)
KEY = dg.AssetKey(["raw", "event_flags"])


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(BOTTED)


@pytest.fixture(scope="module")
def flagged(world: World, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """A home with a tiny world and its two bots, ingested and flagged. Read-only."""
    platform = platform_at(tmp_path_factory.mktemp("flagged") / "home", landing_settle_seconds=0)
    write_landing(world, platform.home.landing / "world")
    assert execute(platform, "ingest", key=None).success
    return platform


def flags(platform: Platform) -> pl.DataFrame:
    moment = datetime.now(UTC)
    with platform.model_run(moment, moment) as run:
        return run.frame(FLAGS, ordered=True)


def flag(platform: Platform) -> bool:
    now = datetime.now(UTC)
    with platform.model_run(now, now) as run:
        return flag_events(platform.home, platform.lake, run, now=now, progress=lambda _: None)


def test_the_ingest_job_flags_the_bots_of_a_tiny_world(world: World, flagged: Platform) -> None:
    bot_like = flags(flagged).filter(pl.col(c.RULE) == BOT_LIKE)
    by_event = world.events.unique("eid").select(pl.col("eid").alias(c.EVENT_ID), "uid")
    users = bot_like.join(by_event, on=c.EVENT_ID, validate="m:1")["uid"]
    assert set(users) == world.truth.bot_users
    assert len(world.truth.bot_users) == 2


def test_it_shows_new_flags_bot_like_users_and_a_check(world: World, tmp_path: Path) -> None:
    platform = platform_at(tmp_path / "home", landing_settle_seconds=0)
    write_landing(world, platform.home.landing / "world")
    for has_tables in (True, False):  # the second run has nothing to judge
        result = execute(platform, "ingest", key=None)
        (shown,) = (m.metadata for m in result.asset_materializations_for_node("raw__event_flags"))
        assert shown["dagster/row_count"].value == flags(platform).height > 0
        assert 0 < float(str(shown["share_of_events"].value)) < 1
        assert ("bot_like_users" in shown) == ("new_flags" in shown) == has_tables
        if has_tables:
            assert all(user in str(shown["bot_like_users"].value) for user in world.truth.bot_users)
        checks = {check.check_name: check for check in result.get_asset_check_evaluations() if check.asset_key == KEY}
        assert checks["flagged_share"].severity is dg.AssetCheckSeverity.WARN


def test_what_was_judged_is_not_judged_again(flagged: Platform, tmp_path: Path) -> None:
    platform = copy_home(flagged, tmp_path / "home")
    version = platform.lake.version(FLAGS)
    assert not is_due(platform.lake)
    assert not flag(platform)
    take_in(platform)
    assert platform.lake.version(FLAGS) == version
    assert platform.lake.transaction_version(FLAGS, "flags") == platform.lake.version(EVENTS.name)


def test_new_events_add_flags_and_change_none(flagged: Platform, tmp_path: Path) -> None:
    platform = copy_home(flagged, tmp_path / "home", landing_settle_seconds=0)
    before = flags(platform)
    lingering = {
        c.EVENT_ID: "lingering", c.USER_ID: "u1", c.ITEM_ID: "i1", c.EVENT_TYPE: "view",
        c.OCCURRED_AT: "2024-01-29T12:00:00Z", c.DWELL_SECONDS: 900_000.0,
    }  # fmt: skip
    land_contract(platform, "events.jsonl", [lingering])
    take_in(platform)
    after = flags(platform)
    new = after.join(before, on=[c.EVENT_ID, c.RULE], how="anti")
    assert set(new[c.EVENT_ID]) == {"lingering"}
    assert "dwell_iqr" in set(new[c.RULE])
    assert after.filter(pl.col(c.EVENT_ID) != "lingering").equals(before)
    assert new[c.FLAGGED_AT].min() > before[c.FLAGGED_AT].max()  # pyright: ignore[reportOperatorIssue, reportOptionalOperand]


def test_killed_before_its_commit_it_does_the_same_again(
    flagged: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = copy_home(flagged, tmp_path / "home")
    shutil.rmtree(platform.lake.path(FLAGS))

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(flag_updates.Lake, "append", die)
        with pytest.raises(KeyboardInterrupt):
            flag(platform)
    assert is_due(platform.lake)
    assert flag(platform)
    assert flags(platform).drop(c.FLAGGED_AT).equals(flags(flagged).drop(c.FLAGGED_AT))
    assert not flag(platform)


def test_an_empty_home_has_no_flags_and_none_to_make(tmp_path: Path) -> None:
    platform = platform_at(tmp_path / "home")
    assert not flag(platform)
    assert not platform.lake.exists(FLAGS)
    assert flags(platform).is_empty()
