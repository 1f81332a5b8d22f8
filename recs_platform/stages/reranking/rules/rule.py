"""The two types of re-ranking rule: a filter of what may be shown, or a reorder of it. `RULES` lists them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import polars as pl

from recs_platform.stages.reranking.context import RerankContext

IsOn = Callable[[RerankContext], bool]
Apply = Callable[[pl.DataFrame, RerankContext], pl.DataFrame]


def always(context: RerankContext) -> bool:  # noqa: ARG001  what the question is about
    """Of a rule that no setting turns off."""
    return True


@dataclass(frozen=True)
class Rule:
    """What both types have: a name, and a function that gives rows of its input, unchanged and none twice."""

    name: str
    apply: Apply


@dataclass(frozen=True)
class Filter(Rule):
    """Which items a user may be shown; the fallback, checks, short lists, explanations and evaluation obey it too.

    `apply(pairs, context)` takes rows with at least `user_id` and `item_id`, in any order, and leaves out those that
    may not be shown; the order of the others stays. It judges each row by itself: neither the order nor the other rows
    count. `by`: "item" where the user does not count either; such a filter is also given rows without `user_id`.
    `reason`: why a pair is left out, as in "the item is not available". `check`, `promise`: name and sentence of the
    asset check that no list breaks it. `is_on(context)`: whether the settings turn it on.
    """

    by: Literal["item", "user_item"] = "user_item"
    reason: str = ""
    check: str = ""
    promise: str = ""
    is_on: IsOn = always

    @property
    def why(self) -> str:
        """Why a pair is left out, for a reader."""
        return self.reason or f"the rule {self.name!r} leaves the item out"

    @property
    def check_name(self) -> str:
        """Name of its asset check: letters, digits and underscores."""
        return self.check or re.sub(r"\W", "_", f"obeys_{self.name}", flags=re.ASCII)

    @property
    def promised(self) -> str:
        """The description of its asset check."""
        return self.promise or f"No list holds an item that the rule {self.name!r} leaves out"


@dataclass(frozen=True)
class Reorder(Rule):
    """In which order a user's items are shown, after all filters and before the cut to k.

    `apply(ranked, context)` takes rows with `user_id`, `item_id`, `score`, `sources`, users together and each user's
    rows in list order. It returns the same rows, moved within their user.
    """
