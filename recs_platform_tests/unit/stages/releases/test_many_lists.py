"""Lists of many users at once are those that a server makes one by one."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recs_platform.contracts.home import Home
from recs_platform.stages.releases.bundle import BundleRules, many_lists, open_bundle
from recs_platform.stages.releases.bundle.amending import amend_bundle
from recs_platform.stages.releases.bundle.boards import Board
from recs_platform.stages.releases.bundle.choosing import choose_places
from recs_platform.stages.releases.bundle.lists import POPULAR, board_list, passing, served_list, surface_places
from recs_platform.stages.releases.refilling import refilled_lists, refilled_surfaces
from recs_platform.stages.releases.withheld import REFUSES, Regions, Withheld
from recs_platform_tests.unit.stages.releases.bundles import AS_OF, content, rows, seal

ITEMS = tuple("abcdefghijklmnop")
USERS = [f"u{number}" for number in range(60)]


def picked(rng: np.random.Generator, count: int) -> str:
    return "".join(rng.permutation(list(ITEMS))[:count])


def sealed(home: Home, rng: np.random.Generator, cap: int) -> tuple[dict[str, str], dict[str, str], str]:
    """Lists, and those of a surface, of every user, with a board for all and one for the users of `DE`."""
    lists = {user: picked(rng, 4) for user in USERS}
    mail = {user: picked(rng, 3) for user in USERS}
    made = content(lists, consumed={user: picked(rng, 3) for user in USERS}, opted_out=(), excluded="fg", items=ITEMS)
    candidates = rows({user: lists[user] + picked(rng, int(rng.integers(0, 9))) for user in USERS})
    made = replace(
        made,
        ranked=candidates.unique(["user_id", "item_id"], keep="first", maintain_order=True),
        items=made.items.with_columns(pl.Series("category", [[None, "x", "y"][place % 3] for place in range(16)])),
        fallbacks={"all": list(picked(rng, 12))},
        rules=BundleRules(4, cap, allow_repeats=False),
        user_regions=pl.DataFrame({"user_id": USERS[::2], "availability_region": "DE"}),
        surfaces={"mail": rows(mail)},
        boards={
            "mail": Board(
                {"": list(picked(rng, 9)), "DE": list(picked(rng, 5))},
                pl.DataFrame({"user_id": USERS[::2], "group": "DE"}),
                cap,
                POPULAR,
            )
        },
    )
    return lists, mail, seal(home, made).parameters["release_id"]


@pytest.mark.parametrize("cap", [1, 2, 6])
def test_many_lists_are_those_of_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cap: int) -> None:
    monkeypatch.setattr(many_lists, "USERS_AT_ONCE", 23)
    rng, home = np.random.default_rng(cap), Home(tmp_path)
    lists, mail, release = sealed(home, rng, cap)
    there = Regions(
        pl.DataFrame({"user_id": USERS[::3], "availability_region": "DE"}),
        pl.DataFrame({"availability_region": ["DE", "DE", "unknown"], "item_id": ["h", "i", "j"]}),
    )
    gone = Withheld(frozenset({"u3", "u4"}), frozenset("ab"), frozenset("c"), there)
    amend_bundle(home, release, gone, known_at=AS_OF)
    bundle = open_bundle(home, release)
    assert bundle.excluded_in(bundle.region_of(bundle.user("u0"))) == {ITEMS.index("h"), ITEMS.index("i")}
    keys = pl.DataFrame({"user_id": [*USERS, "stranger"]}).with_columns(
        pl.col("user_id").is_in(["u3", "u4"]).alias(REFUSES)
    )
    kept = rows(lists).filter(~pl.col("item_id").is_in(list("abc")))
    many = refilled_lists(bundle, keys, kept)
    for user in keys["user_id"]:
        expected = served_list(bundle, user, 4)
        mine = many.filter(pl.col("user_id") == user)
        assert mine["item_id"].to_list() == [bundle.item_ids[place.item] for place in expected]
        assert mine["score"].to_list() == pytest.approx([place.score for place in expected])
        assert mine["reason"].to_list() == [place.reason for place in expected]
        assert mine["sources"].to_list() == [list(place.sources) for place in expected]
    theirs = rows(mail).with_columns(pl.lit("mail").alias("surface"))
    asked = keys.filter(pl.col("user_id") != "stranger").with_columns(pl.lit("mail").alias("surface"))
    stays = theirs.filter(~pl.col("item_id").is_in(list("abc")))
    board = bundle.board("mail")
    assert board is not None
    on_surface = refilled_surfaces(bundle, asked.sort("surface", "user_id"), theirs, stays)
    for user in asked["user_id"]:
        code = bundle.user(user)
        if bundle.is_opted_out(user):
            every = board_list(bundle, board, passing(bundle, code), 3)
            expected = list(islice(every, 3))
        else:
            expected = list(surface_places(bundle, "mail", code or 0))
        mine = on_surface.filter(pl.col("user_id") == user)
        assert mine["item_id"].to_list() == [bundle.item_ids[place.item] for place in expected]
        assert not set(mine["item_id"]) & set("abc")
    # Some list was filled by its board, or the above compares nothing.
    assert on_surface.filter(pl.col("reason") == POPULAR).height > len(USERS) / 4


def test_the_cap_takes_no_memory_by_category() -> None:
    offered = np.arange(6)[None, :].repeat(1_000, axis=0)
    category = np.array([[0, 10**9, 10**9, -1, 10**9, 5]]).repeat(1_000, axis=0)
    everything = np.ones(offered.shape, dtype=np.bool_)
    chosen, settled = choose_places(offered, everything, category, np.full(1_000, 5), 1)
    assert settled.all()
    # Two more of the category come back where nothing else is left.
    assert chosen.column.reshape(1_000, 5)[7].tolist() == [0, 1, 3, 5, 2]
