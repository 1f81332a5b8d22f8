"""An explanation says what the release holds and what the list was made of, and adds up to the score."""

import json
from dataclasses import replace
from pathlib import Path

import httpx
import polars as pl
import pytest

from recs_platform.serving.explaining import Trace
from recs_platform.stages.releases.bundle.places import Place
from recs_platform_tests.serving.served import Ask, Served
from recs_platform_tests.unit.stages.releases.bundles import content

LIST = "/v1/users/u1/recommendations"


def reasons_of(answer: httpx.Response) -> dict[str, dict]:
    """Explanations by item."""
    return {item["item_id"]: item["explanation"] for item in answer.json()["items"]}


def test_stored_ranks_are_told_where_they_are_known_and_asked_for(tmp_path: Path):
    made = content({"u1": "ab", "gone": "cd"})
    swapped = pl.col("rank").replace_strict({1: 2, 2: 1}, default=pl.col("rank")).cast(pl.Int32)
    ranked = made.ranked.with_columns(swapped.alias("rank"))

    async def test(ask: Ask) -> None:
        assert "explanation" not in (await ask("GET", LIST)).text
        answer = await ask("GET", LIST, params={"explain": "true"})
        found = reasons_of(answer)
        assert found["a"] == {
            "offered_by": ["als"], "candidate_rank": 2, "candidate_score": 1.0, "released_rank": 1,
            "released_propensity": 1.0, "session": None, "moves": [], "is_drawn": False,
        }  # fmt: skip
        assert (found["b"]["candidate_rank"], found["b"]["released_rank"]) == (1, 2)
        rest = await ask("GET", LIST, params={"cursor": answer.json()["next_cursor"]})
        assert {item: (each["candidate_rank"], each["released_rank"]) for item, each in reasons_of(rest).items()} == {
            "d": (3, None), "e": (4, None),
        }  # fmt: skip
        for user in ("gone", "stranger"):
            answer = await ask("GET", f"/v1/users/{user}/recommendations", params={"explain": "true"})
            assert {json.dumps(each) for each in reasons_of(answer).values()} == {
                json.dumps({
                    "offered_by": [], "candidate_rank": None, "candidate_score": None, "released_rank": None,
                    "released_propensity": None, "session": None, "moves": [], "is_drawn": False,
                })
            }  # fmt: skip
        document = (await ask("GET", "/openapi.json")).text
        assert all(name in document for name in ("Explanation", "SessionShare", "because_of", "from_rank"))

    Served(tmp_path, replace(made, ranked=ranked)).run(test)


def test_what_the_session_added_and_what_the_place_gave_are_the_score(tmp_path: Path):
    async def test(ask: Ask) -> None:
        await ask("POST", "/v1/events", json={"user_id": "u1", "item_id": "a", "event_type": "click"})
        answer = await ask("GET", LIST, params={"explain": "true", "k": 3})
        for item in answer.json()["items"]:
            share = item["explanation"]["session"]
            assert share["from_place"] + share["from_session"] == pytest.approx(item["score"])
            assert share["because_of"] == "a"
        # b is second of the candidates a, b, d, e; the weight of the session is 0.8, and all neighbours of a are alike.
        assert reasons_of(answer)["b"]["session"]["from_place"] == pytest.approx(0.2 * (1 - 1 / 4))

    Served(tmp_path).run(test)


def test_steps_that_moved_an_item_are_named_and_what_chance_drew_is_said(tmp_path: Path):
    both = {name: {"weight": 0.5, "exploration": 1.0} for name in ("control", "b")}

    async def test(ask: Ask) -> None:
        answer = await ask("GET", LIST, params={"explain": "true", "k": 4})
        assert all(each["is_drawn"] for each in reasons_of(answer).values())
        for rank, each in enumerate(reasons_of(answer).values(), 1):
            assert all((move["step"], move["to_rank"]) == ("exploration", rank) for move in each["moves"])

    Served(tmp_path, experiments={"x": {"variants": both}}).run(test)
    trace = Trace(None)
    for step, items in (("offered", (7, 8, 9)), ("diversity", (7, 9, 8)), ("exploration", (9, 7, 8))):
        list(trace.noted(step, (Place(item, 1.0, "", ()) for item in items)))
    moves = {item: [(each.step, each.from_rank, each.to_rank) for each in trace.moves_of(item)] for item in (7, 8, 9)}
    assert moves == {
        7: [("exploration", 1, 2)],
        8: [("diversity", 2, 3)],
        9: [("diversity", 3, 2), ("exploration", 2, 1)],
    }
