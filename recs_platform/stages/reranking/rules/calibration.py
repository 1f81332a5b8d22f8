"""Reorder: categories in the proportions of the user's tastes, as in Steck 2018 (Calibrated recommendations)."""

from typing import cast

import numpy as np

from recs_platform.contracts.rule_settings import CalibrationSettings
from recs_platform.stages.reranking.category_heads import greedy_by_category
from recs_platform.stages.reranking.rules.slate_rule import Plan, slate_rule
from recs_platform.stages.reranking.slates import Bools, Floats, Ints, Slate

# The share of the tastes that is mixed into the list's, so that a category which lacks has a finite distance.
ALPHA = 0.01


class _Distance:
    """What the Kullback-Leibler divergence of tastes from list becomes with one item more, by its category."""

    def __init__(self, strength: float, tastes: Floats) -> None:
        self._strength, self._tastes = strength, tastes
        # One place more than there are categories: for items of none.
        self._counts = np.zeros((len(tastes), tastes.shape[1] + 1))
        self._every = np.arange(len(tastes))

    def __call__(self, position: int, last: Ints, took: Bools) -> Floats:
        self._counts[self._every[took], last[took]] += 1
        counts = self._counts[:, :-1]
        now, more = (self._terms(counts + extra, position + 1) for extra in (0.0, 1.0))
        change = np.append(more - now, np.zeros((len(now), 1)), axis=1)
        return self._strength * (now.sum(axis=1, keepdims=True) + change)

    def _terms(self, counts: Floats, length: int) -> Floats:
        """P log(p / q) of each user and category; 0 where the user has no taste for it."""
        tastes = self._tastes
        mixed = (1 - ALPHA) * counts / length + ALPHA * tastes
        ratio = np.divide(tastes, mixed, out=np.ones_like(tastes), where=tastes > 0)
        return tastes * np.log(ratio)


def calibrate(slate: Slate, plan: Plan) -> Ints:
    """Choose k one by one: the item with the most of (1 - s) relevance - s KL(tastes | list with it), s the strength.

    Users of whom no taste is known keep their order by relevance.
    """
    strength = cast("CalibrationSettings", plan).strength
    tastes = _tastes(slate)
    plain = slate.by_relevance()
    known: Bools = tastes.sum(axis=1) > 0
    if not known.any():
        return plain
    made = greedy_by_category(slate, plain, (1 - strength) * slate.relevance, _Distance(strength, tastes))
    return np.where(known[:, None], made, plain)


def _tastes(slate: Slate) -> Floats:
    """Shares (n_users, n_categories) by the codes of the slate's categories."""
    begins, codes, shares = slate.items.tastes
    mine = begins[slate.first : slate.first + len(slate.users) + 1]
    inside, owner = slice(int(mine[0]), int(mine[-1])), np.repeat(np.arange(len(slate.users)), np.diff(mine))
    found = np.zeros((len(slate.users), max(1, int(slate.items.category.max()) + 1)))
    found[owner, codes[inside]] = shares[inside]
    return found


RULE = slate_rule("calibration", order=calibrate)
