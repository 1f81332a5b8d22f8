"""Lists that were held against a log: what the report `off_policy` judges. The pipeline makes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recs_platform.evaluation.off_policy import Estimate, Overlap


@dataclass(frozen=True)
class Held:
    """One release's lists held against a log. `release_id`: None of lists that are not released yet."""

    policy: str
    release_id: str | None
    estimates: tuple[Estimate, ...]
    overlap: Overlap


@dataclass(frozen=True)
class Comparison:
    """Lists `of` against those that were shown `instead`, on the same rows; without either `why` says what lacks."""

    subject: str
    of: Held | None = None
    instead: Held | None = None
    logged: Estimate | None = None
    n_users: int = 0
    k: int = 0
    why: str = ""
