"""Reorder: relevant and unlike items, by greedy inference of a determinantal point process (Chen et al. 2018).

The kernel is q S q: quality q grows with relevance, likeness S with a common category and a common creator.
"""

from typing import cast

import numpy as np

from recs_platform.contracts.rule_settings import DppSettings
from recs_platform.stages.reranking.rules.slate_rule import Plan, slate_rule
from recs_platform.stages.reranking.slates import Bools, Floats, Ints, Slate, greedy

# Below it an item adds nothing that the chosen ones do not span.
_LEAST = 1e-12
# Weight of relevance, which lies in (0, 1], in the logarithm of the determinant at strength 1/2.
_SCALE = 4.0


class _Volume:
    """The logarithm of how much the determinant grows with one item more, by incremental Cholesky factors."""

    def __init__(self, slate: Slate, plan: DppSettings) -> None:
        shape = slate.exists.shape
        # Twice the logarithm of q.
        self._quality = _SCALE * (1 - plan.strength) / plan.strength * slate.relevance
        self._left = np.ones(shape)
        self._factors = np.empty((min(slate.k, shape[1]), *shape))
        # Comparing codes of half the width takes half the time.
        kinds = ((slate.category, plan.same_category), (slate.creator, plan.same_creator))
        self._kinds = [(codes.astype(np.int32), share) for codes, share in kinds if share and (codes >= 0).any()]
        self._every = np.arange(len(self._left))

    def __call__(self, position: int, last: Ints, took: Bools) -> Floats:
        if position:
            self._span(position - 1, last, took)
        return self._quality + np.log(np.maximum(self._left, _LEAST))

    def _span(self, chosen: int, last: Ints, took: Bools) -> None:
        """Take from every column what the last chosen one, the `chosen`-th, spans of it."""
        mine, alike = self._every, self._factors[chosen]
        alike[:] = 0.0
        for codes, share in self._kinds:
            code = codes[mine, last]
            # No item has the code of one without: -2.
            alike += (codes == np.where(code < 0, -2, code)[:, None]) * share
        alike[mine, last] = 1.0
        before = self._factors[:chosen]
        if chosen:
            alike -= np.einsum("tu,tuw->uw", before[:, mine, last], before)
        alike /= np.sqrt(np.maximum(self._left[mine, last], _LEAST))[:, None]
        if not took.all():
            alike[~took] = 0.0
        self._left -= alike * alike


def spread(slate: Slate, plan: Plan) -> Ints:
    """Choose k one by one, each time the item that the determinant grows most with; ties by score.

    With strength 0 the order is that of relevance.
    """
    settings = cast("DppSettings", plan)
    plain = slate.by_relevance()
    if not settings.strength:
        return plain
    return greedy(plain, slate.exists, slate.k, _Volume(slate, settings))


RULE = slate_rule("dpp", order=spread)
