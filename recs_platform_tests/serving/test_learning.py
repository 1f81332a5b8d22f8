"""What the stream teaches is bounded, fades, goes with the release, and moves lists only as far as it may."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from recs_platform.contracts.home import Home
from recs_platform.serving import learning
from recs_platform.serving.folding import fold_in
from recs_platform.serving.learning import Influence, Learned, Trending
from recs_platform.serving.rescoring import Lessons, rescore
from recs_platform.stages.releases.bundle import Bundle, open_bundle
from recs_platform_tests.serving.served import Ask, Served, item_ids, release_into
from recs_platform_tests.unit.stages.releases.bundles import content, seal

LIST = "/v1/users/{}/recommendations"
HOUR = 3600.0


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    home = Home(tmp_path_factory.mktemp("bundle"))
    return open_bundle(home, seal(home, content()).parameters["release_id"])


def shares(learned: Learned, bundle: Bundle) -> dict[str, float]:
    found = learned.trending(bundle)
    return {bundle.item_ids[item]: share for item, share in zip(found.items, found.shares, strict=True)}


def test_popularity_halves_with_time_and_a_user_counts_once_an_item(bundle: Bundle) -> None:
    learned = Learned(lambda: 0.0, half_life_seconds=HOUR)
    learned.add("u1", "a", 0.0)
    for user in ("u1", "u2"):
        learned.add(user, "b", 2 * HOUR)
    for at in range(5):
        learned.add("u1", "b", 2 * HOUR + at)
    assert shares(learned, bundle) == pytest.approx({"a": 1 / 4 / 2, "b": 1.0})
    assert learned.chosen("u1") == ["b", "a"]


def test_years_of_half_lives_do_not_overflow_and_late_events_count_little(bundle: Bundle) -> None:
    learned = Learned(lambda: 0.0, half_life_seconds=1.0)
    for at, item in ((0.0, "a"), (1e6, "b"), (2e6, "c"), (1e6, "d")):
        learned.add("u1", item, at)
    found = shares(learned, bundle)
    assert (found["c"], found["a"], found["d"]) == (1.0, 0.0, pytest.approx(0.0))


def test_a_forgotten_user_takes_their_part_along(bundle: Bundle) -> None:
    learned = Learned(lambda: 0.0, half_life_seconds=HOUR)
    for user, items in (("u1", "abc"), ("u2", "a")):
        for item in items:
            learned.add(user, item, HOUR)
    learned.forget("u1")
    assert (shares(learned, bundle), learned.chosen("u1"), len(learned)) == ({"a": 1.0}, [], 1)


def test_what_a_user_chose_again_later_is_taken_along_as_it_was_counted(bundle: Bundle) -> None:
    learned = Learned(lambda: 0.0, half_life_seconds=HOUR)
    for user in ("u1", "u2"):
        learned.add(user, "a", 0.0)
    learned.add("u2", "b", 0.0)
    learned.add("u1", "a", 2 * HOUR)
    learned.forget("u1")
    assert shares(learned, bundle) == {"a": 1.0, "b": 1.0}


def test_what_was_chosen_or_dismissed_does_not_come_back_by_learning(tmp_path: Path) -> None:
    served = Served(tmp_path, learning=True)

    async def test(ask: Ask) -> None:
        for item, kind in (("b", "click"), ("d", "click"), ("d", "dismiss")):
            event = {"user_id": "u2", "item_id": item, "event_type": kind}
            assert (await ask("POST", "/v1/events", json=event)).status_code == 202
        assert served.application.serving.learned is not None
        assert served.application.serving.learned.chosen("u2") == ["b"]
        served.clock.now += 31 * 60  # the session is over
        assert "b" not in item_ids(await ask("GET", LIST.format("u2"), params={"k": 5}))

    served.run(test)


def test_it_is_bounded(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("_USERS_MAX", 3), ("_CHOICES_MAX", 2), ("_ITEMS_MAX", 4)):
        monkeypatch.setattr(learning, name, value)
    learned = Learned(lambda: 0.0)
    for n in range(10):
        for item in "abcde":
            learned.add(f"u{n}", item, 0.0)
    assert (len(learned), learned.chosen("u9"), learned.chosen("u0")) == (3, ["e", "d"], [])
    assert len(shares(learned, bundle)) <= 4


def test_another_release_begins_anew_from_its_own_as_of(bundle: Bundle) -> None:
    learned = Learned(lambda: 0.0)
    learned.follow("one", 0.0)
    for item, at in (("a", 10.0), ("b", 30.0)):
        learned.add("u1", item, at)
    learned.follow("one", 0.0)
    assert learned.chosen("u1") == ["b", "a"]
    learned.follow("two", 20.0)
    assert (learned.chosen("u1"), shares(learned, bundle)) == (["b"], {"b": 1.0})
    learned.add("u1", "a", 19.0)  # the release may know it
    assert learned.chosen("u1") == ["b"]


def test_no_stream_moves_a_score_by_more_than_its_share(bundle: Bundle) -> None:
    rng, base = np.random.default_rng(7), np.array([0, 1, 3], dtype=np.int32)
    for _ in range(20):
        items = np.sort(rng.choice(5, size=3, replace=False)).astype(np.int32)
        share = Influence(*(rng.random(2) / 2))
        lessons = Lessons(rng.normal(size=5) * 1e6, Trending(items, rng.random(3)), share)
        for session in ([], [2, 4]):
            plain, moved = rescore(bundle, base, session, 0.6), rescore(bundle, base, session, 0.6, lessons)
            before = dict(zip(plain.items.tolist(), plain.scores.tolist(), strict=True))
            left = 1 - share.factors - share.popularity
            for item, score, part in zip(moved.items, moved.scores, moved.from_learning, strict=True):
                assert score - part == pytest.approx(left * before.get(int(item), 0.0))
                assert 0 <= part <= share.factors + share.popularity


def test_folded_in_is_near_what_was_chosen_and_nothing_without() -> None:
    vectors = np.eye(3, dtype=np.float32)
    mean = np.eye(3) / 3
    found = fold_in(vectors, mean, np.array([1], dtype=np.int32), np.ones(1))
    assert found.argmax() == 1
    assert found[[0, 2]].tolist() == [0.0, 0.0]
    assert not fold_in(vectors, mean, np.zeros(0, dtype=np.int32), np.zeros(0)).any()


def test_lists_follow_the_stream_until_the_next_release_and_of_nobody_who_opted_out(tmp_path: Path) -> None:
    served = Served(tmp_path, learning=True)

    async def choose(ask: Ask, user: str, item: str) -> None:
        event = {"user_id": user, "item_id": item, "event_type": "click"}
        assert (await ask("POST", "/v1/events", json=event)).status_code == 202
        served.clock.now += 31 * 60  # sessions are over, and what is trending is looked at again

    async def test(ask: Ask) -> None:
        await choose(ask, "gone", "e")
        assert item_ids(await ask("GET", LIST.format("new"), params={"k": 5})) == "abcde"
        for n in range(3):
            await choose(ask, f"other{n}", "e")
        stranger = (await ask("GET", LIST.format("new"), params={"k": 5})).json()["items"]
        # e is last of five popular ones: (1 - 0.4) * 0.2 + 0.2 = 0.32 is more than d's (1 - 0.4) * 0.4 = 0.24.
        assert [item["item_id"] for item in stranger] == list("abced")
        assert (stranger[3]["score"], stranger[3]["reason"]) == (
            pytest.approx(0.32),
            "often chosen since the last release",
        )
        assert item_ids(await ask("GET", LIST.format("u2"))) == "bc"  # did nothing: as released
        assert item_ids(await ask("GET", LIST.format("gone"), params={"k": 5})) == "abcde"
        await choose(ask, "u2", "b")
        mine = (await ask("GET", LIST.format("u2"), params={"explain": "true"})).json()["items"]
        parts = mine[0]["explanation"]["session"]
        assert sum(parts[name] for name in ("from_place", "from_session", "from_learning")) == pytest.approx(
            mine[0]["score"]
        )
        release_into(served.home, content(), "b", datetime.now(UTC) + timedelta(days=1))
        served.application.watch.look()
        served.application._begin_anew()
        assert item_ids(await ask("GET", LIST.format("new"), params={"k": 5})) == "abcde"

    served.run(test)


def test_nothing_is_learned_where_it_is_off(tmp_path: Path) -> None:
    assert Served(tmp_path, learning=False).application.serving.learned is None
