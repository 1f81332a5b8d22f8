"""`recs ope` on a log whose every number can be worked out: chances, what follows an impression, who has a list."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recs_platform.contracts.columns import ITEM_ID, USER_ID
from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.tables import EventType
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.off_policy import compared
from recs_platform.pipeline.off_policy.compared import compare_lists
from recs_platform.pipeline.off_policy.evaluate import held_against
from recs_platform.pipeline.off_policy.log import REWARD, read_log
from recs_platform.pipeline.off_policy.policies import Policy, policy_lists
from recs_platform.pipeline.platform import Platform
from recs_platform.stages.releases import ReleaseOrigin, ReleaseRows, current_release, seal_release
from recs_platform_tests.homes import Built, CommandLine, copy_home, land_contract, platform_at, take_in
from recs_platform_tests.unit.stages.releases.test_releases import SHORT_SCHEMA, lists

AS_OF = datetime(2024, 1, 10, tzinfo=UTC)
USERS = [f"u{n:03}" for n in range(80)]
ITEMS = "abcd"
ROUNDS = 8
# A list of two for all but the last four users; item e is never shown.
LISTS = {user: "ab" if n % 2 else "bc" for n, user in enumerate(USERS[:-4])}


def event(user: str, item: str, kind: str, at: datetime, **more: Any) -> dict[str, Any]:
    return {"user_id": user, "item_id": item, "event_type": kind, "occurred_at": at.isoformat(), **more}


def shown(user: str, turn: int) -> str:
    """The item the log shows: each of four in a fixed order, so that each comes up equally often."""
    return ITEMS[(int(user[1:]) + turn * 3 + turn // 4) % 4]


def is_clicked(user: str, turn: int) -> bool:
    return (int(user[1:]) * 7 + turn * 5) % {"a": 3, "b": 4, "c": 5, "d": 6}[shown(user, turn)] == 0


def rows() -> list[dict[str, Any]]:
    """History in which a, then b, is the most viewed; then eight requests of one item a user, chances even."""
    made = [event(user, "a", "view", AS_OF - timedelta(days=2)) for user in USERS[::2]]
    made += [event(user, "b", "view", AS_OF - timedelta(days=3)) for user in USERS[::5]]
    for user in USERS:
        for turn in range(ROUNDS):
            at, request = AS_OF + timedelta(hours=3 * turn + 1), f"{user}-{turn}"
            made.append(
                event(user, shown(user, turn), "impression", at, request_id=request, position=1, propensity=0.25)
            )
            if is_clicked(user, turn):
                made.append(event(user, shown(user, turn), "click", at + timedelta(seconds=5), request_id=request))
    return made


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    platform = platform_at(tmp_path_factory.mktemp("ope") / "home")
    land_contract(platform, "events.jsonl", rows())
    take_in(platform)
    seal(platform, AS_OF, "a", LISTS)
    return platform


def seal(platform: Platform, as_of: datetime, digest: str, content: dict[str, str]) -> str:
    return seal_release(
        platform.home,
        ReleaseRows(lists(as_of, content), pl.DataFrame(schema=SHORT_SCHEMA)),
        ReleaseOrigin(as_of=as_of, known_at=datetime.now(UTC), data_version="7", seed=1, ranker_version="v1"),
        content_hash=digest * 16,
        sealed_at=datetime.now(UTC),
    ).version


def ope(recs: CommandLine, platform: Platform, *arguments: str) -> dict[str, Any]:
    code, out, error = recs(platform.home.root, "ope", *arguments, "--json")
    assert code == 0, error
    return json.loads(out)


def by_hand(of: dict[str, str], k: int) -> dict[str, float]:
    """IPS and SNIPS of lists, row by row."""
    weights: list[float] = []
    rewards: list[float] = []
    for user, items in of.items():
        for turn in range(ROUNDS):
            is_listed = shown(user, turn) in items[:k]
            weights.append((1 / len(items[:k])) / 0.25 if is_listed else 0.0)
            rewards.append(float(is_clicked(user, turn)))
    total = sum(w * r for w, r in zip(weights, rewards, strict=True))
    return {"ips": total / len(weights), "snips": total / sum(weights)}


@pytest.mark.parametrize("k", [1, 2])
def test_a_release_is_estimated_as_by_hand(recs: CommandLine, platform: Platform, k: int) -> None:
    found = ope(recs, platform, "--policy", "final", "--as-of", "2024-01-10", "--k", str(k))
    values = {each["estimator"]: each for each in found["estimates"]}
    for name, value in by_hand(LISTS, k).items():
        assert values[name]["value"] == pytest.approx(value)
        assert values[name]["low"] < value < values[name]["high"]
    assert found["verdict"] == "estimable"
    assert found["as_of"] == "2024-01-10"
    assert (found["users"], found["users_without_list"]) == (76, 4)
    assert values["ips"]["n"] == 76 * ROUNDS
    clicks = [float(is_clicked(user, turn)) for user in LISTS for turn in range(ROUNDS)]
    assert found["logged"]["value"] == pytest.approx(sum(clicks) / len(clicks))
    assert (
        ope(recs, platform, "--policy", f"release:{found['release_id']}", "--k", str(k))["estimates"]
        == found["estimates"]
    )


def test_a_source_alone_is_a_policy(recs: CommandLine, built: Built, tmp_path: Path) -> None:
    platform = copy_home(built.platform, tmp_path / "home")
    with platform.model_run(built.as_of, built.known_at, scratch=True) as models:
        users = models.frame("staging.stg_users")[USER_ID].sort().to_list()[:12]
        consumed = set(models.frame("staging.stg_consumed", [USER_ID, ITEM_ID]).iter_rows())
    release = current_release(platform.home)
    for name in ("popularity", "als"):
        lists = policy_lists(platform, Policy(name, release), pl.Series(users), 5)
        assert set(lists[USER_ID]) <= set(users)
        assert lists.group_by(USER_ID).len()["len"].max() == 5
        assert consumed.isdisjoint(lists.iter_rows())
    popular = policy_lists(platform, Policy("popularity", release), pl.Series(users), 1)
    assert len(set(popular[ITEM_ID])) < len(users)
    with pytest.raises(UsageError, match="not enabled"):
        policy_lists(platform, Policy("spectral", release), pl.Series(users), 5)
    # The log ends where the only release begins.
    code, _, error = recs(platform.home.root, "ope", "--policy", "popularity")
    assert code == 1
    assert "no release is older than the log's last impression" in error


def test_the_last_release_before_the_log_ends_is_taken(recs: CommandLine, platform: Platform) -> None:
    seal(platform, AS_OF + timedelta(days=400), "c", LISTS)
    found = ope(recs, platform, "--policy", "final")
    assert found["as_of"].startswith("2024-01-10")


def test_without_overlap_it_says_so_in_words(recs: CommandLine, platform: Platform) -> None:
    release = seal(platform, AS_OF + timedelta(hours=1), "b", dict.fromkeys(USERS, "ea"))
    code, out, _ = recs(platform.home.root, "ope", "--policy", f"release:{release}")
    assert code == 0
    assert "not estimable from this log: 50% of what the policy shows is never shown in the log" in out
    assert "not_estimable" in out


def test_lists_are_not_held_against_what_they_were_made_from(recs: CommandLine, platform: Platform) -> None:
    for arguments, code, text in (
        (
            ("--policy", "final", "--as-of", "2024-01-10", "--from", "2024-01-09"),
            2,
            "--from must be 2024-01-10 or later",
        ),
        (("--policy", "final", "--as-of", "2024-01-10", "--to", "2024-01-10"), 2, "is not after"),
        (("--policy", "final", "--as-of", "2024-01-08"), 1, "no release as of 2024-01-08"),
        (
            ("--policy", "final", "--as-of", "2024-01-10", "--from", "2024-02-01"),
            1,
            "those with one are from 2024-01-10",
        ),
        (("--policy", "popularty"), 2, "popularity"),
        (("--policy", "final", "--metric", "impression"), 2, "no metric 'impression'"),
        (("--policy", "release:no"), 1, "no release 'no'"),
        (("--policy", "release:no", "--as-of", "2024-01-08"), 2, "leave out --as-of"),
    ):
        found, out, error = recs(platform.home.root, "ope", *arguments)
        assert (found, out) == (code, ""), error
        assert error.startswith("recs: ")
        assert error.count("\n") == 1
        assert text in error


def test_a_log_without_propensities_is_refused(recs: CommandLine, tmp_path: Path) -> None:
    platform = platform_at(tmp_path / "home")
    land_contract(platform, "events.jsonl", [event("u", "a", "impression", AS_OF)])
    take_in(platform)
    code, _, error = recs(platform.home.root, "ope", "--policy", "final")
    assert code == 1
    assert "no impression of the log has a propensity" in error


def test_what_answers_an_impression(tmp_path: Path) -> None:
    platform = platform_at(tmp_path / "home", session_gap_minutes=30)

    def at(minutes: float) -> datetime:
        return AS_OF + timedelta(minutes=minutes)

    def seen(item: str, minutes: float, **more: Any) -> dict[str, Any]:
        return event("u", item, "impression", at(minutes), propensity=0.5, **more)

    land_contract(platform, "events.jsonl", [
        # A list of three, of which b is clicked long after; b is logged twice; a click of another request is none.
        seen("a", 0, request_id="r1", position=1), seen("b", 0, request_id="r1", position=2),
        seen("b", 0.1, request_id="r1", position=2), seen("c", 0, request_id="r1", position=3),
        event("u", "b", "click", at(300), request_id="r1"), event("u", "c", "click", at(1), request_id="r9"),
        # An answer without a request counts within half an hour, and not before; one of another type does not.
        seen("d", 10, request_id="r2"), event("u", "d", "click", at(39)), event("u", "d", "click", at(9)),
        seen("e", 10, request_id="r3"), event("u", "e", "click", at(41)), event("u", "e", "view", at(11)),
        # Impressions without a request are requests of their own.
        seen("f", 20), event("u", "f", "click", at(21), request_id="r5"), seen("f", 400),
        # No chance, no row.
        event("u", "g", "impression", at(5), request_id="r6"),
    ])  # fmt: skip
    take_in(platform)
    log = read_log(platform, AS_OF, AS_OF + timedelta(days=1), datetime.now(UTC), EventType.CLICK)
    found = sorted(log.select("item_id", REWARD).iter_rows())
    assert found == [("a", 0.0), ("b", 1.0), ("c", 0.0), ("d", 1.0), ("e", 0.0), ("f", 0.0), ("f", 1.0)]
    assert log["request_id"].n_unique() == 5


def test_the_report_holds_the_release_in_force_against_the_one_before_on_the_log_of_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = platform_at(tmp_path / "home")
    run = AsOfRun(platform, AS_OF + timedelta(days=1), datetime.now(UTC))
    assert [each.why[:19] for each in compare_lists(run)] == ["No release is older"] * 2
    land_contract(platform, "events.jsonl", rows())
    take_in(platform)
    seal(platform, AS_OF - timedelta(days=1), "b", dict.fromkeys(USERS, "cd"))
    seal(platform, AS_OF, "a", LISTS)
    run = AsOfRun(platform, AS_OF + timedelta(days=1), datetime.now(UTC))
    coming, in_force = compare_lists(run)
    # All of the log is of before the as-of: the coming lists were made from it.
    assert coming.of is None
    assert coming.why.startswith("No impression with a propensity is logged from 2024-01-11 on")
    assert in_force.of is not None
    assert in_force.instead is not None
    assert in_force.n_users == len(LISTS)
    values = {each.estimator: each.value for each in in_force.of.estimates}
    for name, value in by_hand(LISTS, 10).items():
        assert values[name] == pytest.approx(value)
    other = {each.estimator: each.value for each in in_force.instead.estimates}
    assert other["ips"] == pytest.approx(by_hand(dict.fromkeys(LISTS, "cd"), 10)["ips"])
    assert in_force.of.release_id != in_force.instead.release_id
    monkeypatch.setattr(compared, "_has_log", lambda *_: True)
    why = compare_lists(AsOfRun(platform, AS_OF + timedelta(days=1, hours=5), datetime.now(UTC)))[0].why
    assert why.startswith("No impression from 2024-01-11T05 to ")


def drawn_world(seed: int) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Lists of three whose last item was drawn among five, another draw of them, and a log.

    The log shows what was drawn first, to each user five times; an item is clicked with a chance of its own.
    """
    rng = np.random.default_rng(seed)
    users = [f"u{n:03}" for n in range(400)]
    clicked = dict(zip("abvwxyz", rng.uniform(0.1, 0.6, 7), strict=True))
    draws = [
        pl.DataFrame(
            [
                (user, item, chance)
                for user in users
                for item, chance in (("a", 1.0), ("b", 1.0), (str(rng.choice(list("vwxyz"))), 0.2))
            ],
            schema=["user_id", "item_id", "propensity"],
            orient="row",
        )
        for _ in range(2)
    ]
    shown = draws[0].join(pl.DataFrame({"turn": range(5)}), how="cross")
    answers = [float(rng.random() < clicked[item]) for item in shown["item_id"]]
    log = shown.select(
        pl.format("{}-{}", "user_id", "turn").alias("request_id"), "user_id", "item_id",
        pl.lit(None, pl.Int64).alias("position"), "propensity", pl.Series(REWARD, answers),
    )  # fmt: skip
    truth = pl.DataFrame({"item_id": list(clicked), "truth": list(clicked.values())})
    return draws[0], draws[1], log.join(truth, on="item_id", maintain_order="left")


@pytest.mark.parametrize("draw", [0, 1])
def test_lists_with_drawn_places_are_estimated_on_their_own_log_and_on_that_of_another_draw(draw: int) -> None:
    covered = 0
    for seed in range(20):
        first, second, log = drawn_world(seed)
        lists = (first, second)[draw]
        truth = lists.join(log.select("item_id", "truth").unique(), on="item_id")["truth"].mean()
        estimates, overlap, logged = held_against(log.drop("truth"), lists, 7)
        assert overlap.verdict == "estimable", overlap.lacks
        ips = next(each for each in estimates if each.estimator == "ips")
        covered += isinstance(truth, float) and ips.low <= truth <= ips.high
        if draw == 0:
            assert ips.value == pytest.approx(logged.value)
    assert covered >= 17
