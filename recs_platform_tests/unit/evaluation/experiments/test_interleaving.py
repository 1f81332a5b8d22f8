"""A drafted list is fair to both rankings, and what users preferred is read without false alarms."""

from itertools import accumulate, product
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recs_platform.evaluation.experiments.interleaving import FIRST, NEITHER, SECOND, Pick, read_preference, team_draft

LETTERS = "abcdefgh"
rankings = st.lists(st.sampled_from(LETTERS), unique=True).map("".join)


def draft(first: str, second: str, seed: int) -> list[Pick[str]]:
    coin = np.random.default_rng(seed)
    return list(team_draft(iter(first), iter(second), str, lambda: coin.random() < 0.5))


@given(rankings, rankings, st.integers(0, 2**32))
def test_every_prefix_is_balanced_and_holds_each_item_once_in_the_order_of_its_team(
    first: str, second: str, seed: int
) -> None:
    picks = draft(first, second, seed)
    items = "".join(pick.item for pick in picks)
    assert sorted(items) == sorted(set(first) | set(second))
    steps = accumulate({FIRST: 1, SECOND: -1, NEITHER: 0}[pick.team] for pick in picks)
    assert all(-1 <= lead <= 1 for lead in steps)
    for team, ranking in ((FIRST, first), (SECOND, second)):
        own = [ranking.index(pick.item) for pick in picks if pick.team == team]
        assert own == sorted(own)
    # Each pick is the best of its ranking that nobody had picked before.
    for place, pick in enumerate(picks):
        ranking = {FIRST: first, SECOND: second}.get(pick.team)
        if ranking is not None:
            assert pick.item == next(item for item in ranking if item not in items[:place])


@given(rankings, rankings, st.integers(0, 2**32))
def test_neither_ranking_is_favoured(first: str, second: str, seed: int) -> None:
    """With the rankings and the coin turned round, the same list comes with the teams turned round."""
    coins = [np.random.default_rng(seed) for _ in range(2)]
    one = list(team_draft(iter(first), iter(second), str, lambda: coins[0].random() < 0.5))
    other = list(team_draft(iter(second), iter(first), str, lambda: coins[1].random() >= 0.5))
    turned = {FIRST: SECOND, SECOND: FIRST, NEITHER: NEITHER}
    assert one == [Pick(pick.item, turned[pick.team], pick.chance) for pick in other]


def test_the_first_place_goes_to_each_as_often_as_its_chance_says() -> None:
    picks = [draft("ab", "ba", seed)[0] for seed in range(2000)]
    assert {pick.chance for pick in picks} == {0.5}
    assert sum(pick.team == FIRST for pick in picks) / 2000 == pytest.approx(0.5, abs=0.04)
    assert {pick.chance for pick in draft("abc", "abc", 7)} == {1.0}


def test_chances_of_places_multiply_to_the_chance_of_the_list() -> None:
    """Also where both rankings begin with the same item: the coin of that round decides the place behind it."""
    for first, second in (("abc", "acb"), ("ab", "ba"), ("abcd", "abdc"), ("abcdef", "adebfc")):
        lists: dict[str, list[float]] = {}
        for coins in product((True, False), repeat=len(first)):
            toss = iter(coins)
            picks = list(team_draft(iter(first), iter(second), str, lambda toss=toss: next(toss)))
            lists.setdefault("".join(pick.item for pick in picks), []).append(prod(pick.chance for pick in picks))
        for chances in lists.values():
            assert chances == [len(chances) / 2 ** len(first)] * len(chances)


def preferred(lean: float, seed: int, users: int = 400, days: int = 20) -> list[float]:
    """p-values of daily looks at users who are shown lists and choose from the control with chance 0.5 less `lean`."""
    rng = np.random.default_rng(seed)
    first_day = rng.integers(days, size=users)
    is_active = rng.random((users, days)) < 0.3
    since = np.arange(days) >= first_day[:, None]
    of_variant = rng.random((users, days)) < 0.5 + lean
    chosen = np.cumsum(is_active & since & of_variant, axis=1)
    control = np.cumsum(is_active & since & ~of_variant, axis=1)
    ages = np.clip(np.arange(days) - first_day[:, None] + 1, 0, None)
    return [read_preference(chosen[:, day], control[:, day], ages[:, day], 4000.0).p for day in range(3, days)]


def test_looking_daily_finds_no_preference_where_there_is_none_and_one_where_there_is() -> None:
    alarms = [np.nanmin(preferred(0.0, seed)) < 0.05 for seed in range(200)]
    assert np.mean(alarms) <= 0.05
    found = [np.nanmin(preferred(0.15, seed)) < 0.05 for seed in range(20)]
    assert np.mean(found) >= 0.8


def test_a_preference_by_hand() -> None:
    chosen = np.array([2] * 60 + [0] * 30 + [1] * 10 + [0] * 5)
    control = np.array([1] * 60 + [1] * 30 + [1] * 10 + [0] * 5)
    found = read_preference(chosen, control, np.full(105, 10), 1000.0)
    assert (found.wins, found.losses, found.ties, found.users) == (60, 30, 10, 100)
    assert found.share == pytest.approx(0.65)
    assert found.low < 0.65 < found.high
    few = read_preference(chosen[:50], control[:50], np.full(50, 10), 1000.0)
    assert few.share == 1.0
    assert np.isnan([few.low, few.high, few.p]).all()
    sure = read_preference(np.ones(200, dtype=int), np.zeros(200, dtype=int), np.full(200, 5), 1000.0)
    assert 0.9 < sure.low < sure.high == 1.0
    assert sure.p < 0.001
