"""Chances stay true where rows of lists with drawn places may be shown no more, whoever puts others in their place.

Of users who are alike each row that says a chance counts as one over it: an item that is shown by such rows has to
count as one user each, on average, for that is what off-policy estimates rest on.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.contracts.home import Home
from recs_platform.contracts.shared_settings import ExplorationSettings
from recs_platform.serving.lists import live_list
from recs_platform.serving.live_lists import Asked
from recs_platform.serving.treatments import UNTREATED, Treatment
from recs_platform.stages.releases.bundle import Bundle, open_bundle
from recs_platform.stages.releases.refilling import refilled_lists
from recs_platform.stages.releases.withheld import REFUSES
from recs_platform.stages.reranking import Exploration, rerank
from recs_platform_tests.unit.stages.releases.bundles import content, seal
from recs_platform_tests.unit.stages.reranking.test_rerank import make_context, ranked_rows

ITEMS, K, SLOTS = "abcdefghij", 4, 2
USERS = [f"u{n}" for n in range(1500)]


@dataclass(frozen=True)
class Drawn:
    """Lists with two drawn places of four, of users who are alike, and the bundle they are served from."""

    lists: pl.DataFrame
    bundle: Bundle


@cache
def drawn() -> Drawn:
    ranked = ranked_rows(u=" ".join(ITEMS[:8])).drop(c.USER_ID).join(pl.DataFrame({c.USER_ID: USERS}), how="cross")
    context = make_context(dict.fromkeys(ITEMS, "x"), users=USERS, k=K, cap=K)
    facts = {c.IS_NEW: pl.Boolean, c.ITEM_CLICK_THROUGH_RATE: pl.Float64, c.IMPRESSION_COUNT: pl.Int64}
    settings = ExplorationSettings(slots=SLOTS, candidates=6, epsilon=0.6)
    exploration = Exploration(settings, pl.DataFrame(schema={c.ITEM_ID: pl.String, **facts}), "text", 7)
    lists = rerank(ranked, context, (), exploration).lists.with_columns(pl.lit("because").alias(c.REASON))
    places = pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over(c.USER_ID).alias(c.RANK)
    made = content({}, {}, (), items=tuple(ITEMS))
    made = replace(made, lists=lists, ranked=ranked.with_columns(places), rules=replace(made.rules, k=K))
    with TemporaryDirectory() as folder:
        home = Home(Path(folder))
        seal(home, made)
        return Drawn(lists, open_bundle(home, "2024-03-01-0123"))


def weights(rows: pl.DataFrame) -> dict[str, tuple[float, float]]:
    """Of each item that is shown with a chance: what it counts a user, and the standard error of that."""
    known = rows.filter(pl.col(c.PROPENSITY).is_not_null()).with_columns(pl.col(c.PROPENSITY).pow(-1))
    of_item = known.group_by(c.ITEM_ID).agg(
        pl.col(c.PROPENSITY).sum(), (pl.col(c.PROPENSITY) ** 2).sum().alias("square")
    )
    n = len(USERS)
    return {
        item: (whole / n, (square / n - (whole / n) ** 2) ** 0.5 / n**0.5) for item, whole, square in of_item.rows()
    }


def ways(gone: str) -> Iterator[tuple[str, pl.DataFrame]]:
    """Lists without an item: as they are published anew, and as they are served, with what comes behind them."""
    keys = pl.DataFrame({c.USER_ID: USERS}).with_columns(pl.lit(value=False).alias(REFUSES))
    found, sealed = drawn(), drawn().bundle
    code = ITEMS.index(gone)
    available = np.arange(len(ITEMS)) != code
    withdrawn = Bundle(sealed.manifest, sealed.arrays | {"item.is_available": available}, sealed.opted_out_keys)
    yield "published", refilled_lists(withdrawn, keys, found.lists.filter(pl.col(c.ITEM_ID) != gone))
    yield "served without a withdrawn item", _served(withdrawn, Asked(""))
    yield "served without an excluded item", _served(sealed, Asked("", exclude=frozenset([code])))
    yield "by score", _served(withdrawn, Asked(""), Treatment(diversity=0.5))
    yield "with chance once more", _served(withdrawn, Asked(""), Treatment(exploration=0.5))


def _served(bundle: Bundle, asked: Asked, treatment: Treatment = UNTREATED) -> pl.DataFrame:
    places = [
        (user, bundle.item_ids[place.item], place.propensity)
        for user in USERS
        for place in live_list(
            bundle, msgspec.structs.replace(asked, user_id=user), None, 0.5, treatment, seed=user
        ).page(0, 2 * K)
    ]
    return pl.DataFrame(places, {c.USER_ID: pl.String, c.ITEM_ID: pl.String, c.PROPENSITY: pl.Float64}, orient="row")


@pytest.mark.parametrize("gone", ["a", "c", "f", "j"])
def test_whatever_takes_the_place_of_a_row_no_chance_is_false(gone: str) -> None:
    for way, rows in ways(gone):
        assert gone not in rows[c.ITEM_ID], way
        assert rows.group_by(c.USER_ID).len()["len"].min() >= K, way  # type: ignore[operator]
        if way == "with chance once more":  # a chance given the places before: estimates leave variants out
            continue
        found = weights(rows)
        for item, (weight, error) in found.items():
            assert weight == pytest.approx(1.0, abs=4.5 * error + 1e-9), (way, item)
        assert {"b", "d"} - {gone} <= set(found), way


def test_what_stays_keeps_its_chance_and_what_comes_has_none() -> None:
    found = drawn()
    for way, rows in islice(ways("a"), 3):
        both = rows.join(found.lists, on=[c.USER_ID, c.ITEM_ID], how="left", suffix="_sealed")
        stayed = both.filter(pl.col(f"{c.PROPENSITY}_sealed").is_not_null())
        assert (stayed[c.PROPENSITY] == stayed[f"{c.PROPENSITY}_sealed"]).all(), way
        came = both.filter(pl.col(f"{c.PROPENSITY}_sealed").is_null())
        assert came.height >= len(USERS), way
        assert came[c.PROPENSITY].null_count() == came.height, way
        if way == "published":
            assert set(came[c.PROPENSITY_METHOD]) == {"unknown"}
