"""What was drawn keeps its chance online, and whoever is held out is shown popular items, whatever they do."""

from dataclasses import replace
from pathlib import Path

import polars as pl

from recs_platform_tests.serving.served import Ask, Served, content, item_ids

LIST = "/v1/users/u1/recommendations"


def test_items_are_answered_and_logged_with_their_chance(tmp_path: Path) -> None:
    made = content()
    served = Served(tmp_path, replace(made, lists=made.lists.with_columns(pl.lit(0.25).alias("propensity"))))

    async def test(ask: Ask) -> None:
        answer = (await ask("GET", LIST + "?k=2")).json()
        assert [item["propensity"] for item in answer["items"]] == [0.25, 0.25]
        seen = {"user_id": "u1", "event_type": "impression", "request_id": answer["recommendation_id"]}
        assert (await ask("POST", "/v1/events", json=seen)).status_code == 202

    served.run(test)
    assert served.landed().count('"propensity":0.25') == 2


def test_a_session_of_the_hold_out_only_takes_away(tmp_path: Path) -> None:
    made = content()
    held = replace(made, ranked=made.ranked.filter(pl.col("user_id") != "u1"), held_out=["u1"])
    served = Served(tmp_path, held)

    async def test(ask: Ask) -> None:
        before = item_ids(await ask("GET", LIST + "?k=5&session_id=s"))
        clicked = {"user_id": "u1", "item_id": before[0], "event_type": "click", "session_id": "s"}
        assert (await ask("POST", "/v1/events", json=clicked)).status_code == 202
        after = item_ids(await ask("GET", LIST + "?k=5&session_id=s"))
        assert after.startswith(before[1:])
        answer = (await ask("GET", LIST + "?k=5&session_id=s")).json()
        assert all("session" not in item["reason"] for item in answer["items"])

    served.run(test)


def test_the_hold_out_takes_part_in_no_experiment(tmp_path: Path) -> None:
    made = content()
    held = replace(made, ranked=made.ranked.filter(pl.col("user_id") != "u1"), held_out=["u1"])
    explored = {"control": {"weight": 0.5, "exploration": 1.0}, "b": {"weight": 0.5, "exploration": 1.0}}
    served = Served(tmp_path, held, experiments={"x": {"variants": explored}})

    async def test(ask: Ask) -> None:
        assert (await ask("GET", LIST)).json()["variant"] == "default"
        assert item_ids(await ask("GET", LIST)) == "ab"
        assert (await ask("GET", "/v1/users/u2/recommendations")).json()["variant"].startswith("x=")

    served.run(test)
