"""Users by group: the largest values of a column, as codes."""

import numpy as np
import polars as pl
from numpy.typing import NDArray


def largest_groups(
    values: pl.Series, active: NDArray[np.bool_], *, members_min: int, groups_max: int
) -> tuple[NDArray[np.int64], int]:
    """Group of each of `values`, and how many there are; that number for those who are in none that is large enough.

    Only members flagged `active` count. Larger groups come first, ties by value.

    >>> codes, n = largest_groups(pl.Series(["n", "s", "n", None, "w"]), np.ones(5, bool), members_min=1, groups_max=2)
    >>> codes.tolist(), n
    ([0, 1, 0, 2, 2], 2)
    """
    sizes = pl.DataFrame({"value": values.filter(pl.Series(active)).drop_nulls()}).group_by("value").len("members")
    large = sizes.filter(pl.col("members") >= members_min).sort("members", "value", descending=[True, False])
    known = large["value"].head(groups_max)
    return codes_of(values, known), len(known)


def codes_of(values: pl.Series, known: pl.Series) -> NDArray[np.int64]:
    """Position of each of `values` in `known` (distinct), len(known) where it is NULL or not among them."""
    codes = values.cast(pl.Enum(known), strict=False).to_physical().cast(pl.Int64)
    return codes.fill_null(len(known)).to_numpy()
