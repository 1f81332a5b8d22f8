"""Names in the table of offline metrics, and which protocol is reported. The metrics are summarized in `offline`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c

if TYPE_CHECKING:
    import polars as pl

FINAL = "final"
UNMITIGATED = "without_mitigation"
POPULARITY = "popularity"
EVERYONE = "all"
NDCG = "ndcg"
MINUS_POPULARITY = "ndcg_minus_popularity"
MINUS_BEST = "ndcg_minus_best_source"
PER_USER = "per_user"
_PREFERRED_PROTOCOLS = ("global", PER_USER)


def chosen_protocol(user_metrics: pl.DataFrame) -> str | None:
    """The protocol of reports that show one number: `global`, else `per_user`, else the first by name; None if none.

    `user_metrics` has a column protocol.
    """
    found = user_metrics[c.PROTOCOL].unique().sort().to_list()
    return next((name for name in (*_PREFERRED_PROTOCOLS, *found) if name in found), None)
