"""What happens later changes nothing known before; the same input gives the same lists, whatever the threads."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recs_platform.contracts.errors import NotReady
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.training.splits import global_splits
from recs_platform.pipeline.training.windows import build_window
from recs_platform.stages.ranking.outcomes import COLUMNS as OUTCOMES
from recs_platform_tests.homes import (
    LEARNED,
    Built,
    as_of_tables,
    ask,
    copy_home,
    execute,
    failures,
    hashes,
    land_contract,
    make_lists,
    platform_at,
    take_in,
)
from recs_platform_tests.worlds import TINY, tiny_world

MADE = (
    "features.user_features", "features.item_features", "features.candidate_features", "segments.user_segments",
    "segments.segment_profiles", "retrieval.candidates", "retrieval.item_neighbours", "ranking.ranked",
    "recommendations.lists",
)  # fmt: skip


def _event(user: str, item: str, at: datetime, **more: Any) -> dict[str, Any]:
    return {"user_id": user, "item_id": item, "event_type": "purchase", "occurred_at": at.isoformat(), **more}


def _pairs(built: Built, n: int) -> list[tuple[str, str]]:
    """Users with consent and items with no event between them, a different item each."""
    return ask(
        built.platform,
        "with u as (select user_id, row_number() over (order by user_id) as n from raw.events "
        "anti join (from raw.users where not consent_personalization) using (user_id) group by 1), "
        "i as (select item_id, row_number() over (order by item_id) as n from raw.items) "
        "select u.user_id, min(i.item_id) as item_id from u join i on i.n % 20 = u.n % 20 "
        "where not exists (from raw.events e where e.user_id = u.user_id and e.item_id = i.item_id) "
        f"group by 1 order by 1 limit {n}",
    ).rows()


@pytest.mark.trial
def test_neither_later_events_nor_a_second_thread_change_anything_of_an_as_of(built: Built, tmp_path: Path) -> None:
    """Everything is made from scratch with events on and after the as-of, known ones too, in the same landing."""
    expected = hashes(built.platform, built.as_of, built.known_at, MADE)
    platform = platform_at(tmp_path / "home", threads=2)
    tiny_world(platform.home.landing / "world")
    pairs = _pairs(built, 30)
    land_contract(
        platform,
        "events.jsonl",
        [_event(user, item, built.as_of + timedelta(hours=n)) for n, (user, item) in enumerate(pairs)]
        + [_event("someone-new", pairs[0][1], built.as_of), _event(pairs[0][0], "something-new", built.as_of)],
    )
    take_in(platform)
    make_lists(platform, built.as_of)
    assert hashes(platform, built.as_of, datetime.now(UTC), MADE) == expected


@pytest.mark.trial
def test_events_that_arrive_late_change_nothing_of_what_was_known(built: Built, tmp_path: Path) -> None:
    """A rebuild with the recorded known_at, everything learned again, is the same; with today's it is not."""
    expected = hashes(built.platform, built.as_of, built.known_at, MADE)
    platform = copy_home(built.platform, tmp_path / "home", without=LEARNED)
    before = built.as_of - timedelta(days=3)
    land_contract(platform, "events.jsonl", [_event(user, item, before) for user, item in _pairs(built, 30)])
    land_contract(platform, "users.jsonl", [{"user_id": "late", "signed_up_at": "2024-01-02T00:00:00Z"}])
    take_in(platform)
    make_lists(platform, built.as_of, built.known_at)
    assert hashes(platform, built.as_of, built.known_at, MADE) == expected
    with platform.model_run(built.as_of, datetime.now(UTC), scratch=True) as run:
        now = run.frame("features.user_features")
    with platform.model_run(built.as_of, built.known_at) as run:
        then = run.frame("features.user_features")
    assert now.height == then.height + 1
    assert now["interaction_count"].sum() == then["interaction_count"].sum() + 30


def test_a_pair_seen_only_in_the_label_window_changes_no_feature_at_its_cutoff(built: Built, tmp_path: Path) -> None:
    cutoff = built.as_of - timedelta(days=5)
    (split,) = global_splits([cutoff], built.as_of - cutoff)
    before = build_window(AsOfRun(built.platform, built.as_of, built.known_at), split).rows
    platform = copy_home(built.platform, tmp_path / "home")
    served = before.select("user_id", "item_id", "label").filter(pl.col("label") == 0)
    pairs = served.group_by("user_id").agg(pl.col("item_id").min()).sort("user_id").rows()
    land_contract(platform, "events.jsonl", [_event(user, item, cutoff + timedelta(hours=1)) for user, item in pairs])
    take_in(platform)
    after = build_window(AsOfRun(platform, built.as_of, datetime.now(UTC)), split).rows
    key = ["user_id", "item_id"]
    features = pl.exclude("label", *OUTCOMES)
    assert after.select(features).sort(key).equals(before.select(features).sort(key))
    assert after["label"].sum() == before["label"].sum() + len(pairs)


def test_an_as_of_before_the_first_event_writes_nothing_wherever_it_is_started(
    taken_in: Platform, tmp_path: Path
) -> None:
    platform = copy_home(taken_in, tmp_path / "home")
    result = execute(platform, "build", key="1990-01-01")
    assert not result.success
    assert "1990-01-01" in failures(result)
    assert as_of_tables(platform) == {}


def test_an_artifact_nobody_built_is_named_with_what_to_run(taken_in: Platform) -> None:
    from recs_platform.pipeline.questions.explain import explain_pair

    with pytest.raises(NotReady, match="recs run"):
        explain_pair(taken_in, "u", "i")


def test_the_world_ends_where_the_tests_say(built: Built) -> None:
    assert built.as_of == TINY.start + timedelta(days=TINY.days)
    last = ask(built.platform, "select max(occurred_at) as last from raw.events")["last"].item()
    assert built.as_of - timedelta(days=1) <= last < built.as_of
