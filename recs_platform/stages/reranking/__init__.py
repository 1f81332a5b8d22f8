"""Re-ranking: ranked candidates become lists to show, with a true reason each. Scoring is `ranking`'s work."""

from recs_platform.stages.reranking.context import RerankContext, RerankResult
from recs_platform.stages.reranking.own_rules import OwnRules, load_own_rules
from recs_platform.stages.reranking.places import user_places
from recs_platform.stages.reranking.reasons import add_reasons, group_popularity, item_popularity
from recs_platform.stages.reranking.rerank import rerank

__all__ = [
    "OwnRules",
    "RerankContext",
    "RerankResult",
    "add_reasons",
    "group_popularity",
    "item_popularity",
    "load_own_rules",
    "rerank",
    "user_places",
]
