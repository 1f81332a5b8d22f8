"""Made-up users: who they are, that the as-of's own functions make their lists, and that nothing of them stays."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.edge_users.lists import edge_lists
from recs_platform.pipeline.edge_users.people import PEOPLE, PREFIX, Surroundings, events_of, profiles_of
from recs_platform.stages.reports import EdgeLists
from recs_platform_tests.homes import Built

AS_OF = datetime(2020, 3, 2, tzinfo=UTC)
ITEMS = pl.DataFrame({"item_id": [f"i{at:03d}" for at in range(60)], "category": ["x", "x", "y"] * 20})
AROUND = Surroundings(ITEMS, AS_OF, AS_OF - timedelta(days=40), "DE")


def their(events: pl.DataFrame, name: str) -> pl.DataFrame:
    return events.filter(pl.col("user_id") == f"{PREFIX}{name}")


def test_each_is_at_the_edge_that_its_name_says():
    events, profiles = events_of(PEOPLE, AROUND), profiles_of(PEOPLE, AROUND)
    assert their(events, "no_history").is_empty()
    assert their(events, "one_event")["occurred_at"].to_list() == [AS_OF - timedelta(hours=1)]
    assert their(events, "one_event_long_ago")["occurred_at"].to_list() == [AROUND.since]
    for name in ("everything_consumed", "everything_dismissed"):
        assert set(their(events, name)["item_id"]) == set(ITEMS["item_id"])
    assert set(their(events, "everything_dismissed")["event_type"]) == {"dismiss"}
    liked = their(events, "one_category").join(ITEMS, on="item_id")
    assert set(liked["category"]) == {"x"}
    assert liked.height == 20
    assert their(events, "very_heavy").height == 3000
    seconds = their(events, "bot_like")["occurred_at"].sort().diff().drop_nulls().dt.total_seconds()
    assert set(seconds) == {1}
    assert f"{PREFIX}unknown_country" not in profiles["user_id"].to_list()
    assert profiles.filter(pl.col("age_band").is_not_null())["user_id"].to_list() == [f"{PREFIX}under_age"]


def test_all_of_it_lies_within_the_log_and_before_the_as_of():
    short = Surroundings(ITEMS, AS_OF, AS_OF - timedelta(hours=1), None)
    for around in (AROUND, short):
        events = events_of(PEOPLE, around)
        assert events["event_id"].is_unique().all()
        assert around.since <= events["occurred_at"].min()
        assert events["occurred_at"].max() < AS_OF


@pytest.fixture(scope="module")
def made(built: Built) -> EdgeLists:
    run = AsOfRun(built.platform, built.as_of, built.known_at)
    before = {name: built.platform.lake.version(name) for name in built.platform.lake.names()}
    found = edge_lists(run)
    run.close()
    assert found is not None
    assert {name: built.platform.lake.version(name) for name in built.platform.lake.names()} == before
    return found


def test_everybody_gets_a_whole_list_that_keeps_the_rules_or_a_reason(made: EdgeLists):
    lengths = dict(made.lists.group_by("user_id").len().iter_rows())
    short = made.short_lists["user_id"].to_list()
    for person in PEOPLE:
        assert lengths.get(person.user_id, 0) == made.k or person.user_id in short
    assert not made.lists.select("user_id", "item_id").is_duplicated().any()
    assert all(rows.is_empty() for rows in made.broken.values())
    assert np.isfinite(made.lists["score"].to_numpy()).all()


def test_who_consumed_or_dismissed_everything_is_shown_nothing_again(made: EdgeLists):
    for name in ("everything_consumed", "everything_dismissed"):
        assert their(made.lists, name).is_empty()
        assert their(made.short_lists, name)["eligible_count"].to_list() == [0]


def test_what_they_did_decides_what_they_get(made: EdgeLists):
    lists = {name: their(made.lists, name)["item_id"].to_list() for name in ("no_history", "one_event", "one_category")}
    assert len({tuple(items) for items in lists.values()}) == 3
    offered = dict(made.offered.iter_rows())
    assert offered[f"{PREFIX}one_category"] > 0
    popular = their(made.popular, "no_history")["item_id"].to_list()
    assert len(popular) == made.k


def test_nothing_of_them_is_kept(made: EdgeLists, built: Built):
    for name in built.platform.lake.names():
        files = built.platform.lake.files(name)
        schema = pl.read_parquet_schema(files[0]) if files else {}
        if "user_id" in schema:
            users = pl.scan_parquet(files).select(pl.col("user_id").str.starts_with(PREFIX).any()).collect()
            assert not users.item(), name
    assert made.people.height == len(PEOPLE)
