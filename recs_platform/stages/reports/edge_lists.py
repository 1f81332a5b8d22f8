"""What became of made-up users, as reports are given it. It is judged in `edge_cases`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class EdgeLists:
    """What became of made-up users.

    `people`: user_id, name, message (who it is). `events`: user_id, event_count; `offered`: user_id, offer_count of
    their candidates. `lists`: user_id, rank, item_id, title, category, score, sources. `short_lists`: user_id,
    list_length, eligible_count, reason. `popular`: user_id, item_id of the list that the fallback alone would give.
    `broken`: by check the rows that break it. `k`: how long a list is.
    """

    people: pl.DataFrame
    events: pl.DataFrame
    offered: pl.DataFrame
    lists: pl.DataFrame
    short_lists: pl.DataFrame
    popular: pl.DataFrame
    broken: Mapping[str, pl.DataFrame]
    k: int
