"""What is asked about one user is answered from their rows: of others none reach rules, regions or staging."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import IDENTITIES
from recs_platform.pipeline.as_of_run import (
    CONSUMED,
    INTERACTIONS,
    ITEMS,
    KNOWN_EVENTS,
    USER_SEGMENTS,
    USERS,
    AsOfRun,
)
from recs_platform.pipeline.geo_availability import run_geo_availability
from recs_platform.pipeline.lists.list_inputs import read_inputs
from recs_platform.pipeline.lists.rule_facts import SHOWN_ITEMS
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.questions import explain
from recs_platform.pipeline.questions.one_user import read_one_user, user_and_item_models, user_models
from recs_platform.stages.releases import current_release
from recs_platform_tests.homes import Built, copy_home

RULES = {
    "dismissed": {"enabled": True, "segments": {"brand_new": {"enabled": False}}},
    "frequency_cap": {"enabled": True},
    "calibration": {"enabled": True},
}


@pytest.fixture(scope="module")
def platform(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return copy_home(built.platform, tmp_path_factory.mktemp("one") / "home", rules=RULES)


@pytest.fixture(scope="module")
def busiest(built: Built) -> list[str]:
    """Users with and without many events."""
    with built.platform.model_run(built.as_of, built.known_at) as models:
        users = models.query(
            f"select {c.USER_ID} from {models.require(INTERACTIONS)} group by all order by count(*) desc, {c.USER_ID}"
        )
    return [users[c.USER_ID][0], users[c.USER_ID][-1]]


def test_only_rows_of_the_user_are_read(platform: Platform, busiest: list[str]) -> None:
    release = current_release(platform.home)
    for user in busiest:
        with user_and_item_models(platform, release, user) as (models, items):
            one = read_one_user(platform, models, items, user)
            for name in (KNOWN_EVENTS, INTERACTIONS, CONSUMED, SHOWN_ITEMS, USERS, USER_SEGMENTS, "raw.user_history"):
                assert set(models.frame(name)[c.USER_ID]) <= {user}, name
        facts = one.facts
        for rows in (facts.segments, facts.shown, facts.dismissed, facts.tastes, one.ranked, one.geo.user_regions):
            assert set(rows[c.USER_ID]) <= {user}
        with user_models(platform, release, user) as models:
            assert models.frame(USERS)[c.USER_ID].to_list() == [user]


def test_what_is_read_of_one_user_is_theirs_of_what_is_read_of_all(platform: Platform, busiest: list[str]) -> None:
    release = current_release(platform.home)
    run = AsOfRun(platform, release.as_of, release.known_at)
    try:
        known, geo, consumed = read_inputs(run), run_geo_availability(run), run.consumed
    finally:
        run.close()
    for user in busiest:
        mine, of_user = pl.DataFrame({c.USER_ID: [user]}), pl.col(c.USER_ID) == user
        with user_and_item_models(platform, release, user) as (models, items):
            one = read_one_user(platform, models, items, user)
            assert_frame_equal(models.frame(ITEMS), known.items.drop(c.USER_COUNT), check_row_order=False)
        assert_frame_equal(one.items, known.items)
        assert_frame_equal(one.consumed, consumed.filter(of_user), check_row_order=False)
        assert_frame_equal(one.geo.user_regions, geo.of(mine).user_regions)
        assert_frame_equal(one.geo.of(mine).exclusions, geo.of(mine).exclusions)
        for name in ("segments", "shown", "dismissed", "tastes"):
            assert_frame_equal(getattr(one.facts, name), getattr(known.facts, name).filter(of_user))


def test_what_was_done_under_another_id_is_read_and_what_was_passed_on_is_not(
    platform: Platform, busiest: list[str], tmp_path: Path
) -> None:
    """The busiest user's id was another's from the middle of the log on; that other had an id of a third before."""
    home = copy_home(platform, tmp_path / "home", rules=RULES)
    release, (device, user) = current_release(home.home), busiest
    with home.model_run(release.as_of, release.known_at) as models:
        events = models.frame(INTERACTIONS).filter(pl.col(c.USER_ID) == device)
        ledger = models.frame("raw.ingestions")["file_hash"][0]
    middle = events[c.OCCURRED_AT].median()
    row = {c.ANONYMOUS_ID: device, "file_hash": ledger, "ingested_at": release.as_of - timedelta(days=1)}
    links = [{**row, c.USER_ID: "third", "valid_from": release.as_of - timedelta(days=9_000)}]
    links += [{**row, c.USER_ID: user, "valid_from": middle}]
    instants = {name: pl.Datetime("us", "UTC") for name in ("valid_from", "ingested_at")}
    home.lake.append(IDENTITIES.name, pl.DataFrame(links, schema_overrides=instants))
    with home.model_run(release.as_of, release.known_at) as models:
        everybody = models.frame(INTERACTIONS)
    for who in (user, "third"):
        with user_models(home, release, who) as models:
            theirs = models.frame(INTERACTIONS)
        assert theirs.height > 1
        assert_frame_equal(theirs, everybody.filter(pl.col(c.USER_ID) == who), check_row_order=False)


def test_candidates_are_generated_as_the_release_found_them(
    platform: Platform, busiest: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What suits the data was found out when the release was made: it is not tried again for one pair."""
    monkeypatch.setattr("recs_platform.pipeline.retrieval.inputs.popularity_half_life", pytest.fail)
    release, user = current_release(platform.home), busiest[0]
    run = AsOfRun(platform, release.as_of, release.known_at, keeps_events=False)
    with run.models() as models:
        ranked = models.frame("ranking.ranked").filter(pl.col(c.USER_ID) == user)
        stored = models.frame("retrieval.candidates").filter(pl.col(c.USER_ID) == user)
    item = ranked.sort(c.RANK)[c.ITEM_ID][0]
    generated = explain._generated(platform, release, user, item)
    assert generated is not None
    assert generated[c.SOURCES].to_list() == stored.filter(pl.col(c.ITEM_ID) == item)[c.SOURCES].to_list()
    assert explain._generated(platform, release, user, "no such item").is_empty()
