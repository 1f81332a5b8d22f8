"""What re-ranking knows beside the ranked rows, and what it returns. No rule and no computation here."""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class RerankContext:
    """Everything the rules and the filling of short lists may look at.

    Attributes:
        items: `item_id` (distinct), `category` (missing = of no category, never capped), `is_available` Boolean.
        consumed: `user_id`, `item_id`; repeats are harmless.
        users: Distinct ids of the users to serve, cold ones included.
        fallback: `item_id`, `score`; the order in which short lists are filled, greatest first. Available items that
            it lacks come last.
        k: Length of a list.
        max_per_category: Items of one category in a list, while others last.
        allow_repeats: Whether consumed items may be recommended.
    """

    items: pl.DataFrame
    consumed: pl.DataFrame
    users: pl.Series
    fallback: pl.DataFrame
    k: int
    max_per_category: int
    allow_repeats: bool = False


@dataclass(frozen=True)
class RerankResult:
    """Lists and what they lack.

    Attributes:
        lists: `user_id`, `rank` Int32 from 1 without gaps, `item_id`, `score`, `sources`; sorted by user and rank.
        short_lists: One row a user with fewer than k: `user_id`, `list_length`, `eligible_count`, `reason`; sorted.
    """

    lists: pl.DataFrame
    short_lists: pl.DataFrame
