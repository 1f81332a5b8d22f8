"""Users who refer to a shared list, and what they are shown of it, for one user and for many.

The same in SQL is in `views`. Which list is whose is decided in `stages.reranking.shared_lists`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import LISTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

USERS_AT_ONCE = 200_000


@dataclass(frozen=True)
class SharedRows:
    """Rows of recommendations.shared_lists, and of recommendations.list_references."""

    lists: pl.DataFrame
    references: pl.DataFrame


def expand(shared: pl.DataFrame, references: pl.DataFrame) -> pl.DataFrame:
    """Rows of recommendations.lists of the users in `references`, by user and rank."""
    import polars as pl

    # Their columns are those of the contracts; the as_of is the same in both. A list is as deep as the user needs who
    # has most hidden: to join all of it to everybody takes hundreds of rows a user.
    deepest = pl.col(c.LIST_LENGTH) + pl.col(c.HIDDEN_ITEMS).list.len()
    places = references.drop(c.AS_OF, c.HIDDEN_ITEMS).with_columns(
        references.select(pl.int_ranges(1, deepest + 1, dtype=pl.Int32).alias(c.RANK))
    )
    rows = places.explode(c.RANK).join(shared, on=[c.LIST_ID, c.RANK])
    hidden = references.select(c.USER_ID, pl.col(c.HIDDEN_ITEMS).alias(c.ITEM_ID)).explode(c.ITEM_ID).drop_nulls()
    return (
        rows.join(hidden, on=[c.USER_ID, c.ITEM_ID], how="anti")
        .sort(c.USER_ID, c.RANK)
        .with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over(c.USER_ID).alias(c.RANK))
        .filter(pl.col(c.RANK) <= pl.col(c.LIST_LENGTH))
        .select(LISTS.column_names)
    )


def expanded_slices(shared: pl.DataFrame, references: pl.DataFrame) -> Iterator[tuple[pl.Series, pl.DataFrame]]:
    """The same with the users it is of, so many of them at a time that it fits in memory."""
    for some in references.iter_slices(USERS_AT_ONCE):
        yield some[c.USER_ID], expand(shared, some)
