"""Experiments while serving: a user is in one variant and shown its list, and what was shown says under which."""

import json
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.experiments import ExperimentSettings, explored_draft, require_apart
from recs_platform.evaluation.experiments.assignment import Experiment
from recs_platform.serving.server import build
from recs_platform.serving.tombstones import UserHashes
from recs_platform.serving.treatments import explore, vary
from recs_platform.settings import Settings, read_settings
from recs_platform.stages.releases.bundle.places import Place
from recs_platform_tests.serving.served import Ask, Served, item_ids, release_into
from recs_platform_tests.unit.stages.releases.bundles import AS_OF, content

LIST = "/v1/users/{}/recommendations"
TODAY = date(2026, 1, 5)


def halves(salt: str = "s", **treated: Any) -> dict[str, Any]:
    """An experiment that gives half of the users `treated`."""
    return {"salt": salt, "variants": {"control": {"weight": 0.5}, "b": {"weight": 0.5, **treated}}}


def salts(**variants: str) -> str:
    """A salt under which these users are in these variants."""
    for n in range(1000):
        x = Experiment.of("x", ExperimentSettings.model_validate(halves(f"s{n}")))
        if all(x.variant_of(user) == variant for user, variant in variants.items()):
            return f"s{n}"
    raise AssertionError("no such salt")


def places(letters: str) -> list[Place]:
    return [Place(ord(letter) - ord("a"), 1.0, "", ()) for letter in letters]


def shown(rows: list[Place]) -> str:
    return "".join(chr(ord("a") + row.item) for row in rows)


def test_a_variant_is_answered_served_and_recorded_with_what_was_shown(tmp_path: Path) -> None:
    salt = salts(u1="b", u2="control")
    served = Served(tmp_path, experiments={"x": halves(salt, popularity=True)})

    async def test(ask: Ask) -> None:
        treated = await ask("GET", LIST.format("u1"))
        assert (item_ids(treated), treated.json()["variant"]) == ("ab", "x=b")
        assert [item["sources"] for item in treated.json()["items"]] == [["fallback"], ["fallback"]]
        control = await ask("GET", LIST.format("u2"))
        assert (item_ids(control), control.json()["variant"]) == ("bc", "x=control")
        for user, answer in (("u1", treated), ("u2", control)):
            event = {"user_id": user, "event_type": "impression", "request_id": answer.json()["recommendation_id"]}
            assert (await ask("POST", "/v1/events", json=event)).status_code == 202
            assert (await ask("POST", "/v1/events", json=event)).status_code == 200
        text = (await ask("GET", "/metrics")).text
        assert 'recs_variant_list_seconds_count{experiment="x",variant="b"} 1\n' in text
        assert 'recs_variant_failures_total{experiment="x",variant="control"} 0\n' in text
        page = await ask("GET", LIST.format("u1"), params={"cursor": treated.json()["next_cursor"]})
        assert (page.json()["variant"], item_ids(page)) == ("x=b", "de")

    served.run(test)
    events = [json.loads(line) for line in served.landed().splitlines()]
    assert Counter(event["request_id"].partition("~")[2] for event in events) == {"x=b": 2, "x=control": 2}
    assert {(event["item_id"], event["position"], event["propensity"]) for event in events} == {
        ("a", 1, 1.0), ("b", 2, 1.0), ("b", 1, 1.0), ("c", 2, 1.0),
    }  # fmt: skip


def test_users_who_opted_out_or_were_forgotten_and_days_outside_take_part_in_nothing(tmp_path: Path) -> None:
    past = halves() | {"layer": "past", "ends_on": (datetime.now(UTC) - timedelta(days=1)).date()}
    served = Served(tmp_path, experiments={"x": halves(), "past": past})

    async def test(ask: Ask) -> None:
        answers = [(await ask("GET", LIST.format(user))).json() for user in ("gone", "u1")]
        assert [answer["variant"].partition("=")[0] for answer in answers] == ["default", "x"]
        assert "~" not in answers[0]["recommendation_id"]
        await ask("DELETE", "/v1/users/u1")
        assert (await ask("GET", LIST.format("u1"))).json()["variant"] == "default"

    served.run(test)


def test_a_variant_answers_from_its_release_and_is_suspended_for_all_where_that_cannot_be_opened(
    tmp_path: Path,
) -> None:
    salt = salts(u1="b", u2="control")
    old = Served(tmp_path).release_id
    served = Served(tmp_path, experiments={"x": halves(salt, release=old)})
    newer = release_into(served.home, content({"u1": "de", "u2": "de"}), "b", AS_OF + timedelta(days=1))

    async def test(ask: Ask) -> None:
        answers = [(await ask("GET", LIST.format(user))).json() for user in ("u1", "u2")]
        assert [(answer["release_id"], answer["variant"]) for answer in answers] == [(old, "x=b"), (newer, "x=control")]
        for folder in (served.home.artifacts / "serving").glob(f"{old}-*"):
            folder.rename(tmp_path / folder.name)
        served.application.variants.look(TODAY)
        answers = [(await ask("GET", LIST.format(user))).json() for user in ("u1", "u2")]
        assert [(answer["release_id"], answer["variant"]) for answer in answers] == [(newer, "default")] * 2
        state = await ask("GET", "/readyz")
        assert state.status_code == 200
        assert list(state.json()["suspended_experiments"]) == ["x"]

    served.run(test)


def test_an_unknown_release_is_refused_when_the_server_starts(tmp_path: Path) -> None:
    Served(tmp_path)
    settings = Settings(home=tmp_path, experiments={"x": halves(release="2020-01-01-abc")})
    with pytest.raises(UsageError, match=r"recs\.toml: experiments\.x\.variants\.b\.release = '2020-01-01-abc': .*"):
        build(settings, "127.0.0.1", str, UserHashes(str, tuple))


def test_settings_of_reranking_reach_the_list(tmp_path: Path) -> None:
    rules = {"varied": halves("s", diversity=1.0), "capped": halves("s", max_per_category=1)}
    for name, experiment in rules.items():
        home = tmp_path / name
        made = content({"u1": "abc"})
        items = made.items.with_columns(pl.Series("category", ["x", "x", "x", "y", "x"]))
        given = experiment | {"salt": salts(u1="b")}
        served = Served(home, made=replace(made, items=items), experiments={"x": given})

        async def test(ask: Ask, name: str = name) -> None:
            answer = await ask("GET", LIST.format("u1"))
            assert item_ids(answer) == "ad", name

        served.run(test)


def test_variety_is_chosen_as_by_the_rule_of_batch() -> None:
    categories = [0, 0, 0, 1, -1]
    assert shown(list(vary(iter(places("abcde")), categories, 0.0, 3))) == "abcde"
    assert shown(list(vary(iter(places("abcde")), categories, 0.8, 3))) == "adebc"
    assert shown(list(vary(iter(places("a")), categories, 0.8, 3))) == "a"


def test_exploration_shows_each_item_as_often_as_its_propensity_says() -> None:
    firsts = [next(explore(iter(places("abcd")), 0.4, str(seed))) for seed in range(4000)]
    counts = Counter(shown([row]) for row in firsts)
    assert {shown([row]): row.propensity for row in firsts} == pytest.approx({"a": 0.7, "b": 0.1, "c": 0.1, "d": 0.1})
    assert counts["a"] / 4000 == pytest.approx(0.7, abs=0.03)
    assert [counts[letter] / 4000 for letter in "bcd"] == pytest.approx([0.1] * 3, abs=0.02)
    one, two = (shown(list(explore(iter(places("abcd")), 0.9, "7"))) for _ in range(2))
    assert one == two
    assert sorted(one) == list("abcd")


def test_two_variants_draft_a_list_and_what_is_shown_and_chosen_is_of_its_team(tmp_path: Path) -> None:
    experiment = halves(popularity=True) | {"kind": "interleaving"}
    served = Served(tmp_path, experiments={"x": experiment})
    teams = Counter[str]()

    async def test(ask: Ask) -> None:
        for n in range(30):
            answer = (await ask("GET", LIST.format("u2"), params={"k": 4})).json()
            assert (answer["variant"], answer["recommendation_id"].partition("~")[2]) == ("x=interleaved",) * 2
            assert len({item["item_id"] for item in answer["items"]}) == 4
            assert {item["item_id"] for item in answer["items"][:2]} < set("abc")  # control: bc.., popular: ab..
            seen = {"user_id": "u2", "event_type": "impression", "request_id": answer["recommendation_id"]}
            assert (await ask("POST", "/v1/events", json=seen)).status_code == 202
            chosen = seen | {"event_type": "click", "item_id": answer["items"][0]["item_id"], "event_id": f"c{n}"}
            if n == 29:  # the last thing that happens: it would move the lists after it
                assert (await ask("POST", "/v1/events", json=chosen)).status_code == 202

    served.run(test)
    rows = [json.loads(line) for line in served.landed().splitlines()]
    shown = [row for row in rows if row["event_type"] == "impression"]
    for row in shown:
        teams[row["request_id"].partition("~x=")[2]] += 1
    # Four picks of two teams a list: as many of each, whoever began.
    assert teams == {"control": 60, "b": 60}
    firsts = Counter(row["request_id"].partition("~x=")[2] for row in shown if row["position"] == 1)
    assert min(firsts["control"], firsts["b"]) >= 4
    (click,) = (row for row in rows if row["event_type"] == "click")
    same = [row for row in shown if row["request_id"] == click["request_id"] and row["item_id"] == click["item_id"]]
    assert len(same) == 1


def test_two_releases_draft_what_both_may_show(tmp_path: Path) -> None:
    old = Served(tmp_path).release_id
    experiment = {
        "kind": "interleaving",
        "variants": {"control": {"weight": 0.5, "release": old}, "b": {"weight": 0.5}},
    }
    served = Served(tmp_path, experiments={"x": experiment})
    newer = content({"u2": "fe"}, consumed={}, items=("a", "b", "c", "d", "e", "f"))
    release_into(served.home, newer, "b", AS_OF + timedelta(days=1))

    async def test(ask: Ask) -> None:
        answer = await ask("GET", LIST.format("u2"), params={"k": 6})
        assert sorted(item_ids(answer)) == list("abcde")
        assert {*item_ids(answer)[:2]} == {"b", "e"}  # the best of each that the other knows

    served.run(test)


@pytest.mark.parametrize(
    "wrong",
    [
        {"control": {"weight": 0.4}, "b": {"weight": 0.6}},
        {"control": {"weight": 0.4}, "b": {"weight": 0.3}, "c": {"weight": 0.3}},
        {"control": {"weight": 0.5}, "interleaved": {"weight": 0.5}},
    ],
)
def test_an_interleaving_is_of_two_even_variants(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"two variants of weight 0\.5|no variant may be called"):
        ExperimentSettings.model_validate({"kind": "interleaving", "variants": wrong})


def test_drafted_lists_are_not_explored() -> None:
    drafts = {"kind": "interleaving", "variants": {"control": {"weight": 0.5}, "b": {"weight": 0.5}}}
    own = {"control": {"weight": 0.5}, "b": {"weight": 0.5, "exploration": 0.1}}
    with pytest.raises(ValueError, match="does not explore"):
        ExperimentSettings.model_validate(drafts | {"variants": own})
    one = ExperimentSettings.model_validate(drafts)
    other = ExperimentSettings.model_validate(halves(exploration=0.1) | {"layer": "other"})
    with pytest.raises(ValueError, match="chance of a place is not known"):
        require_apart({"one": one, "other": other})
    require_apart(
        {
            "one": one.model_copy(update={"coverage": 0.5}),
            "other": other.model_copy(update={"layer": "default", "start": 0.5, "coverage": 0.5}),
        }
    )


def test_lists_that_batch_explores_are_not_drafted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drafts = {"kind": "interleaving", "variants": {"control": {"weight": 0.5}, "b": {"weight": 0.5}}}
    monkeypatch.setenv("RECS_HOME", str(tmp_path))
    text = """[exploration]
slots = 2
[experiments.order]
kind = "interleaving"
variants = { control = { weight = 0.5 }, b = { weight = 0.5, diversity = 0.3 } }
"""
    (tmp_path / "recs.toml").write_text(text)
    with pytest.raises(UsageError, match=r"recs\.toml:4: experiments\.order\.kind: .*2 places by chance"):
        read_settings()
    (tmp_path / "recs.toml").write_text(text.replace("slots = 2", "slots = 0"))
    assert read_settings().experiments["order"].kind == "interleaving"
    over = {"order": ExperimentSettings.model_validate(drafts | {"ends_on": "2024-03-01"})}
    assert explored_draft(over, 2) is None
    assert explored_draft(over, 2, date(2024, 3, 2)) is None
    assert explored_draft(over, 2, date(2024, 3, 1)) is not None
    for ends, is_refused in (("2024-03-01", False), ("2999-01-01", True)):
        settings = Settings(home=tmp_path, exploration={"slots": 2}, experiments={"order": drafts | {"ends_on": ends}})
        with pytest.raises(UsageError, match=r"experiments\.order\.kind") if is_refused else nullcontext():
            build(settings, "127.0.0.1", str, UserHashes(str, tuple))
