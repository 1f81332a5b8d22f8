"""The input of re-ranking beside the ranked rows, and its result."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.rule_settings import RulesSettings
from recs_platform.stages.reranking.facts import RuleFacts


def _no_regions() -> pl.DataFrame:
    return pl.DataFrame(schema={c.USER_ID: pl.String, c.AVAILABILITY_REGION: pl.String})


def _no_exclusions() -> pl.DataFrame:
    return pl.DataFrame(schema={c.AVAILABILITY_REGION: pl.String, c.ITEM_ID: pl.String})


def nothing_moved() -> pl.DataFrame:
    """No row of `RerankResult.moved`."""
    return pl.DataFrame(schema={c.USER_ID: pl.String, c.ITEM_ID: pl.String, c.RULE: pl.String})


@dataclass(frozen=True)
class RerankContext:
    """Everything the rules and the filling of short lists may look at.

    Attributes:
        items: `item_id` (distinct), `category` (missing = of no category, never capped), `is_available` Boolean. Rules
            of the settings look at `creator`, `published_at`, `first_seen_at`, `user_count` too, where they are there.
        consumed: `user_id`, `item_id`; repeats are harmless.
        users: Distinct ids of the users to serve, cold ones included.
        fallback: `item_id`, `score`; the order in which short lists are filled, greatest first. Available items that
            it lacks come last.
        k: Length of a list.
        max_per_category: Items of one category in a list, while others last.
        diversity: From 0 to 1, how much variety of categories counts against relevance.
        allow_repeats: Whether consumed items may be recommended.
        user_regions: `user_id` (distinct), `availability_region`; a user without a row is in UNKNOWN_REGION.
        exclusions: `availability_region`, `item_id` of what may not be recommended there; without rows nothing is
            restricted.
        rules: Which rules of the settings are obeyed, and by whom.
        facts: What they look at.
        hidden: By rule the pairs `user_id`, `item_id` that it leaves out, see `hidden_pairs`.
        drawn: Last places of a list that chance draws: what rules ask for stands before them.
        threads: How many groups of users rules put in order at once; it changes no list.
    """

    items: pl.DataFrame
    consumed: pl.DataFrame
    users: pl.Series
    fallback: pl.DataFrame
    k: int
    max_per_category: int
    diversity: float = 0.0
    allow_repeats: bool = False
    user_regions: pl.DataFrame = field(default_factory=_no_regions)
    exclusions: pl.DataFrame = field(default_factory=_no_exclusions)
    rules: RulesSettings = field(default_factory=RulesSettings)
    facts: RuleFacts = field(default_factory=RuleFacts)
    hidden: Mapping[str, pl.DataFrame] = field(default_factory=dict[str, pl.DataFrame])
    drawn: int = 0
    threads: int = 1


@dataclass(frozen=True)
class RerankResult:
    """Lists and what they lack.

    Attributes:
        lists: `user_id`, `rank` Int32 from 1 without gaps, `item_id`, `score`, `sources`; sorted by user and rank.
        short_lists: One row a user with fewer than k: `user_id`, `list_length`, `eligible_count`, `reason`; sorted.
        moved: `user_id`, `item_id`, `rule`: rows of lists that a rule of the settings moved up, or pinned, and the last
            that did.
    """

    lists: pl.DataFrame
    short_lists: pl.DataFrame
    moved: pl.DataFrame = field(default_factory=nothing_moved)
