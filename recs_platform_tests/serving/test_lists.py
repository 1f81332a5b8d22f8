"""Lists of users of whom a bundle says little: region limits hold, and an opt-out holds for releases before it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

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
