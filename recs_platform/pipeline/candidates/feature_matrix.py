"""The ranker's features of blocks of candidates as one matrix: what users and items are is gathered by code."""
# ruff: noqa: S608  names come from models and contracts

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.features import Feature, FeatureSet
from recs_platform.contracts.tables import CANDIDATES
from recs_platform.pipeline.candidates.pair_rows import PairRows
from recs_platform.stages.features import feature_tables
from recs_platform.stages.retrieval import MergedLists, RetrievalProblem, similarities
from recs_platform.warehouse.clauses import quoted, relation
from recs_platform.warehouse.models import Models
from recs_platform.warehouse.runner import ModelRun

Matrix = NDArray[np.float32]
# What is filled in before the next rows are begun: as much of the matrix as a core's cache holds.
_ROWS_AT_A_TIME = 2048
# Fills in columns of the rows from the first number up to the second.
FillRows = Callable[[int, int], object]


@dataclass(frozen=True, eq=False)
class CodedTable:
    """Features of one table: the `column` of the matrix where they begin, and float32 (n_keys + 1, features).

    `keys`: int64, ascending; the last row of `values`, all NaN, is that of keys which the table does not have.
    """

    column: int
    keys: NDArray[np.int64]
    values: Matrix

    def positions(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """Row of `values` of each key."""
        if len(self.keys) and self.keys[-1] == len(self.keys) - 1:
            return keys  # every code has a row
        at = np.searchsorted(self.keys, keys)
        found = np.append(self.keys, -1)[at] == keys
        return np.where(found, at, len(self.keys))


@dataclass(frozen=True, eq=False)
class FeatureMatrix:
    """Tables of features of users, of items, and of pairs that may be candidates or not."""

    feature_set: FeatureSet
    n_items: int
    of_users: tuple[CodedTable, ...]
    of_items: tuple[CodedTable, ...]
    of_pairs: tuple[CodedTable, ...]

    def fill(self, matrix: Matrix, block: MergedLists, pairs: Mapping[str, PairRows], threads: int) -> None:
        """Write the features of the block's candidates, in the order of the block and the feature set, missing as NaN.

        `matrix`: (candidates, features). `pairs`: what was computed of the block's candidates, by table.
        """
        from recs_platform.contracts.compiled_loops import by_rows

        parts = [
            self._offers(matrix, block),
            *self._similarities(matrix, block),
            *self._tables(matrix, block),
            *self._pairs(matrix, pairs),
        ]

        def work(first: int, last: int) -> None:
            for start in range(first, last, _ROWS_AT_A_TIME):
                for part in parts:
                    part(start, min(start + _ROWS_AT_A_TIME, last))

        by_rows(len(matrix), threads, work)

    def _similarities(self, matrix: Matrix, block: MergedLists) -> Iterator[FillRows]:
        from recs_platform.pipeline.candidates.kernels import fill_column

        for name, values in similarities(block).items():
            if name in self.feature_set.names:  # an older ranker may not know them
                given = (matrix, self.feature_set.names.index(name), values)
                yield lambda first, last, given=given: fill_column(first, last, *given)

    def _tables(self, matrix: Matrix, block: MergedLists) -> Iterator[FillRows]:
        from recs_platform.pipeline.candidates.kernels import gather_rows

        users, items = block.users.astype(np.int64), block.items.astype(np.int64)
        keyed = ((self.of_users, users), (self.of_items, items), (self.of_pairs, users * self.n_items + items))
        for table, keys in ((table, keys) for tables, keys in keyed for table in tables):
            given = (matrix, table.column, table.values, table.positions(keys))
            yield lambda first, last, given=given: gather_rows(first, last, *given)

    def _pairs(self, matrix: Matrix, pairs: Mapping[str, PairRows]) -> Iterator[FillRows]:
        from recs_platform.pipeline.candidates.kernels import gather_columns

        for name, found in pairs.items():
            features = _features(self.feature_set, name)
            if features:
                values = _numbers(found.rows.select(each.name for each in features)).T
                given = (matrix, _column(self.feature_set, name), values, found.positions)
                yield lambda first, last, given=given: gather_columns(first, last, *given)

    def _offers(self, matrix: Matrix, block: MergedLists) -> FillRows:
        """What sources say, and NaN for those that were not asked."""
        from recs_platform.pipeline.candidates.kernels import fill_offers

        position = {name: column for column, name in enumerate(self.feature_set.names)}
        of_sources = [(position[c.source_rank(name)], position[c.source_score_share(name)]) for name in block.names]
        ranks, shares = np.array(of_sources, dtype=np.int64).reshape(-1, 2).T.copy()
        own = {position[c.SOURCE_COUNT], position[c.FUSED_SCORE], *ranks.tolist(), *shares.tolist()}
        absent = [column for column, feature in enumerate(self.feature_set.features) if not feature.table]
        absent_columns = np.array([column for column in absent if column not in own], dtype=np.int64)
        columns = np.array([position[c.SOURCE_COUNT], position[c.FUSED_SCORE]])
        given = (matrix, columns, ranks, shares, absent_columns, block.ranks.T, block.shares.T, block.fused)
        return lambda first, last: fill_offers(first, last, *given)


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
    return CodedTable(_column(feature_set, name), known[grain[0]].to_numpy(), np.concatenate([values, missing]))


def _numbers(frame: pl.DataFrame) -> Matrix:
    return frame.with_columns(pl.all().cast(pl.Float32)).to_numpy()


def _features(feature_set: FeatureSet, table: str) -> list[Feature]:
    return [feature for feature in feature_set.features if feature.table == table]


def _column(feature_set: FeatureSet, table: str) -> int:
    """Where the features of a table begin; they stand together."""
    return next(column for column, feature in enumerate(feature_set.features) if feature.table == table)
