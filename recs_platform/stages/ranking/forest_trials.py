"""Rows on which a compiled forest must agree with LightGBM: some of each kind, and some at every threshold."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recs_platform.stages.ranking.forest_source import float_threshold, split_categories, split_nodes

TRIAL_ROWS = 10_000

_SEED = 7
_MISSING_SHARE = 0.1
_MOVED_SHARE = 0.5

Node = Mapping[str, Any]
Matrix = NDArray[np.float32]


def trial_rows(trees: Sequence[Node], features: int, training_rows: Matrix | None) -> Matrix:
    """Rows (at least 10,000, features) to score: half of `training_rows` where given, the others around thresholds.

    Then, for each split, rows that come to it with its threshold, the next numbers below and above, zero, and nothing.
    """
    random = np.random.default_rng(_SEED)
    roots = [tree["tree_structure"] for tree in trees]
    known = 0 if training_rows is None else min(len(training_rows), TRIAL_ROWS // 2)
    drawn = _drawn_rows(roots, features, TRIAL_ROWS - known, random)
    parts = (
        [drawn]
        if training_rows is None
        else [drawn, training_rows[random.choice(len(training_rows), known, replace=False)]]
    )
    edges = [row for root in roots for row in _edge_rows(root, drawn[0])]
    return np.vstack([*parts, *edges])


def _drawn_rows(roots: Sequence[Node], features: int, count: int, random: np.random.Generator) -> Matrix:
    """Thresholds, categories, zero and infinities, half of them moved a little, a tenth missing."""
    values: list[list[float]] = [[0.0, -1.0, np.inf, -np.inf] for _ in range(features)]
    for node in (node for root in roots for node in split_nodes(root)):
        values[node["split_feature"]] += _edges(node)
    drawn = np.column_stack([random.choice(pool, count) for pool in values])
    moved = np.where(random.random(drawn.shape) < _MOVED_SHARE, drawn, drawn * random.normal(1, 0.5, drawn.shape))
    with np.errstate(over="ignore"):
        return np.where(random.random(drawn.shape) < _MISSING_SHARE, np.nan, moved).astype(np.float32)


def _edge_rows(node: Node, row: Matrix) -> Iterator[Matrix]:
    """Rows at the edges of each split below and at `node`, made from one that comes to it."""
    if "split_feature" not in node:
        return
    feature, edges = node["split_feature"], _edges(node)
    yield from (_with(row, feature, edge) for edge in (*edges, 0.0, np.nan))
    yield from _edge_rows(node["left_child"], _with(row, feature, edges[0]))
    yield from _edge_rows(node["right_child"], _with(row, feature, edges[-1]))


def _edges(node: Node) -> list[float]:
    """Numbers about a split, from one that goes left to one that goes right."""
    categories = split_categories(node)
    if categories:
        return [*map(float, categories), -1.0, max(categories) + 1.0]
    at = float_threshold(node["threshold"])
    return [float(at), float(np.nextafter(at, np.float32(-np.inf))), float(np.nextafter(at, np.float32(np.inf)))]


def _with(row: Matrix, feature: int, value: float) -> Matrix:
    changed = row.copy()
    changed[feature] = value
    return changed
