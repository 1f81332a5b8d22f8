"""Small problems written in the test, and a world of two tastes whose truth is known."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from recs_platform.stages.retrieval.problem import RetrievalProblem, encode

AS_OF = datetime(2020, 3, 1, tzinfo=UTC)
Row = tuple[str, str, int, float]


@pytest.fixture
def problem_of() -> Callable[..., RetrievalProblem]:
    """Build a problem from (user, item, days before as_of, weight) rows."""

    def build(rows: list[Row], *, users: str = "", items: str = "", gone: str = "", repeats: bool = False):
        times = [AS_OF - timedelta(days=days) for _, _, days, _ in rows]
        interactions = pl.DataFrame(
            {
                "user_id": pl.Series([row[0] for row in rows], dtype=pl.String),
                "item_id": pl.Series([row[1] for row in rows], dtype=pl.String),
                "occurred_us": pl.Series([round(time.timestamp() * 1e6) for time in times], dtype=pl.Int64),
                "weight": pl.Series([row[3] for row in rows], dtype=pl.Float64),
            }
        )
        known = sorted({row[1] for row in rows} | set(items))
        return encode(
            interactions,
            pl.DataFrame({"user_id": pl.Series(list(users), dtype=pl.String)}),
            pl.DataFrame(
                {
                    "item_id": pl.Series(known, dtype=pl.String),
                    "is_available": pl.Series([item not in gone for item in known], dtype=pl.Boolean),
                }
            ),
            as_of=AS_OF,
            allow_repeats=repeats,
        )

    return build


@pytest.fixture
def two_tastes() -> tuple[list[Row], dict[str, str]]:
    """Forty users who like even or odd items only; each misses one item of their taste, which is the truth."""
    generator = np.random.default_rng(5)
    rows: list[Row] = []
    withheld: dict[str, str] = {}
    for user in range(40):
        taste = [f"i{item:02d}" for item in range(user % 2, 24, 2)]
        generator.shuffle(taste)
        withheld[f"u{user:02d}"] = taste[0]
        rows += [(f"u{user:02d}", item, day + 1, 1.0) for day, item in enumerate(taste[1:])]
    return rows, withheld
