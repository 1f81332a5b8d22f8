"""The popularity that predicts best is found, overall and finer; what is tried is what plain loops say."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.evaluation.popularity import group_scores, item_scores
from recs_platform.evaluation.popularity_trials import (
    FinerTrial,
    HalfLifeTrial,
    best_finer,
    best_half_life,
    try_finer,
    try_half_lives,
)
from recs_platform.evaluation.popularity_windows import PopularityWindow, heads, popularity_window

NOBODY = pl.DataFrame(schema={c.USER_ID: pl.String})
NOTHING = pl.DataFrame(schema={c.ITEM_ID: pl.String})
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


def _windows(
    log: pl.DataFrame, days: Sequence[float], *, users: pl.DataFrame = NOBODY, items: pl.DataFrame = NOTHING
) -> list[PopularityWindow]:
    found = [
        popularity_window(
            log, START + timedelta(days=each), HORIZON, seed=1, users=users, items=items, columns=[c.REGION]
        )
        for each in days
    ]
    return [window for window in found if window is not None]


def _two_regions(days: int, *, differ: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Each day sixty new readers a region, who come back on the next; ten favourites a region, or the same for both."""
    rng = np.random.default_rng(2)
    rows: list[tuple[str, str, float]] = []
    regions: dict[str, str] = {}
    for day in range(days):
        for n in range(120):
            user, region = f"d{day}-{n:03d}", "ns"[n % 2]
            regions[user] = region
            mine = [f"{region if differ else 'both'}-{item}" for item in rng.permutation(10)]
            rows += [(user, mine[at], day + at * 1.0 + 0.004 * n) for at in range(2)]
    users = pl.DataFrame({c.USER_ID: list(regions), c.REGION: list(regions.values())})
    return _log(rows), users


def test_where_regions_differ_popularity_within_them_is_taken() -> None:
    log, users = _two_regions(7, differ=True)
    windows = _windows(log, [3, 4, 5, 6], users=users)
    (half_life,) = [best.half_life_days for best in [best_half_life(try_half_lives(windows, k=5))] if best]
    best = best_finer(try_finer(windows, half_life, k=5, seed=1))
    assert best is not None
    assert best.by == c.REGION
    # Five of ten favourites are shown where the order of all shows two or three of them.
    assert best.low > 0.1


def test_where_regions_do_not_differ_one_order_is_for_everybody() -> None:
    log, users = _two_regions(7, differ=False)
    trials = try_finer(_windows(log, [3, 4, 5, 6], users=users), None, k=5, seed=1)
    assert [trial.by for trial in trials] == [c.REGION]
    assert best_finer(trials) is None


def test_one_cutoff_is_not_enough_for_anything_finer() -> None:
    log, users = _two_regions(7, differ=True)
    assert try_finer(_windows(log, [4], users=users), None, k=5, seed=1) == []


def _two_categories() -> tuple[pl.DataFrame, pl.DataFrame]:
    """News that are read on their day and the next; songs of which two are always the favourites, and two were once."""
    songs = [(f"once-{n}", f"song-{n % 2}", 0.01) for n in range(150)]
    rows = [*songs]
    items = {f"song-{n}": "songs" for n in range(4)}
    for day in range(8):
        items[f"news-{day}"] = "news"
        for n in range(40):
            rows += [
                (f"d{day}-{n}", f"news-{day}", day + 0.5 + 0.001 * n),
                (f"e{day}-{n}", "song-3", day + 0.4 + 0.001 * n),
                (f"e{day}-{n}", f"news-{day}", day + 1.2 + 0.001 * n),
                (f"d{day}-{n}", f"song-{n % 2}", day + 1.3 + 0.001 * n),
            ]
    return _log(rows), pl.DataFrame({c.ITEM_ID: list(items), c.CATEGORY: list(items.values())})


def test_a_category_that_lasts_keeps_its_likes_for_longer() -> None:
    log, items = _two_categories()
    trials = try_finer(_windows(log, [3, 4, 5, 6, 7], items=items), 1.0, k=3, seed=1)
    (trial,) = (trial for trial in trials if trial.by == c.CATEGORY)
    assert trial.category_half_lives_days["songs"] is None
    assert 0 < (trial.category_half_lives_days["news"] or 0) <= 1


def test_the_finer_one_of_the_greatest_ndcg_is_best_and_none_within_chance() -> None:
    found = [
        FinerTrial(by, ndcg, low, 0.3, 9) for by, ndcg, low in (("a", 0.2, 0.01), ("b", 0.3, 0.01), ("c", 0.4, 0.0))
    ]
    best = best_finer(found)
    assert best is not None
    assert best.by == "b"
    assert best_finer(found[2:]) is None


def test_where_items_die_fast_a_short_half_life_is_best() -> None:
    trials = try_half_lives(_windows(_news(8), [4, 5, 6]), k=1)
    by_half_life = {trial.half_life_days: trial.ndcg for trial in trials}
    # One day: yesterday's ten readers outweigh a hundred of four days ago. The early read what nobody knows yet.
    assert by_half_life[1.0] == pytest.approx(0.5)
    assert by_half_life[None] == 0.0
    best = best_half_life(trials)
    assert best is not None
    assert best.half_life_days == 1.0


def test_without_anything_to_try_on_nothing_is_best() -> None:
    assert try_half_lives(_windows(_log([("a", "x", 0.0)]), [3]), k=5) == []
    assert best_half_life([]) is None


@pytest.mark.parametrize("half_life", [None, 0.5, 30.0])
def test_the_order_is_what_plain_loops_say(half_life: float | None) -> None:
    rng = np.random.default_rng(3)
    pairs = {(f"u{rng.integers(12)}", f"i{rng.integers(6)}"): float(rng.uniform(0, 9)) for _ in range(60)}
    youngest = max(pairs.values())
    scores: dict[str, float] = {}
    for (_, item), days in pairs.items():
        scores[item] = scores.get(item, 0.0) + (1.0 if half_life is None else 0.5 ** ((youngest - days) / half_life))
    expected = sorted(scores, key=lambda item: (-round(scores[item], 9), item))
    names = sorted(scores)
    items = np.array([names.index(item) for _, item in pairs], dtype=np.int32)
    occurred_us = np.array([round(days * 86_400_000_000) for days in pairs.values()], dtype=np.int64)
    order = heads(item_scores(items, occurred_us, len(names), half_life)[None], 6)[0]
    assert [names[item] for item in order] == expected


def test_who_is_in_no_group_is_offered_what_everybody_likes() -> None:
    groups, items = np.array([0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 2], dtype=np.int32)
    now = np.zeros(5, dtype=np.int64)
    everybody = item_scores(items, now, 3, None)
    scores = group_scores(groups, items, now, everybody, n_groups=1, half_life_days=None, own_share=0.5)
    np.testing.assert_allclose(scores, [[0.5 + 0.2, 0.2, 0.1], [0.4, 0.4, 0.2]])


def test_what_a_user_has_is_left_out_of_their_list() -> None:
    favourites = [(f"u{n}", "x", 0.1) for n in range(9)] + [(f"u{n}", "y", 0.2) for n in range(5)]
    chosen_next = [("u0", "z", 2.2), *((f"v{n}", "z", 0.3) for n in range(3))]
    # u0 has x and y, so that the one place of the list is left to z.
    (trial, *_) = try_half_lives(_windows(_log([*favourites, *chosen_next]), [2]), k=1)
    assert trial == HalfLifeTrial(trial.half_life_days, 1.0, 1)


def test_an_item_that_nobody_knew_counts_as_missed() -> None:
    log = _log([("u0", "x", 0.1), ("u1", "y", 0.2), ("u0", "y", 2.1), ("u0", "new", 2.2)])
    (trial, *_) = try_half_lives(_windows(log, [2]), k=5)
    assert trial.ndcg == pytest.approx(1 / (1 + 1 / np.log2(3)))
