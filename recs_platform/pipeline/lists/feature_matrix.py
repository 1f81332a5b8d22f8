"""The ranker's features of blocks of candidates as one matrix: what users and items are is gathered by code."""
# ruff: noqa: S608  names come from models and contracts

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.features import Feature, FeatureSet
from recs_platform.contracts.tables import CANDIDATES
from recs_platform.stages.features import feature_tables
from recs_platform.stages.retrieval import MergedLists, RetrievalProblem
from recs_platform.warehouse.clauses import quoted, relation
from recs_platform.warehouse.models import Models
from recs_platform.warehouse.runner import ModelRun

Matrix = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class CodedTable:
    """Features of one table: the `columns` of the matrix that they fill, and float32 (n_keys + 1, features).

    `keys`: int64, ascending; the last row of `values`, all NaN, is that of keys which the table does not have.
    """

    columns: slice | list[int]
    keys: NDArray[np.int64]
    values: Matrix

    def of(self, keys: NDArray[np.int64]) -> Matrix:
        """Values of each key, in its order."""
        if len(self.keys) and self.keys[-1] == len(self.keys) - 1:
            return self.values[keys]  # every code has a row
        at = np.searchsorted(self.keys, keys)
        found = np.append(self.keys, -1)[at] == keys
        return self.values[np.where(found, at, len(self.keys))]


@dataclass(frozen=True, eq=False)
class FeatureMatrix:
    """Tables of features of users, of items, and of pairs that may be candidates or not."""

    feature_set: FeatureSet
    n_items: int
    of_users: tuple[CodedTable, ...]
    of_items: tuple[CodedTable, ...]
    of_pairs: tuple[CodedTable, ...]

    def of(self, block: MergedLists, pairs: Mapping[str, pl.DataFrame]) -> Matrix:
        """float32 (candidates, features) in the order of the block and the feature set, missing as NaN.

        `pairs`: what was computed of the block's candidates, by table, in the order of the block.
        """
        matrix = np.full((len(block.users), len(self.feature_set.names)), np.nan, dtype=np.float32)
        self._fill_offers(matrix, block)
        users, items = block.users.astype(np.int64), block.items.astype(np.int64)
        keyed = ((self.of_users, users), (self.of_items, items), (self.of_pairs, users * self.n_items + items))
        for tables, keys in keyed:
            for table in tables:
                matrix[:, table.columns] = table.of(keys)
        for name, frame in pairs.items():
            features = _features(self.feature_set, name)
            if features:
                matrix[:, _columns(self.feature_set, name)] = _numbers(frame.select(each.name for each in features))
        return matrix

    def _fill_offers(self, matrix: Matrix, block: MergedLists) -> None:
        position = {name: column for column, name in enumerate(self.feature_set.names)}
        offered = block.ranks > 0
        matrix[:, position[c.SOURCE_COUNT]] = offered.sum(axis=0)
        matrix[:, position[c.FUSED_SCORE]] = block.fused
        for row, name in enumerate(block.names):
            for column, values in ((c.source_rank(name), block.ranks), (c.source_score_share(name), block.shares)):
                matrix[:, position[column]] = np.where(offered[row], values[row], np.nan)


def feature_matrix(run: ModelRun, models: Models, feature_set: FeatureSet, problem: RetrievalProblem) -> FeatureMatrix:
    """Features of the problem's users, items and pairs as of the run's instant, but for those of candidates."""
    ids = {c.USER_ID: problem.user_series, c.ITEM_ID: problem.item_series}
    tables: dict[tuple[str, ...], list[CodedTable]] = {(c.USER_ID,): [], (c.ITEM_ID,): [], (c.USER_ID, c.ITEM_ID): []}
    for name in feature_tables(feature_set):
        if CANDIDATES.name not in models.upstreams(name):
            grain = tuple(sorted(models.grain(name), reverse=True))
            tables[grain].append(_coded(run, name, grain, ids, feature_set))
    users, items, pairs = (tuple(found) for found in tables.values())
    return FeatureMatrix(feature_set, problem.n_items, users, items, pairs)


def _coded(
    run: ModelRun, name: str, grain: tuple[str, ...], ids: Mapping[str, pl.Series], feature_set: FeatureSet
) -> CodedTable:
    features = _features(feature_set, name)
    selected = ", ".join(f"{quoted(feature.name)}::float as {quoted(feature.name)}" for feature in features)
    rows = run.query(f"select {', '.join(grain)}, {selected} from {relation(run.require(name))}")
    codes = [rows[key].cast(pl.Enum(ids[key]), strict=False).to_physical().cast(pl.Int64) for key in grain]
    keys = codes[0] if len(codes) == 1 else codes[0] * len(ids[grain[-1]]) + codes[-1]
    known = rows.with_columns(keys.alias(grain[0])).drop_nulls(grain[0]).sort(grain[0])
    values = _numbers(known.select(feature.name for feature in features))
    missing = np.full((1, len(features)), np.nan, dtype=np.float32)
    return CodedTable(_columns(feature_set, name), known[grain[0]].to_numpy(), np.concatenate([values, missing]))


def _numbers(frame: pl.DataFrame) -> Matrix:
    return frame.with_columns(pl.all().cast(pl.Float32)).to_numpy()


def _features(feature_set: FeatureSet, table: str) -> list[Feature]:
    return [feature for feature in feature_set.features if feature.table == table]


def _columns(feature_set: FeatureSet, table: str) -> slice | list[int]:
    """Columns of a table's features; a range where they stand together, which numpy fills several times as fast."""
    columns = [column for column, feature in enumerate(feature_set.features) if feature.table == table]
    if columns == list(range(columns[0], columns[-1] + 1)):
        return slice(columns[0], columns[-1] + 1)
    return columns
