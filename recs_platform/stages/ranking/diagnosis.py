"""What a forest learned, seen on a later window: its learning curve, whether it lost what it had, what it leans on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.evaluation.bootstrap import cluster_intervals
from recs_platform.evaluation.metrics import user_metrics
from recs_platform.stages.ranking.forest import staged_scores
from recs_platform.stages.ranking.ranker import FEATURE, GAIN_SHARE, Ranker, feature_importance, feature_matrix
from recs_platform.stages.ranking.scoring import best_rows

TREES, LEARNED, LATER, LOSS = "trees", "ndcg_learned", "ndcg_later", "ndcg_loss"
_STAGES = 6
_PAIR = [c.USER_ID, c.ITEM_ID]
# Rows of users with a positive: no others count.
_IS_COUNTED = (pl.col(c.LABEL) > 0).any().over(c.USER_ID)


@dataclass(frozen=True)
class Diagnosis:
    """`curve`: trees, ndcg_learned, ndcg_later; `importance`: feature, gain_share, ndcg_loss when it is shuffled.

    `lost`: how much more NDCG the best number of trees had on the later window than all of them have; `lost_low`: lower
    bound of its 95 % interval over `users`. The number is chosen by the other half of the users: the best of several on
    the same ones would look better than it is.
    """

    curve: pl.DataFrame
    importance: pl.DataFrame
    lost: float
    lost_low: float
    users: int

    @property
    def is_overfitted(self) -> bool:
        """Whether fewer trees were better on the later window, beyond what the draw of its users explains."""
        return self.lost_low > 0


def diagnose(
    ranker: Ranker, learned: pl.DataFrame, later: pl.DataFrame, *, k: int, features: int, seed: int, threads: int
) -> Diagnosis | None:
    """Diagnose a forest on the labelled rows of a window it learned from and of one after it; None for the fusion.

    NDCG@k of the candidates alone, over users with a positive among them. `features`: of how many, the greatest by
    gain, the loss is measured that shuffling them over all rows brings (Breiman 2001).
    """
    if ranker.kind == "fusion" or not (later[c.LABEL] > 0).any():
        return None
    importance = _importance(ranker, later, k=k, features=features, seed=seed, threads=threads)
    learned, later = learned.filter(_IS_COUNTED), later.filter(_IS_COUNTED)
    stages = _stages(ranker)
    by_stage = [_ndcg(later, scores, k) for scores in _scores(ranker, later, stages, threads)]
    curve = pl.DataFrame(
        {
            TREES: stages,
            LEARNED: [_mean(_ndcg(learned, scores, k)) for scores in _scores(ranker, learned, stages, threads)],
            LATER: [_mean(found) for found in by_stage],
        }
    )
    lost = _lost(np.column_stack([found[c.VALUE].to_numpy() for found in by_stage]), seed)
    found = cluster_intervals(np.arange(len(lost)), lost[:, None], seed=seed)
    return Diagnosis(curve, importance, float(found.value[0]), float(found.low[0]), len(lost))


def _lost(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Of half of the users, what the last column of `values` (users, stages) lacks of the one best for the others."""
    order = np.random.default_rng(seed).permutation(len(values))
    choosing, judging = values[order[: len(order) // 2]], values[order[len(order) // 2 :]]
    best = int(choosing.mean(axis=0).argmax()) if len(choosing) else -1
    return judging[:, best] - judging[:, -1]


def _stages(ranker: Ranker) -> list[int]:
    """Numbers of trees, doubled up to all of them."""
    trees = ranker.booster_text.count("\nTree=")
    return sorted({max(1, trees >> halved) for halved in range(_STAGES)})


def _scores(ranker: Ranker, rows: pl.DataFrame, stages: Sequence[int], threads: int) -> list[NDArray[np.float64]]:
    return staged_scores(ranker.booster_text, feature_matrix(rows, ranker.feature_set), stages, threads=threads)


def _ndcg(rows: pl.DataFrame, scores: NDArray[np.float64], k: int) -> pl.DataFrame:
    """user_id and value of each user with a positive, by user."""
    found = user_metrics(best_rows(rows, scores, k), rows.filter(pl.col(c.LABEL) > 0).select(_PAIR), k)
    return found.filter(pl.col(c.METRIC) == c.NDCG)


def _mean(found: pl.DataFrame) -> float:
    return float(found[c.VALUE].to_numpy().mean()) if found.height else float("nan")


def _importance(ranker: Ranker, rows: pl.DataFrame, *, k: int, features: int, seed: int, threads: int) -> pl.DataFrame:
    gains = feature_importance(ranker).head(features)
    counted, is_counted = rows.filter(_IS_COUNTED), rows.select(_IS_COUNTED).to_series().to_numpy()
    everybody, rng = feature_matrix(rows, ranker.feature_set), np.random.default_rng(seed)
    matrix = everybody[is_counted]
    whole = _mean(_ndcg(counted, ranker.forest_scores(matrix, threads), k))
    losses: list[float] = []
    for name in gains[FEATURE]:
        column = ranker.feature_set_names.index(name)
        kept = matrix[:, column].copy()
        matrix[:, column] = rng.permutation(everybody[:, column])[is_counted]
        losses.append(whole - _mean(_ndcg(counted, ranker.forest_scores(matrix, threads), k)))
        matrix[:, column] = kept
    return gains.select(FEATURE, GAIN_SHARE).with_columns(pl.Series(LOSS, losses, pl.Float64))
