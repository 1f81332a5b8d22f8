"""Calibration, the DPP and quotas against their definitions, written plainly on tiny lists."""

import math

import numpy as np
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.rule_settings import RulesSettings
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.facts import SHARE, RuleFacts
from recs_platform.stages.reranking.rules import calibration, dpp, quotas

NAMES = list("abcdefgh")
CATEGORIES = dict(zip(NAMES, ["x", "x", "y", "x", None, "y", "z", "x"], strict=True))
CREATORS = dict(zip(NAMES, ["p", "q", "p", "p", "q", None, "r", "q"], strict=True))
K = 5
TASTES = {"x": 0.25, "y": 0.75}


def relevance(place: int) -> float:
    return 1 / math.log2(place + 2)


def made_by(rule, **rules) -> str:
    items = pl.DataFrame(
        {c.ITEM_ID: NAMES, c.CATEGORY: list(CATEGORIES.values()), c.CREATOR: list(CREATORS.values())}
    ).with_columns(pl.lit(value=True).alias(c.IS_AVAILABLE))
    ranked = pl.DataFrame(
        {c.USER_ID: "u", c.ITEM_ID: NAMES, c.SCORE: [-float(n) for n in range(8)], c.SOURCES: [["als"]] * 8}
    )
    tastes = pl.DataFrame({c.USER_ID: "u", c.CATEGORY: list(TASTES), SHARE: list(TASTES.values())})
    context = RerankContext(
        items,
        ranked.select(c.USER_ID, c.ITEM_ID).clear(),
        pl.Series(["u"]),
        ranked.select(c.ITEM_ID, c.SCORE),
        K,
        8,
        rules=RulesSettings(**rules),
        facts=RuleFacts(tastes=tastes),
    )
    return "".join(rule.RULE.apply(ranked, context)[c.ITEM_ID].head(K))


def greedily(gain) -> str:
    chosen = ""
    while len(chosen) < K:
        chosen += max((name for name in NAMES if name not in chosen), key=lambda name: gain(chosen, name))
    return chosen


def test_calibration_is_that_of_steck():
    def distance(names: str) -> float:
        total = 0.0
        for category, taste in TASTES.items():
            share = sum(CATEGORIES[name] == category for name in names) / len(names)
            total += taste * math.log(taste / (0.99 * share + 0.01 * taste))
        return total

    for strength in (0.0, 0.2, 0.5, 0.9):
        expected = greedily(
            lambda chosen, name, s=strength: (1 - s) * relevance(NAMES.index(name)) - s * distance(chosen + name)
        )
        assert made_by(calibration, calibration={"enabled": True, "strength": strength}) == expected


def test_the_dpp_takes_what_its_determinant_grows_most_with():
    def alike(one: str, other: str) -> float:
        if one == other:
            return 1.0
        same = [table[one] == table[other] and table[one] is not None for table in (CATEGORIES, CREATORS)]
        return 0.6 * same[0] + 0.2 * same[1]

    for strength in (0.1, 0.5, 0.9):
        weight = 4 * (1 - strength) / strength

        def volume(chosen: str, name: str, weight: float = weight) -> float:
            names = chosen + name
            likeness = np.array([[alike(one, other) for other in names] for one in names])
            return np.linalg.slogdet(likeness)[1] + weight * sum(relevance(NAMES.index(each)) for each in names)

        assert made_by(dpp, dpp={"enabled": True, "strength": strength}) == greedily(volume)


def test_quotas_take_the_first_that_they_allow():
    # Chosen items stand in list order. Of one creator each there are a, b, f and g alone; c is the first other one.
    assert made_by(quotas, quotas={"enabled": True, "category_min": {"y": 2}}) == "abcdf"
    assert made_by(quotas, quotas={"enabled": True, "category_max": {"x": 1}}) == "acefg"
    assert made_by(quotas, quotas={"enabled": True, "max_per_creator": 1}) == "abcfg"
    assert made_by(quotas, quotas={"enabled": True, "creator_min": {"r": 1}}) == "abcdg"
