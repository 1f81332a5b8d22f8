# numba has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUntypedFunctionDecorator=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportMissingParameterType=false
"""Inner loops of the feature matrix, compiled: a row at a time, as the matrix lies in memory."""

import numpy as np

from recs_platform.contracts.compiled_loops import compiled


@compiled
def gather_rows(first, last, matrix, column, values, positions):
    """Copy the row of `values` at each row's position into the matrix, from `column` on."""
    width = values.shape[1]
    for row in range(first, last):
        position = positions[row]
        for offset in range(width):
            matrix[row, column + offset] = values[position, offset]


@compiled
def gather_columns(first, last, matrix, column, values, positions):
    """Write `values` (n_columns, n_values) at each row's position, NaN where it is below 0, from `column` on."""
    for offset in range(len(values)):
        for row in range(first, last):
            position = positions[row]
            matrix[row, column + offset] = values[offset, position] if position >= 0 else np.nan


@compiled
def fill_column(first, last, matrix, column, values):
    """Write `values` (n_rows,) into a column of the matrix."""
    for row in range(first, last):
        matrix[row, column] = values[row]


@compiled
def fill_offers(first, last, matrix, columns, rank_columns, share_columns, absent_columns, ranks, shares, fused):
    """Write count of sources and fused score (to the two `columns`), ranks and shares of each row (n_rows, n_sources).

    What a source did not offer is NaN in its two columns, as are the `absent_columns` of sources that were not asked.
    """
    for row in range(first, last):
        count = 0
        for source in range(len(rank_columns)):
            if ranks[row, source] > 0:
                count += 1
                matrix[row, rank_columns[source]] = ranks[row, source]
                matrix[row, share_columns[source]] = shares[row, source]
            else:
                matrix[row, rank_columns[source]] = np.nan
                matrix[row, share_columns[source]] = np.nan
        for column in absent_columns:
            matrix[row, column] = np.nan
        matrix[row, columns[0]], matrix[row, columns[1]] = count, fused[row]
