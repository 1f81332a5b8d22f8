"""Blending: two orders of a user's candidates into one score. They are the ranker's and the fused score's."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c

RECIPROCAL_OFFSET = 60  # Cormack, Clarke and Büttcher 2009

_MODEL_SCORE = "_model_score"


def blend_with_fusion(rows: pl.DataFrame, scores: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """Reciprocal-rank fusion of the model's order with the sources' own.

    Args:
        rows: `user_id`, `fused_score` and, where users recur, `cutoff` and `fold`; whole groups, in any order.
        scores: float64 (n,), the model's score of each row, higher is better.
        weight: Share of `fused_score` in [0, 1].

    Returns:
        float64 (n,) in the order of `rows`: (1-weight)/(60+p) + weight/(60+q) with p, q the row's ranks in its group
        by model and by `fused_score`; rows that tie share the better rank.
    """
    keys = [key for key in (c.CUTOFF, c.FOLD, c.USER_ID) if key in rows.columns]
    blended = rows.select(*keys, c.FUSED_SCORE, pl.Series(_MODEL_SCORE, scores)).select(
        ((1 - weight) * _reciprocal_rank(_MODEL_SCORE, keys) + weight * _reciprocal_rank(c.FUSED_SCORE, keys)).alias(
            c.SCORE
        )
    )
    return blended[c.SCORE].to_numpy()


def _reciprocal_rank(column: str, keys: list[str]) -> pl.Expr:
    return 1.0 / (RECIPROCAL_OFFSET + pl.col(column).rank("min", descending=True).over(keys))
