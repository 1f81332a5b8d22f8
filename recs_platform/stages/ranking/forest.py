"""The adapter of LightGBM: matrices and plain values in, a model text or scores out. Frames are in `ranker`."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import logging
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import lightgbm

MAX_GROUP_ROWS = 10_000  # the most that LightGBM allows in a query

_FIXED = {
    "objective": "lambdarank",
    "label_gain": [0, 1],
    "deterministic": True,
    "force_row_wise": True,  # with `deterministic`: the same trees at any number of threads
    "verbosity": -1,
}


def grow_forest(
    matrix: NDArray[np.float32],
    labels: NDArray[np.int8],
    group_sizes: NDArray[np.int64],
    *,
    names: Sequence[str],
    parameters: Mapping[str, float],
    trees: int,
    seed: int,
    threads: int,
) -> str:
    """Train LambdaRank (Burges 2010) and return the model as text, the same text whatever `threads` is.

    `matrix` is (n, features) with NaN for missing; rows of a group are adjacent, `group_sizes` sum to n.
    """
    import lightgbm

    lightgbm.register_logger(logging.getLogger(__name__))
    data = lightgbm.Dataset(matrix, label=labels, group=group_sizes, feature_name=list(names))
    settings = {**_FIXED, **parameters, "seed": seed, "num_threads": threads}
    text = lightgbm.train(settings, data, num_boost_round=trees).model_to_string()
    return re.sub(r"\[num_threads: \d+\]", "[num_threads: 0]", text)


def score_forest(text: str, matrix: NDArray[np.float32], *, threads: int) -> NDArray[np.float64]:
    """Raw scores (n,), higher is better; a row's score does not depend on the other rows."""
    return np.asarray(_forest(text).predict(matrix, num_threads=threads), dtype=np.float64)


def forest_contributions(text: str, matrix: NDArray[np.float32], *, threads: int) -> NDArray[np.float64]:
    """What each feature adds to the raw score (TreeSHAP, Lundberg 2020): (n, features + 1), last the mean."""
    return np.asarray(_forest(text).predict(matrix, num_threads=threads, pred_contrib=True), dtype=np.float64)


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
