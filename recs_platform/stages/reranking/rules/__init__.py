"""The rules, in the order they are applied. What a rule is stands in `rule`, each rule in its own file."""

from recs_platform.stages.reranking.rules import availability, category_cap, consumed
from recs_platform.stages.reranking.rules.rule import Rule

RULES: tuple[Rule, ...] = (consumed.RULE, availability.RULE, category_cap.RULE)
