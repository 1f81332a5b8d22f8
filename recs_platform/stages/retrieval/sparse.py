# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeArgument=false, reportUnknownParameterType=false, reportAttributeAccessIssue=false
"""Sparse matrices as plain arrays, and the few operations retrieval needs of them: the only reader of scipy here."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True, eq=False)
class SparseRows:
    """Compressed rows: row r holds columns `columns[starts[r]:starts[r + 1]]` with their `values`, none twice.

    Columns ascend within a row unless the maker says otherwise.
    """

    starts: NDArray[np.int64]
    columns: NDArray[np.int32]
    values: NDArray[np.float32]
    n_columns: int

    @property
    def n_rows(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Number of stored values in each row (n_rows,)."""
        return np.diff(self.starts)

    @property
    def rows(self) -> NDArray[np.int64]:
        """Row of each stored value."""
        return np.repeat(np.arange(self.n_rows), self.lengths)

    def take(self, rows: NDArray[Any]) -> "SparseRows":
        """Those rows, in that order."""
        lengths = self.lengths[rows]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        positions = np.repeat(self.starts[rows] - starts[:-1], lengths) + np.arange(starts[-1])
        return SparseRows(starts, self.columns[positions], self.values[positions], self.n_columns)


def from_sorted_pairs(
    rows: NDArray[Any], columns: NDArray[np.int32], values: NDArray[np.float32], shape: tuple[int, int]
) -> SparseRows:
    """Build from distinct pairs that are sorted by row and column."""
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))]).astype(np.int64)
    return SparseRows(starts, columns.astype(np.int32), values.astype(np.float32), shape[1])


def sum_pairs(
    rows: NDArray[Any], columns: NDArray[Any], values: NDArray[np.float64], shape: tuple[int, int]
) -> SparseRows:
    """Build from pairs in any order, adding up the values of equal pairs in the order given."""
    keys = rows.astype(np.int64) * shape[1] + columns
    distinct, inverse = np.unique(keys, return_inverse=True)
    totals = np.bincount(inverse, weights=values, minlength=len(distinct))
    return from_sorted_pairs(
        distinct // max(shape[1], 1), (distinct % max(shape[1], 1)).astype(np.int32), totals.astype(np.float32), shape
    )


def product(left: SparseRows, right: SparseRows) -> SparseRows:
    """Matrix product; columns of a row come in no particular order. Each row's sums run in one fixed order."""
    return _from_scipy(to_scipy(left) @ to_scipy(right), right.n_columns)


def times(sparse: SparseRows, dense: NDArray[np.float32]) -> NDArray[np.float32]:
    """Product with a dense matrix, float32 (n_rows, d); each sum runs in one fixed order, on one thread."""
    return np.asarray(to_scipy(sparse) @ dense, dtype=np.float32)


def transposed(matrix: SparseRows) -> SparseRows:
    """The same values by column: scipy's transposed view would be multiplied by scattering, which is slower."""
    order = np.argsort(matrix.columns, kind="stable")
    rows = matrix.rows[order].astype(np.int32)
    return from_sorted_pairs(matrix.columns[order], rows, matrix.values[order], (matrix.n_columns, matrix.n_rows))


def to_scipy(matrix: SparseRows) -> "csr_matrix":
    """Hand over to libraries that take scipy's matrices; shares the arrays where index types allow."""
    from scipy.sparse import csr_matrix

    shape = (matrix.n_rows, matrix.n_columns)
    starts = matrix.starts if len(matrix.columns) > np.iinfo(np.int32).max else matrix.starts.astype(np.int32)
    return csr_matrix((matrix.values, matrix.columns, starts), shape=shape, copy=False)


def _from_scipy(matrix: "csr_matrix", n_columns: int) -> SparseRows:
    return SparseRows(
        matrix.indptr.astype(np.int64),
        matrix.indices.astype(np.int32),
        np.asarray(matrix.data, dtype=np.float32),
        n_columns,
    )
