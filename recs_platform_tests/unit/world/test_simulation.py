"""A world is its config: size, seed, arrivals, and a taste that others' behaviour gives away."""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from recs_platform.world import Truth, World, WorldConfig, simulate
from recs_platform.world.config import DAY_MS
from recs_platform.world.feedback import ACTIONS
from recs_platform_tests.worlds import TINY


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "config", [TINY, WorldConfig(users=20, items=40, days=7, events=1_000), WorldConfig(events=30_000, click_rate=0.05)]
)
def test_the_number_of_events_is_within_five_percent(config: WorldConfig, seed: int) -> None:
    world = simulate(config.model_copy(update={"seed": seed}))
    assert abs(world.events.height / config.events - 1) <= 0.05
    assert sum(world.file_rows) == world.events.height


def test_the_same_seed_gives_the_same_world_and_another_seed_another() -> None:
    first, again, other = simulate(TINY), simulate(TINY), simulate(TINY.model_copy(update={"seed": 8}))
    for table in ("events", "items", "users"):
        assert_frame_equal(getattr(first, table), getattr(again, table))
    assert set(first.events["uid"].drop_nulls()).isdisjoint(other.events["uid"])
    assert set(first.events["eid"]).isdisjoint(other.events["eid"])


def test_broken_and_repeated_rows_are_as_many_as_the_truth_says(world: World, truth: Truth) -> None:
    assert set(truth.broken_rows.values()) <= {7, 8}
    assert sum(truth.broken_rows.values()) == pytest.approx(0.001 * world.events.height, rel=0.05)
    assert world.events.height - world.events["eid"].n_unique() == truth.duplicate_rows > 0
    assert world.events.height - world.events.unique().height == truth.duplicate_rows


def test_new_users_and_items_arrive_in_every_week(truth: Truth) -> None:
    for instants in (truth.population.signed_up_ms, truth.catalogue.published_ms):
        week = (instants - truth.config.start_ms) // (7 * DAY_MS)
        assert set(range(4)) <= set(week.tolist())
        assert (week < 0).mean() > 0.5


def test_nobody_acts_before_signing_up_and_the_brand_new_not_at_all(world: World, truth: Truth) -> None:
    visit = truth.shown.visit
    assert (truth.visits.start_ms >= truth.population.signed_up_ms[truth.visits.user])[visit].all()
    assert len(truth.brand_new_users) == 3
    assert truth.brand_new_users.isdisjoint(world.events["uid"].drop_nulls())
    joined = world.users.filter(pl.col("uid").is_in(truth.brand_new_users))["joined_ms"]
    assert joined.is_between(truth.config.end_ms - DAY_MS, truth.config.end_ms, closed="left").all()


def test_a_tenth_of_users_attributes_is_unknown(world: World) -> None:
    profile = world.users["profile"].struct.unnest()
    for column in ("age", "sex", "plan"):
        assert 0.04 < profile[column].is_null().mean() < 0.16
    assert world.users["consent"].struct.field("personalization").mean() > 0.85


def test_visits_follow_the_hour_and_the_weekday(truth: Truth) -> None:
    hour = (truth.shown.shown_ms // 3_600_000) % 24
    assert (hour == 20).sum() > 3 * (hour == 3).sum()  # a group of users is awake at night
    weekday = (truth.shown.shown_ms // DAY_MS + 3) % 7  # 1970-01-01 was a Thursday
    assert (weekday >= 5).sum() / 2 > 1.15 * (weekday < 5).sum() / 5


def test_words_tell_the_category(world: World) -> None:
    bodies = world.items.select("topic", pl.col("text").struct.field("body"))
    dough = bodies.group_by("topic").agg(pl.col("body").str.count_matches(r"\bdough\b").mean())
    assert dough.sort("body")["topic"][-1] == "cooking"


def test_others_behaviour_predicts_clicks_better_than_popularity(truth: Truth) -> None:
    """Neighbours by shrunken cosine on three weeks, recall of first clicks in the fourth."""
    is_open = truth.actions.action == ACTIONS.index("open")
    impression, at_ms = truth.actions.impression[is_open], truth.actions.at_ms[is_open]
    user, item = truth.visits.user[truth.shown.visit[impression]], truth.shown.item[impression]
    is_past = at_ms < truth.config.start_ms + 21 * DAY_MS
    past, future = (np.zeros((truth.config.users, truth.config.items)) for _ in range(2))
    past[user[is_past], item[is_past]] = 1
    future[user[~is_past], item[~is_past]] = 1
    future *= (1 - past) * (past.sum(axis=0) > 0)
    together = past.T @ past
    norms = np.sqrt(np.diag(together))
    likeness = together / (np.outer(norms, norms) + 5)
    np.fill_diagonal(likeness, 0)
    users = np.flatnonzero((future.sum(axis=1) > 0) & (past.sum(axis=1) > 0))

    def recall(scores: np.ndarray) -> float:
        best = np.argsort(-np.where(past[users] > 0, -np.inf, scores), axis=1)[:, :10]
        hits = np.take_along_axis(future[users], best, axis=1).sum(axis=1)
        return float((hits / future[users].sum(axis=1)).mean())

    popularity = np.tile(past.sum(axis=0), (len(users), 1))
    assert recall(past[users] @ likeness) > 1.3 * recall(popularity)


def test_an_impossible_world_is_refused() -> None:
    with pytest.raises(ValueError, match="must be at most 1"):
        WorldConfig(random_share=0.6, popular_share=0.6)
    with pytest.raises(ValueError, match="held by day and item"):
        WorldConfig(items=200_000, days=700)
