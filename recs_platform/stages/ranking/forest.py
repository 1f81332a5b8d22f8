"""The adapter of LightGBM: matrices and plain values in, a model text or scores out. Frames are in `ranker`."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import lightgbm

# Gains by grade: nothing, chosen, liked, bought or the like.
GRADE_GAINS = (0.0, 1.0, 1.5, 2.0)
MAX_GROUP_ROWS = 10_000  # the most that LightGBM allows in a query

_FIXED = {
    "objective": "lambdarank",
    "label_gain": list(GRADE_GAINS),
    "deterministic": True,
    "force_row_wise": True,  # with `deterministic`: the same trees at any number of threads
    "verbosity": -1,
}


@dataclass(frozen=True, eq=False)
class ForestRows:
    """Rows to learn from, those of a group adjacent.

    `matrix`: float32 (n, features), NaN for missing; `grades`: index into GRADE_GAINS (n,); `group_sizes` sum to n.
    `importance` (n,): how much each row counts, all alike where None. `positions`: int (n,), the place at which a row
    was shown, 0 = unknown; given, what a place alone explains is learned apart and left out of the scores.
    """

    matrix: NDArray[np.float32]
    grades: NDArray[np.int8]
    group_sizes: NDArray[np.int64]
    importance: NDArray[np.float64] | None = None
    positions: NDArray[np.int32] | None = None


def grow_forest(
    rows: ForestRows,
    *,
    names: Sequence[str],
    parameters: Mapping[str, float],
    trees: int,
    seed: int,
    threads: int,
) -> str:
    """Train LambdaRank (Burges 2010) and return the model as text, the same text whatever `threads` is."""
    import lightgbm

    settings = _settings(parameters, seed, threads)
    text = lightgbm.train(settings, _dataset(rows, names), num_boost_round=trees).model_to_string()
    return re.sub(r"\[num_threads: \d+\]", "[num_threads: 0]", text)


def best_tree_count(
    rows: ForestRows,
    later: ForestRows,
    parameters: Mapping[str, float],
    *,
    trees: int,
    patience: int,
    seed: int,
    threads: int,
) -> int:
    """How many of at most `trees` give the best NDCG@10 on `later`; growth ends `patience` trees after the best."""
    import lightgbm

    settings = {**_settings(parameters, seed, threads), "metric": "ndcg", "eval_at": [10]}
    data = _dataset(rows, [f"f{column}" for column in range(rows.matrix.shape[1])])
    watched = lightgbm.Dataset(
        later.matrix, label=later.grades, group=later.group_sizes, reference=data, free_raw_data=False
    )
    grown = lightgbm.train(
        settings,
        data,
        num_boost_round=trees,
        valid_sets=[watched],
        callbacks=[lightgbm.early_stopping(patience, verbose=False)],
    )
    return max(1, grown.best_iteration)


def _settings(parameters: Mapping[str, float], seed: int, threads: int) -> dict[str, Any]:
    return {**_FIXED, **parameters, "seed": seed, "num_threads": threads}


def _dataset(rows: ForestRows, names: Sequence[str]) -> "lightgbm.Dataset":
    import lightgbm

    lightgbm.register_logger(logging.getLogger(__name__))
    return lightgbm.Dataset(
        rows.matrix,
        label=rows.grades,
        group=rows.group_sizes,
        weight=rows.importance,
        position=rows.positions,
        feature_name=list(names),
    )


def score_forest(text: str, matrix: NDArray[np.float32], *, threads: int) -> NDArray[np.float64]:
    """Raw scores (n,), higher is better; a row's score does not depend on the other rows."""
    return np.asarray(_forest(text).predict(matrix, num_threads=threads), dtype=np.float64)


def staged_scores(
    text: str, matrix: NDArray[np.float32], stages: Sequence[int], *, threads: int
) -> list[NDArray[np.float64]]:
    """Raw scores (n,) of the first trees alone, for each number of trees in `stages`, ascending."""
    # Rows are read once a stage: from rows that lie together in half of the time.
    forest, begun, matrix = _forest(text), 0, np.ascontiguousarray(matrix)
    scores, found = np.zeros(len(matrix)), list[NDArray[np.float64]]()
    for stage in stages:
        added = forest.predict(matrix, num_threads=threads, start_iteration=begun, num_iteration=stage - begun)
        scores = scores + np.asarray(added, dtype=np.float64)
        found.append(scores)
        begun = stage
    return found


def forest_gains(text: str) -> NDArray[np.float64]:
    """Total gain of the splits on each feature, in the order of the features it was trained on."""
    return np.asarray(_forest(text).feature_importance("gain"), dtype=np.float64)


def forest_dump(text: str) -> dict[str, Any]:
    """The forest as LightGBM's `dump_model()` tells it: `tree_info`, one a tree, in the order they are added."""
    return _forest(text).dump_model()


def _forest(text: str) -> "lightgbm.Booster":
    import lightgbm

    lightgbm.register_logger(logging.getLogger(__name__))
    return lightgbm.Booster(model_str=text)


def forest_depth(text: str) -> float:
    r"""Nodes that a row passes on its way to its leaves, summed over the trees as if they were balanced.

    >>> forest_depth("num_leaves=8\nnum_leaves=2\n")  # 3 + 1
    4.0
    """
    leaves = [int(found) for found in re.findall(r"^num_leaves=(\d+)$", text, flags=re.MULTILINE)]
    return float(np.log2(np.maximum(leaves, 1)).sum()) if leaves else 0.0
