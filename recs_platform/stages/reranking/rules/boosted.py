"""Reorder: items, categories and creators that count for more, or less, than the ranker says."""

from recs_platform.stages.reranking.rules.slate_rule import Plan, slate_rule
from recs_platform.stages.reranking.slates import Ints, Slate


def by_boosted_relevance(slate: Slate, plan: Plan) -> Ints:  # noqa: ARG001  the slate's relevance has its factors
    """Places by relevance times factor, ties by score. The rules after it go by the same relevance."""
    return slate.by_relevance()


RULE = slate_rule("boosted", order=by_boosted_relevance)
