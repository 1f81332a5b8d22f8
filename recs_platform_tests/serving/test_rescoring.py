"""What a session moves: by vectors, by neighbours, and by what users turned to after its items."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recs_platform.contracts.home import Home
from recs_platform.serving.lists import live_list
from recs_platform.serving.live_lists import Asked
from recs_platform.serving.rescoring import NOBODY, Rescored, rescore
from recs_platform.serving.sessions import Session, Step
from recs_platform.stages.releases.bundle import Bundle, open_bundle
from recs_platform_tests.unit.stages.releases.bundles import content, seal

ITEMS, WEIGHT = "abcdefg", 0.6


def opened(home: Home, *turns: tuple[str, str, float]) -> Bundle:
    """Items that no vector and no neighbour list joins; `turns`: to which item users turned after which."""
    made = content({"u1": "ab"}, {}, (), items=tuple(ITEMS))
    rows = [(item, after, chance, rank) for rank, (item, after, chance) in enumerate(turns, 1)]
    schema = {"item_id": pl.String, "next_item_id": pl.String, "probability": pl.Float64, "rank": pl.Int64}
    transitions = pl.DataFrame(rows, schema, orient="row") if turns else None
    seal(home, replace(made, neighbours=made.neighbours.clear(), transitions=transitions))
    return open_bundle(home, "2024-03-01-0123")


def moved(bundle: Bundle, session: str, base: str = "ab") -> tuple[dict[str, float], Rescored]:
    """What the session adds to each item's score; `session`: newest first."""
    codes = [[ITEMS.index(letter) for letter in letters] for letters in (base, session)]
    found = rescore(bundle, np.array(codes[0], dtype=np.int32), codes[1], WEIGHT)
    return {ITEMS[item]: by for item, by in zip(found.items, found.from_session.tolist(), strict=True)}, found


def test_what_users_turned_to_comes_in_and_counts_half_for_each_item_since(tmp_path: Path):
    bundle = opened(Home(tmp_path), ("g", "c", 0.4), ("g", "d", 0.2), ("f", "d", 0.4), ("f", "e", 0.1))
    assert [bundle.transitions(ITEMS.index(item))[1].tolist() for item in "ga"] == [pytest.approx([0.4, 0.2]), []]
    added, found = moved(bundle, "gf")
    # c 0.4, d 0.2 + 0.4 / 2 and e 0.1 / 2, each over the greatest; a and b are of the release alone.
    third = WEIGHT / 3
    assert added == pytest.approx({"a": 0.0, "b": 0.0, "c": third, "d": third, "e": third / 8})
    because = {ITEMS[item]: by for item, by in zip(found.items, found.because, strict=True)}
    assert [ITEMS[because[item]] for item in "cde"] == ["g", "g", "f"]  # d is named by both: the later one


def test_only_the_last_five_items_are_followed_and_without_transitions_nothing_is(tmp_path: Path):
    bundle = opened(Home(tmp_path / "some"), ("g", "c", 0.5))
    assert "c" in moved(bundle, "dabefg"[1:])[0]
    assert "c" not in moved(bundle, "dabefg")[0]
    without = opened(Home(tmp_path / "none"))
    assert without.transitions(0)[0].tolist() == []
    added, found = moved(without, "g")
    assert added == {"a": 0.0, "b": 0.0}
    assert set(found.because) == {NOBODY}


def test_it_is_shown_with_a_reason_that_names_the_item_of_the_session(tmp_path: Path):
    bundle = opened(Home(tmp_path), ("g", "c", 0.4))
    session = Session([Step("g", None)], {"g": None})
    shown = live_list(bundle, Asked("u1"), session, 0.9).page(0, 3)
    at = {ITEMS[place.item]: place for place in shown}
    assert (at["c"].reason, at["c"].sources) == ("after 'Title g' in this session", ("session",))


@pytest.mark.parametrize(
    ("user", "weight", "sources", "reason"),
    [
        ("u1", 0.5, ("als",), "among your best candidates"),
        ("u1", 0.0, ("als",), "among your best candidates"),
        ("stranger", 0.5, ("fallback",), "popular with others"),
    ],
)
def test_the_session_is_no_reason_for_what_it_adds_nothing_to(
    tmp_path: Path, user: str, weight: float, sources: tuple[str, ...], reason: str
):
    bundle = opened(Home(tmp_path), ("g", "c", 0.4))
    session = Session([Step("g", None)], {"g": None})
    shown = {ITEMS[place.item]: place for place in live_list(bundle, Asked(user), session, weight).page(0, 7)}
    assert (shown["a"].sources, shown["a"].reason) == (sources, reason)
    assert (shown["c"].reason == "after 'Title g' in this session") == (weight > 0)
