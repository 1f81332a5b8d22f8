"""Lists of users of whom a bundle says little: region limits hold, and an opt-out holds for releases before it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

import polars as pl

from recs_platform.contracts.home import Home
from recs_platform.contracts.regions import UNKNOWN_REGION
from recs_platform.serving.lists import Asked, live_list
from recs_platform.serving.watch import BundleWatch
from recs_platform.stages.releases.bundle import Bundle, open_bundle
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
            asked = Asked(user, block=block, exclude=frozenset(draw.sample(range(10), 2)))
            quick, whole = (live_list(bundle, each, None, 0.5) for each in (asked, replace(asked, explain=True)))
            at_once += quick.known(block) != []
            assert quick.page(0, block) == whole.page(0, block), (user, block)
            quick.let_go()
            assert quick.seen() == whole.seen()
            assert list(quick.onward()) == list(whole.onward()), (user, block)
    assert at_once > 40
