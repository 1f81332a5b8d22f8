"""Reorder: the order by weights of relevance, novelty, variety of categories and popularity."""

from typing import cast

import numpy as np

from recs_platform.contracts.rule_settings import BlendSettings
from recs_platform.stages.reranking.rules.likeness import Likeness
from recs_platform.stages.reranking.rules.slate_rule import Plan, slate_rule
from recs_platform.stages.reranking.slates import Bools, Floats, Ints, Slate, greedy, places


def weigh(slate: Slate, plan: Plan) -> Ints:
    """Choose k one by one: the item with the greatest sum of the weighted parts, ties by score.

    Relevance as everywhere; popularity is the count of users over that of the most chosen item; novelty is
    log2((n + 1) / (count + 1)) over log2(n + 1), n being the count of the most chosen.
    """
    weights = cast("BlendSettings", plan)
    count = slate.items.user_count
    most = max(float(count.max()), 1.0)
    by_item = weights.popularity * count / most + weights.novelty * (1 - np.log2(count + 1) / np.log2(most + 1))
    still = weights.relevance * slate.relevance + by_item[slate.item]
    likeness = Likeness(slate)

    def gain(position: int, last: Ints, took: Bools) -> Floats:
        return still - weights.diversity * likeness(position, last, took) if weights.diversity else still

    first = np.argsort(np.where(slate.exists, -still, np.inf), axis=1, kind="stable")
    return greedy(places(first), slate.exists, slate.k, gain)


RULE = slate_rule("blend", order=weigh)
