"""The half-life of popularity is the one that predicts best, and what is tried is what plain loops say."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.evaluation.popularity import best_half_life, popularity_order, try_half_lives

START = datetime(2024, 1, 1, tzinfo=UTC)
HORIZON = timedelta(days=1)


def _log(rows: list[tuple[str, str, float]]) -> pl.DataFrame:
    """Interactions from (user, item, days after the start)."""
    at = [START + timedelta(days=days) for _, _, days in rows]
    return pl.DataFrame(
        {
            c.USER_ID: [user for user, _, _ in rows],
            c.ITEM_ID: [item for _, item, _ in rows],
            c.OCCURRED_AT: pl.Series(at, dtype=pl.Datetime("us", "UTC")),
            c.WEIGHT: 1.0,
        }
    ).with_columns(pl.col(c.OCCURRED_AT).dt.epoch("us").alias("occurred_us"))


def _news(days: int) -> pl.DataFrame:
    """An item a day that the early read on its day and the late on the next; three favourites of long ago."""
    favourites = [(f"once-{n:03d}", f"favourite-{n % 3}", 0.01) for n in range(300)]
    readers = [
        (f"{kind}-{n}", f"item-{day:02d}", day + after + 0.3 + 0.01 * n)
        for day in range(days)
        for kind, after in (("early", 0), ("late", 1))
        for n in range(10)
    ]
    return _log([*favourites, *readers])


def test_where_items_die_fast_a_short_half_life_is_best() -> None:
    trials = try_half_lives(
        _news(8), [START + timedelta(days=days) for days in (4, 5, 6)], horizon=HORIZON, k=1, seed=1
    )
    by_half_life = {trial.half_life_days: trial.ndcg for trial in trials}
    # One day: yesterday's ten readers outweigh a hundred of four days ago. The early read what nobody knows yet.
    assert by_half_life[1.0] == pytest.approx(0.5)
    assert by_half_life[None] == 0.0
    best = best_half_life(trials)
    assert best is not None
    assert best.half_life_days == 1.0


def test_without_anything_to_try_on_nothing_is_best() -> None:
    log = _log([("a", "x", 0.0)])
    assert try_half_lives(log, [START + timedelta(days=3)], horizon=HORIZON, k=5, seed=1) == []
    assert best_half_life([]) is None


@pytest.mark.parametrize("half_life", [None, 0.5, 30.0])
def test_the_order_is_what_plain_loops_say(half_life: float | None) -> None:
    rng = np.random.default_rng(3)
    pairs = {(f"u{rng.integers(12)}", f"i{rng.integers(6)}"): float(rng.uniform(0, 9)) for _ in range(60)}
    log = _log([(user, item, days) for (user, item), days in pairs.items()])
    youngest = max(pairs.values())
    scores: dict[str, float] = {}
    for (_, item), days in pairs.items():
        scores[item] = scores.get(item, 0.0) + (1.0 if half_life is None else 0.5 ** ((youngest - days) / half_life))
    expected = sorted(scores, key=lambda item: (-round(scores[item], 9), item))
    assert popularity_order(log, half_life)[c.ITEM_ID].to_list() == expected


def test_what_a_user_has_is_left_out_of_their_list() -> None:
    favourites = [(f"u{n}", "x", 0.1) for n in range(9)] + [(f"u{n}", "y", 0.2) for n in range(5)]
    chosen_next = [("u0", "z", 2.2), *((f"v{n}", "z", 0.3) for n in range(3))]
    # u0 has x and y, so that the one place of the list is left to z.
    (trial, *_) = try_half_lives(
        _log([*favourites, *chosen_next]), [START + timedelta(days=2)], horizon=HORIZON, k=1, seed=1
    )
    assert (trial.ndcg, trial.users) == (1.0, 1)
