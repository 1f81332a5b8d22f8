"""Measurements of compiled forests beside LightGBM on the same rows; where nothing compiles, none is printed."""

# LightGBM has no types.
# pyright: reportUnknownMemberType=false

import sys
from collections.abc import Callable
from pathlib import Path

import lightgbm
import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.promises import SCORE_FEW, SCORE_MANY, SCORE_PROMOTED
from benchmarks.timing import SEED, Row, timed
from recs_platform.cli.house import open_platform
from recs_platform.contracts.features import Feature, FeatureSet
from recs_platform.stages import ranking
from recs_platform.stages.ranking.compiled_forest import CompiledForest, load_compiled
from recs_platform.stages.ranking.forest import ForestRows, grow_forest

TREES, LEAVES, FEATURES = 100, 31, 40
TRAINING_ROWS, GROUP = 20_000, 100
SCORED = 200_000  # in calls of so many rows as a measurement says
REPEATS = 3


def compiled_forest(folder: Path, scale: float) -> list[Row]:
    """Forests grown on noise with missing values: their cost is in trees and leaves, not in what they learned."""
    config, threads = ranking.RankerConfig(), open_platform().settings.threads
    matrix, labels = _taught()
    large = _grown(matrix, labels, TREES, LEAVES)
    promoted = _grown(matrix, labels, config.trees, config.leaves)
    rows = [
        row
        for what, count in ((SCORE_MANY, len(matrix)), (SCORE_FEW, 200))
        for row in _beside_lightgbm(folder, what, large, matrix[:count])
    ]
    return rows + _with_assembly(folder, promoted, int(2_000_000 * scale), matrix, threads)


def _beside_lightgbm(folder: Path, what: str, model: str, matrix: NDArray[np.float32]) -> list[Row]:
    """One thread each: LightGBM's own share of a second core depends on what else runs."""
    forest = _compiled(folder, model, matrix)
    if forest is None:
        return []
    calls = SCORED // len(matrix)
    seconds = _least(lambda: forest.score(matrix, 1), calls)
    peer = lightgbm.Booster(model_str=model)  # read once, for that takes longer than 200 rows
    plain = _least(lambda: peer.predict(matrix, num_threads=1), calls)
    told = f"{calls} times, {TREES} trees x {LEAVES} leaves, {FEATURES} features"
    return [Row(what, seconds, calls * len(matrix), "rows", "LightGBM's predict", plain, told)]


def _with_assembly(folder: Path, model: str, count: int, training_rows: NDArray[np.float32], threads: int) -> list[Row]:
    """From a frame of candidates to scores, as the champion does it."""
    forest = _compiled(folder, model, training_rows)
    if forest is None:
        return []
    features = FeatureSet(tuple(Feature(f"f{place}", "FLOAT", "t") for place in range(FEATURES)))
    frame = pl.DataFrame(np.resize(training_rows, (count, FEATURES)), schema=list(features.names))
    ours = ranking.Ranker("lightgbm", features, model, compiled=forest)
    theirs = ranking.Ranker("lightgbm", features, model)
    seconds, _ = timed(lambda: ours.score(frame, threads))
    plain, _ = timed(lambda: theirs.score(frame, threads))
    config = ranking.RankerConfig()
    told = f"{config.trees} trees x {config.leaves} leaves, {FEATURES} features"
    return [Row(SCORE_PROMOTED, seconds, count, "rows", "the same with LightGBM", plain, told)]


def _compiled(folder: Path, model: str, training_rows: NDArray[np.float32]) -> CompiledForest | None:
    folder.mkdir(exist_ok=True)
    ranking.compile_forest(folder, model, training_rows)
    forest = load_compiled(folder, model)
    if isinstance(forest, str):
        print(f"not measured: {forest}", file=sys.stderr)
        return None
    return forest


def _least(action: Callable[[], object], calls: int) -> float:
    return min(timed(lambda: [action() for _ in range(calls)])[0] for _ in range(REPEATS))


def _taught() -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    random = np.random.default_rng(SEED)
    matrix = random.random((TRAINING_ROWS, FEATURES), dtype=np.float32)
    labels = (matrix[:, 0] + matrix[:, 1] * matrix[:, 2] + random.random(TRAINING_ROWS) > 1.7).astype(np.int8)
    matrix[random.random(matrix.shape) < 0.1] = np.nan
    return matrix, labels


def _grown(matrix: NDArray[np.float32], labels: NDArray[np.int8], trees: int, leaves: int) -> str:
    return grow_forest(
        ForestRows(matrix, labels, np.full(TRAINING_ROWS // GROUP, GROUP, np.int64)),
        names=[f"f{number}" for number in range(FEATURES)],
        parameters={"num_leaves": leaves},
        trees=trees,
        seed=SEED,
        threads=1,
    )
