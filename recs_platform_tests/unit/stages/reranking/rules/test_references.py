"""Rules of the settings against their definitions, written plainly for one user at a time."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.contracts.rule_settings import RulesSettings
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.facts import SHARE, RuleFacts
from recs_platform.stages.reranking.rules import (
    blend,
    boosted,
    calibration,
    creator_exposure_floor,
    dpp,
    new_items_min,
    pinned,
    quotas,
)
from recs_platform.stages.reranking.rules.creator_exposure_floor import drawn

AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
NAMES = list("abcdefghijkl")
USERS = [f"u{number}" for number in range(25)]
K = 5


class Case:
    """Users with a shuffled list each, of items whose category, creator, age and audience are drawn."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.category = {name: str(rng.choice(["x", "y", "z", ""])) or None for name in NAMES}
        self.creator = {name: str(rng.choice(["p", "q", "r", ""])) or None for name in NAMES}
        self.days = {name: int(rng.integers(0, 30)) for name in NAMES}
        self.count = {name: int(rng.integers(0, 50)) for name in NAMES}
        self.tastes = {user: dict(zip("xyz", rng.dirichlet([0.5] * 3), strict=True)) for user in USERS[::2]}
        self.lists = {user: list(rng.permutation(NAMES)[: int(rng.integers(3, 13))]) for user in USERS}

    def alike(self, one: str, other: str) -> float:
        """Likeness of two items to the DPP."""
        shares = ((self.category, 0.6), (self.creator, 0.2))
        same = sum(share for table, share in shares if table[one] == table[other] and table[one] is not None)
        return 1.0 if one == other else same

    def made_by(self, rule, cap: int = 12, **rules) -> dict[str, list[str]]:
        items = pl.DataFrame(
            {
                c.ITEM_ID: NAMES,
                c.CATEGORY: list(self.category.values()),
                c.CREATOR: list(self.creator.values()),
                c.PUBLISHED_AT: [AS_OF - timedelta(days=days) for days in self.days.values()],
                c.USER_COUNT: list(self.count.values()),
            }
        ).with_columns(pl.lit(value=True).alias(c.IS_AVAILABLE), pl.col(c.PUBLISHED_AT).dt.cast_time_unit("us"))
        rows = [(user, item, -float(n), ["als"]) for user, names in self.lists.items() for n, item in enumerate(names)]
        ranked = pl.DataFrame(rows, schema=[c.USER_ID, c.ITEM_ID, c.SCORE, c.SOURCES], orient="row")
        fallback = items.select(c.ITEM_ID, pl.lit(0.0).alias(c.SCORE))
        tastes = [(user, *taste) for user, of_user in self.tastes.items() for taste in of_user.items()]
        known = pl.DataFrame(tastes, schema=[c.USER_ID, c.CATEGORY, SHARE], orient="row")
        context = RerankContext(
            items, ranked.select(c.USER_ID, c.ITEM_ID).clear(), pl.Series(USERS), fallback, K, cap,
            rules=RulesSettings(**rules), facts=RuleFacts(AS_OF, tastes=known),
        )  # fmt: skip
        made = rule.RULE.apply(ranked, context)
        return {str(user): of[c.ITEM_ID].to_list() for (user,), of in made.group_by(c.USER_ID, maintain_order=True)}


def relevance(place: int) -> float:
    return 1 / math.log2(place + 2)


@pytest.mark.parametrize("seed", range(5))
def test_a_blend_takes_the_greatest_weighted_sum_one_by_one(seed):
    case, most = Case(seed), 0
    most = max(case.count.values())
    weights = {"relevance": 0.7, "novelty": 0.4, "diversity": 0.5, "popularity": 0.2}
    found = case.made_by(blend, blend={"enabled": True, **weights})
    for user, names in case.lists.items():

        def worth(name, chosen, names=names):
            novelty = 1 - math.log2(case.count[name] + 1) / math.log2(most + 1)
            alike = sum(case.category[name] is not None and case.category[name] == case.category[o] for o in chosen)
            parts = (relevance(names.index(name)), novelty, -alike / max(len(chosen), 1), case.count[name] / most)
            return round(sum(w * part for w, part in zip(weights.values(), parts, strict=True)), 12)

        chosen = []
        while len(chosen) < min(K, len(names)):
            chosen.append(max((name for name in names if name not in chosen), key=lambda n, s=chosen: worth(n, s)))
        assert found[user][:K] == chosen
        assert sorted(found[user]) == sorted(names)


@pytest.mark.parametrize("seed", range(5))
def test_a_boost_orders_by_relevance_times_every_factor_that_holds(seed):
    case = Case(seed)
    items = [
        {"category": "x", "factor": 1.9}, {"item_id": "a", "factor": 0.5}, {"creator": "p", "factor": 1.3},
        {"creator": "q", "factor": 9.0, "ends": "2024-02-01"},
    ]  # fmt: skip
    found = case.made_by(boosted, boosted={"enabled": True, "items": items})
    for user, names in case.lists.items():

        def worth(name, names=names):
            factor = (1.9 if case.category[name] == "x" else 1.0) * (0.5 if name == "a" else 1.0)
            return relevance(names.index(name)) * factor * (1.3 if case.creator[name] == "p" else 1.0)

        assert found[user] == sorted(names, key=lambda name: -worth(name))


@pytest.mark.parametrize("seed", range(5))
def test_new_items_come_in_for_the_last_others_and_keep_the_order(seed):
    case = Case(seed)
    found = case.made_by(new_items_min, new_items_min={"enabled": True, "share": 0.5, "days": 9})
    for user, names in case.lists.items():
        wanted = math.ceil(0.5 * K)
        new = [name for name in names if case.days[name] <= 9][:wanted]
        others = [name for name in names if name not in new][: K - len(new)]
        assert found[user][:K] == [name for name in names if name in {*new, *others}]


@pytest.mark.parametrize("seed", range(5))
def test_a_patron_sees_the_first_item_of_the_creator_drawn_nearest(seed):
    case, share = Case(seed), 0.4
    setting = {"enabled": True, "lists_share": share, "places_max": 1}
    found = case.made_by(creator_exposure_floor, creator_exposure_floor=setting)
    creators = sorted({name for name in case.creator.values() if name})
    numbers = drawn(pl.Series(USERS), pl.Series(creators))
    for user, row in zip(USERS, numbers.tolist(), strict=True):
        names = case.lists[user]
        number = dict(zip(creators, row, strict=True))
        first = {case.creator[name]: name for name in reversed(names) if case.creator[name]}
        mine = sorted((number[creator], name) for creator, name in first.items() if number[creator] < share)
        kept = [name for _, name in mine[:1]]
        kept += [name for name in names if name not in kept][: K - len(kept)]
        assert found[user][:K] == [name for name in names if name in kept]


@pytest.mark.parametrize("seed", range(5))
def test_calibration_and_the_dpp_take_the_greatest_gain_one_by_one(seed):
    case, strength = Case(seed), 0.4
    boosts = [{"category": "x", "factor": 1.3}]
    both = {"boosted": {"enabled": True, "items": boosts}}
    calibrated = case.made_by(calibration, calibration={"enabled": True, "strength": strength}, **both)
    varied = case.made_by(dpp, dpp={"enabled": True, "strength": strength}, **both)
    for user, names in case.lists.items():

        def worth(name, names=names):
            return relevance(names.index(name)) * (1.3 if case.category[name] == "x" else 1.0)

        def fit(chosen, name, user=user, worth=worth):
            shown, distance = [*chosen, name], 0.0
            for category, taste in case.tastes.get(user, {}).items():
                share = sum(case.category[each] == category for each in shown) / len(shown)
                distance += taste * math.log(taste / (0.99 * share + 0.01 * taste))
            return (1 - strength) * worth(name) - strength * distance

        def volume(chosen, name, worth=worth):
            shown = [*chosen, name]
            alike = np.array([[case.alike(one, other) for other in shown] for one in shown])
            quality = 4 * (1 - strength) / strength * sum(worth(each) for each in shown)
            return np.linalg.slogdet(alike)[1] + quality

        assert calibrated[user][:K] == greedily(names, fit)
        assert varied[user][:K] == greedily(names, volume)
        assert sorted(calibrated[user]) == sorted(varied[user]) == sorted(names)


def greedily(names, gain):
    chosen = []
    while len(chosen) < min(K, len(names)):
        left = [name for name in names if name not in chosen]
        chosen.append(max(left, key=lambda name: round(gain(chosen, name), 9)))
    return chosen


@pytest.mark.parametrize("seed", range(8))
def test_quotas_and_pins_take_the_first_that_they_allow(seed):
    case = Case(seed)
    caps = {"category_max": {"x": 1, "y": 2}, "creator_max": {"p": 1}, "max_per_creator": 2}
    floors = {"category_min": {"z": 2}, "creator_min": {"r": 1}}
    found = case.made_by(quotas, cap=3, quotas={"enabled": True, **caps, **floors})
    placed = case.made_by(pinned, pinned={"enabled": True, "items": [{"item_id": "c", "place": 2}]})
    for user, names in case.lists.items():
        chosen = list[str]()

        def allowed(name, chosen=chosen):
            category, creator = case.category[name], case.creator[name]
            alike = sum(category is not None and case.category[each] == category for each in chosen)
            by = sum(creator is not None and case.creator[each] == creator for each in chosen)
            most = {"x": 1, "y": 2}.get(str(category), 3)
            return alike < most and by < {"p": 1}.get(str(creator), 2)

        for least, of in ((2, lambda name: case.category[name] == "z"), (1, lambda name: case.creator[name] == "r")):
            for name in names:
                if of(name) and sum(map(of, chosen)) < least and len(chosen) < K and allowed(name):
                    chosen.append(name)
        for may in (allowed, lambda _: True):
            for name in names:
                if name not in chosen and len(chosen) < K and may(name):
                    chosen.append(name)
        assert found[user] == [each for each in names if each in chosen] + [n for n in names if n not in chosen]
        others = [name for name in names if name != "c"]
        if "c" in names:
            assert placed[user][:2] == [others[0], "c"]
