"""What a serving bundle is made from: frames and vectors, before they become codes and arrays in `writing`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.stages.releases.bundle.boards import Board

EVERYBODY = "all"
EVERYWHERE = ""  # of `hidden`: on no surface of the settings


def context_of(column: str, value: str) -> str:
    """Name of the fallback ranking of users with this value of a column.

    >>> context_of("device", "mobile")
    'device=mobile'
    """
    return f"{column}={value}"


@dataclass(frozen=True)
class BundleRules:
    """Settings of lists that hold online too."""

    k: int
    max_per_category: int
    allow_repeats: bool


@dataclass(frozen=True, eq=False)
class BundleContent:
    """Frames of one as-of.

    `lists`: user_id, rank, item_id, score, sources, reason, propensity. `ranked`: user_id, item_id, score, rank,
    sources; each user's best candidates. `consumed`: user_id, item_id; `hidden`: such pairs that filters keep away
    beside them, `EVERYWHERE` and by surface where others do. `items`: item_id (unique), title, category, is_available.
    `vector_ids`, `vectors`: float32 (n, d), rows in the order of the ids; unknown ones lack. `neighbours`: item_id,
    neighbour_id, score, rank. `transitions`: item_id, next_item_id, probability, rank; None where nothing is said.
    `fallbacks`: item ids, best first, by context, `all` among them. `user_regions`: user_id,
    availability_region; `exclusions`: availability_region, item_id. `opted_out`: users of whom the bundle keeps nothing
    but a hash of the id: rows of theirs in the other frames are left out. `held_out`: users who are shown popular items
    only. `surfaces`: lists of each surface, columns as those of `lists`. `boards`: by surface, what takes the place of
    rows of them. `expiry`: user_id, expires_at; None where nothing is said.
    """

    lists: pl.DataFrame
    ranked: pl.DataFrame
    consumed: pl.DataFrame
    items: pl.DataFrame
    vector_ids: Sequence[str]
    vectors: NDArray[np.float32]
    neighbours: pl.DataFrame
    fallbacks: Mapping[str, Sequence[str]]
    user_regions: pl.DataFrame
    exclusions: pl.DataFrame
    opted_out: Sequence[str]
    rules: BundleRules
    held_out: Sequence[str] = ()
    surfaces: Mapping[str, pl.DataFrame] = field(default_factory=dict[str, pl.DataFrame])
    boards: Mapping[str, Board] = field(default_factory=dict[str, Board])
    expiry: pl.DataFrame | None = None
    transitions: pl.DataFrame | None = None
    hidden: Mapping[str, pl.DataFrame] = field(default_factory=dict[str, pl.DataFrame])
