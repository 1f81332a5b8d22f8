"""Re-ranking: ranked candidates become lists to show, with a true reason each. Scoring is `ranking`'s work."""

from recs_platform.stages.reranking.conflicts import conflicts, idle_rules, unknown_names
from recs_platform.stages.reranking.context import RerankContext, RerankResult
from recs_platform.stages.reranking.exploration import EXACT, Exploration, held_out_users
from recs_platform.stages.reranking.facts import RuleFacts, of_segment, tastes_of
from recs_platform.stages.reranking.fallback import FALLBACK_SOURCE
from recs_platform.stages.reranking.hidden import hidden_pairs
from recs_platform.stages.reranking.offered_items import in_fallback_order
from recs_platform.stages.reranking.own_rules import COMPLETE, OwnRules, apply_checked, divided, load_own_rules
from recs_platform.stages.reranking.reasons import add_reasons, group_popularity, item_popularity
from recs_platform.stages.reranking.rerank import rerank
from recs_platform.stages.reranking.rules import RULES, filters_of
from recs_platform.stages.reranking.rules.rule import Filter, Rule
from recs_platform.stages.reranking.shared_lists import SharedLists, share_lists
from recs_platform.stages.reranking.tracing import Step, Trace, trace_item
from recs_platform.stages.reranking.violations import violations

__all__ = [
    "COMPLETE",
    "EXACT",
    "FALLBACK_SOURCE",
    "RULES",
    "Exploration",
    "Filter",
    "OwnRules",
    "RerankContext",
    "RerankResult",
    "Rule",
    "RuleFacts",
    "SharedLists",
    "Step",
    "Trace",
    "add_reasons",
    "apply_checked",
    "conflicts",
    "divided",
    "filters_of",
    "group_popularity",
    "held_out_users",
    "hidden_pairs",
    "idle_rules",
    "in_fallback_order",
    "item_popularity",
    "load_own_rules",
    "of_segment",
    "rerank",
    "share_lists",
    "tastes_of",
    "trace_item",
    "unknown_names",
    "violations",
]
