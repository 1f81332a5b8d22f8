"""Explanations of segments and favourite categories: one small decision tree per target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recs_platform.contracts import columns as c
from recs_platform.contracts.threads import limited
from recs_platform.stages.segments.sklearn_adapter import CLUSTERING_LIBRARY, Tree, grow_tree

if TYPE_CHECKING:
    import polars as pl

    from recs_platform.stages.segments.scaling import Matrix

CLASSES_MAX = 12
OTHER = "other"
LEAF_SHARE, LEAF_MIN = 0.01, 5


@dataclass(frozen=True)
class Explanation:
    """A tree: its rules over the features, its accuracy, and the share of the commonest value."""

    target: str
    rules: str
    accuracy: float
    commonest_share: float
    user_count: int


def explain_targets(
    values: Matrix, features: Sequence[str], targets: dict[str, pl.Series], *, users_max: int, seed: int
) -> tuple[pl.DataFrame, list[Explanation]]:
    """Rows of segments.segment_factors, and each tree in words.

    `values` (users, features) has no missing value; `targets` have one value a user, null = left out. At most
    `users_max` users, drawn by the seed, make a tree; values beyond the twelve commonest are `other`. A target with one
    value only has no tree and no row.
    """
    import polars as pl

    drawn = np.sort(np.random.default_rng(seed).permutation(len(values))[:users_max])
    rows: list[tuple[str, str, float, int]] = []
    explanations: list[Explanation] = []
    with limited(1, CLUSTERING_LIBRARY):
        for target, all_values in targets.items():
            is_known = all_values[drawn].is_not_null().to_numpy()
            classes = _classes(all_values[drawn[is_known]])
            if classes.n_unique() <= 1:
                continue
            leaf_min = max(LEAF_MIN, round(LEAF_SHARE * len(classes)))
            tree = grow_tree(values[drawn[is_known]], features, classes.to_list(), leaf_min=leaf_min, seed=seed)
            rows += _importances(target, features, tree)
            commonest = int(classes.value_counts()["count"].max() or 0)  # pyright: ignore[reportArgumentType]
            explanations.append(Explanation(target, tree.rules, tree.accuracy, commonest / len(classes), len(classes)))
    schema = {c.TARGET: pl.String(), c.FEATURE: pl.String(), c.IMPORTANCE: pl.Float64(), c.RANK: pl.Int32()}
    return pl.DataFrame(rows, schema=schema, orient="row"), explanations


def _classes(values: pl.Series) -> pl.Series:
    """The values, those beyond the CLASSES_MAX commonest (ties to the first by name) as one."""
    import polars as pl

    counted = values.alias("value").value_counts().sort("count", "value", descending=[True, False])
    common = counted["value"].head(CLASSES_MAX).to_list()
    return pl.select(pl.when(values.is_in(common)).then(values).otherwise(pl.lit(OTHER)).alias("value")).to_series()


def _importances(target: str, features: Sequence[str], tree: Tree) -> list[tuple[str, str, float, int]]:
    used = [at for at in range(len(features)) if tree.importances[at] > 0]
    ordered = sorted(used, key=lambda at: (-tree.importances[at], features[at]))
    return [(target, features[at], float(tree.importances[at]), rank) for rank, at in enumerate(ordered, start=1)]
