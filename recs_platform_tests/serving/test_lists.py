"""Lists of users of whom a bundle says little: region limits hold, and an opt-out holds for releases before it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from types import SimpleNamespace

import msgspec
import polars as pl
import pytest

from recs_platform.contracts.home import Home
from recs_platform.contracts.regions import UNKNOWN_REGION
from recs_platform.contracts.serving_settings import ServingSettings
from recs_platform.serving.learning import Learned
from recs_platform.serving.lists import live_list
from recs_platform.serving.live_lists import Asked
from recs_platform.serving.sessions import Session, Step
from recs_platform.serving.state import Serving
from recs_platform.serving.stored_pages import PageCache, stored_items
from recs_platform.serving.treatments import UNTREATED, Treatment
from recs_platform.serving.watch import BundleWatch
from recs_platform.stages.releases.bundle import Bundle, open_bundle
from recs_platform_tests.serving.served import Ask, Served
from recs_platform_tests.unit.stages.releases.bundles import AS_OF, content, seal

RELEASE = "2024-03-01-0123"


def _shown(bundle: Bundle, user: str) -> list[str]:
    return [bundle.item_ids[place.item] for place in live_list(bundle, Asked(user), None, 0.5).page(0, 10)]


def test_what_may_not_be_offered_where_nobody_knows_is_not_shown_to_strangers_or_those_who_opted_out(tmp_path: Path):
    home = Home(tmp_path)
    nowhere = pl.DataFrame({"availability_region": [UNKNOWN_REGION], "item_id": ["d"]})
    seal(home, replace(content(), exclusions=nowhere))
    bundle = open_bundle(home, RELEASE)
    assert "d" not in _shown(bundle, "stranger")
    assert "d" not in _shown(bundle, "gone")
    assert "d" not in _shown(bundle, "u2")  # no region of their own
    assert "d" in _shown(bundle, "u1")  # of DE, where it may be shown


def test_an_opt_out_that_came_later_takes_the_own_list_of_an_older_release(tmp_path: Path):
    home = Home(tmp_path)
    seal(home, content(opted_out=()))
    assert _shown(open_bundle(home, RELEASE), "u2")[:2] == ["b", "c"]
    seal(home, content(opted_out=("u2",)), AS_OF + timedelta(days=1), "2024-03-02-0456")
    assert _shown(open_bundle(home, RELEASE), "u2")[:2] == ["a", "b"]  # what everybody likes


def test_a_server_that_runs_sees_a_later_opt_out_though_the_release_stays(tmp_path: Path, monkeypatch):
    home = Home(tmp_path)
    monkeypatch.setattr(
        "recs_platform.serving.watch.current_release", lambda _: type("Current", (), {"version": RELEASE})
    )
    seal(home, content(opted_out=()))
    watch = BundleWatch(home)
    assert watch.look()
    assert not watch.look()
    seal(home, content(opted_out=("u2",)), AS_OF + timedelta(days=1), "2024-03-02-0456")
    assert watch.look()
    assert watch.bundle.is_opted_out("u2")


def test_a_list_worked_out_at_once_is_the_one_worked_out_step_by_step(tmp_path: Path):
    """As many lists as there are letters to draw: consumed ones, a cap, regions, short and long ones, other pages."""
    draw, items = Random(7), tuple("abcdefghij")  # noqa: S311
    users = {f"u{n}": "".join(draw.sample(items, draw.randint(0, 8))) for n in range(40)}
    made = content(users, {user: "".join(draw.sample(items, 2)) for user in users}, excluded="a", items=items)
    categories = pl.Series("category", [draw.choice(["x", "y", None]) for _ in items], dtype=pl.String)
    made = replace(made, items=made.items.with_columns(categories), rules=replace(made.rules, max_per_category=2))
    home = Home(tmp_path)
    seal(home, made)
    bundle = open_bundle(home, RELEASE)
    at_once = 0
    for user in users:
        for block in (1, 2, 4, 7):
            hidden = frozenset(draw.sample(range(10), 2))
            whole = live_list(bundle, Asked(user, exclude=hidden, block=block, explain=True), None, 0.5)
            quick = stored_items(bundle, bundle.user(user) or 0, block, hidden)
            if quick is not None:
                at_once += 1
                assert [place["item_id"] for place in msgspec.json.decode(quick)] == [
                    bundle.item_ids[place.item] for place in whole.page(0, block)
                ], (user, block)
                assert len(whole.upto(block + 1)) > block
            again = live_list(bundle, Asked(user, exclude=hidden, block=block), None, 0.5)
            assert again.page(0, block) == whole.page(0, block), (user, block)
            again.let_go()
            assert again.seen() == whole.seen()
            assert list(again.onward()) == list(whole.onward()), (user, block)
    assert at_once > 40


def test_a_page_as_bytes_says_what_the_list_says(tmp_path: Path):
    """The same document from both ways, whatever makes one of them give way: clicks, dismissals, limits of a query."""
    served = Served(tmp_path, content({"u1": "abc", "u2": "cbd", "u3": "ab"}, {"u2": "e"}))
    queries = ("", "k=1", "k=2", "k=9", "k=2&exclude=c", "k=2&session_id=s", "k=2&device=mobile", "k=2&category=x")

    async def test(ask: Ask) -> None:
        for event in (None, ("u1", "b", "dismiss"), ("u2", "c", "click")):
            if event is not None:
                sent = dict(zip(("user_id", "item_id", "event_type"), event, strict=True))
                assert (await ask("POST", "/v1/events", json=sent)).status_code == 202
            for user in ("u1", "u2", "u3", "stranger"):
                for query in (*queries, *queries):
                    said = (await ask("GET", f"/v1/users/{user}/recommendations?{query}")).json()
                    explained = "&".join(filter(None, (query, "explain=true")))
                    told = (await ask("GET", f"/v1/users/{user}/recommendations?{explained}")).json()
                    bare = [{k: v for k, v in each.items() if k != "explanation"} for each in told["items"]]
                    assert said["items"] == bare, (user, query)
                    assert said["next_cursor"] is None or said["next_cursor"].partition(".")[2] == str(len(bare))
                    assert (said["next_cursor"] is None) == (told["next_cursor"] is None)
        assert len(served.application.serving.pages) > 0
        assert (await ask("DELETE", "/v1/users/u3")).status_code == 202
        assert len(served.application.serving.pages) == 0

    served.run(test)


def test_pages_are_kept_within_bounds_and_with_their_bundle(tmp_path: Path):
    home, kept, made = Home(tmp_path), PageCache(bytes_max=2 * 400), list[int]()

    def make(number: int) -> msgspec.Raw:
        made.append(number)
        return msgspec.Raw(b"[1,2]")

    seal(home, content())
    bundle = open_bundle(home, RELEASE)
    kept.follow(bundle)
    for number in (1, 2, 2, 3, 2, 1):
        assert bytes(kept.items(number, 20, partial(make, number)) or b"") == b"[1,2]"
    assert made == [1, 2, 3, 1]
    kept.follow(bundle)
    assert len(kept) == 2
    kept.follow(open_bundle(home, RELEASE))
    assert len(kept) == 0


def test_a_list_that_is_remembered_holds_none_of_its_places_and_comes_out_the_same(tmp_path: Path):
    home = Home(tmp_path)
    seal(home, content())
    bundle, learned = open_bundle(home, RELEASE), Learned(lambda: 100.0)
    learned.follow(RELEASE, 0.0)
    session = Session([Step("a", None)], {"a": None})
    treatments = (UNTREATED, Treatment(exploration=0.9), Treatment(diversity=0.5), Treatment(popularity=True))
    for user in ("u1", "u2", "stranger", "gone"):
        for treatment in treatments:
            made = live_list(bundle, Asked(user, block=2), session, 0.6, treatment, "seed", learned, ["e"])
            shown, whole = made.page(0, 2), list(made.onward())
            made.let_go()
            assert made.known(9) == []
            session.gone["d"] = None  # what happens later changes the next list
            learned.add("somebody", "d", 50.0)
            assert (made.seen(), list(made.onward())) == (shown, whole)
            del session.gone["d"]


@pytest.mark.parametrize(("minutes", "meant"), [(5, 5), (40, 15), (-5, 15), (None, 15)])
def test_a_list_is_meant_as_long_as_its_cursor_lives_or_less_where_the_release_says_so(minutes, meant) -> None:
    now = datetime.now(UTC)
    bundle = SimpleNamespace(expires_at=lambda _user: None if minutes is None else now + timedelta(minutes=minutes))
    until = Serving.meant_until(SimpleNamespace(settings=ServingSettings(list_minutes=15)), bundle, 0)
    assert abs(until - now - timedelta(minutes=meant)) < timedelta(seconds=20)
