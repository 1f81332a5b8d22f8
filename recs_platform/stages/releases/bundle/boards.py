"""Boards of surfaces within a bundle: what takes a place of a surface's list that may be shown no more.

A board belongs to a group of users; those of no group share one. Which items are on it is decided in
`pipeline.lists.surfaces`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recs_platform.contracts import columns as c

if TYPE_CHECKING:
    import polars as pl

GROUP = "group"
EVERYBODYS = ""
BOARD_RULES = "boards"


@dataclass(frozen=True, eq=False)
class Board:
    """Rankings of one surface.

    `rankings`: item ids, best first, by group; `EVERYBODYS` among them. `groups`: `user_id`, `group` of users who see
    another one than everybody's. `max_per_category`: items of one category in a list of the surface. `reason`: said of
    what comes from here.
    """

    rankings: Mapping[str, Sequence[str]]
    groups: pl.DataFrame
    max_per_category: int
    reason: str


def board_arrays(surface: str) -> str:
    """What the names of the arrays of a surface's boards begin with."""
    return f"board-{surface}"


def encode_board(
    surface: str, board: Board, users: pl.DataFrame, code_of: Mapping[str, int]
) -> dict[str, NDArray[np.generic]]:
    """Rankings one after the other, everybody's first, and the ranking of each user, in the order of `users`."""
    import polars as pl

    names = sorted(board.rankings, key=lambda name: (name != EVERYBODYS, name))
    rankings = [[code_of[item] for item in board.rankings[name] if item in code_of] for name in names]
    numbered = pl.DataFrame({GROUP: names}, schema={GROUP: pl.String}).with_row_index("_place")
    placed = users.join(board.groups.join(numbered, on=GROUP), on=c.USER_ID, how="left", maintain_order="left")
    name = board_arrays(surface)
    return {
        f"{name}.offsets": np.cumsum([0, *map(len, rankings)], dtype=np.int64),
        f"{name}.items": np.array([code for ranking in rankings for code in ranking], dtype=np.int32),
        f"{name}.groups": placed["_place"].fill_null(0).cast(pl.Int32).to_numpy(),
    }


class SealedBoard:
    """The rankings of a surface by code of item, and whose they are by code of user."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], surface: str, *, max_per_category: int, reason: str) -> None:
        self.surface, name = surface, board_arrays(surface)
        self.groups: NDArray[np.int32] = arrays[f"{name}.groups"]
        self.max_per_category, self.reason = max_per_category, reason
        self._items, self._offsets = arrays[f"{name}.items"], arrays[f"{name}.offsets"].tolist()

    def ranking(self, group: int) -> NDArray[np.int32]:
        """Codes of the items of a group's board, best first."""
        return self._items[self._offsets[group] : self._offsets[group + 1]]
