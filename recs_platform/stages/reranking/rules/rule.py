"""What a re-ranking rule is. Which rules there are, and in which order, is decided by `RULES`."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from recs_platform.stages.reranking.context import RerankContext


@dataclass(frozen=True)
class Rule:
    """One rule of re-ranking.

    `apply(ranked, context)` takes rows with at least `user_id`, `item_id`, users together and each user's rows in list
    order. It returns rows of `ranked`, unchanged and none twice, with the same columns and in list order again: it may
    leave rows out and move rows within their user. The list is cut to k after the last rule.
    """

    name: str
    apply: Callable[[pl.DataFrame, RerankContext], pl.DataFrame]
