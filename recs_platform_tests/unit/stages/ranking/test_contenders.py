"""What orders the lists: never less than the best simple list, the simplest of equals, and by group where it pays."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.stages.ranking import (
    EVERYBODY,
    RANKER_ALONE,
    ChoiceConfig,
    Contender,
    Offers,
    choose_contenders,
    contender_scores,
    contenders,
)

CONFIG = ChoiceConfig(users_min=20, group_users_min=20)
SIMPLE = ("popularity", "trending")
COMPETING = contenders(("als", "popularity"), SIMPLE)
START = datetime(2024, 1, 1, tzinfo=UTC)


def _trials(
    means: dict[str, tuple[float, ...]], *, users: int = 50, noise: float = 0.01, group: str = "10+"
) -> pl.DataFrame:
    """NDCG of each contender at each cutoff, the same users at each, with a little noise of their own."""
    rng = np.random.default_rng(5)
    parts = [
        pl.DataFrame(
            {
                c.CUTOFF: START + timedelta(days=number),
                c.USER_ID: [f"{group}-{user:03d}" for user in range(users)],
                c.HISTORY_GROUP: group,
                c.CONTENDER: name,
                c.VALUE: mean + noise * rng.standard_normal(users),
            }
        )
        for name, values in means.items()
        for number, mean in enumerate(values)
    ]
    return pl.concat(parts)


def _chosen(trials: pl.DataFrame, group: str = EVERYBODY) -> str:
    rows = choose_contenders(trials, COMPETING, SIMPLE, CONFIG, default=RANKER_ALONE)
    return rows.filter(pl.col(c.HISTORY_GROUP) == group, c.IS_CHOSEN)[c.CONTENDER].item()


def test_the_best_serves() -> None:
    assert _chosen(_trials({"popularity": (0.1, 0.1), "als": (0.12, 0.12), "ranker": (0.2, 0.2)})) == "ranker"


def test_one_that_fails_at_a_cutoff_does_not_serve_however_good_it_is_elsewhere() -> None:
    assert _chosen(_trials({"popularity": (0.1, 0.1), "als": (0.12, 0.12), "ranker": (0.5, 0.05)})) == "als"


def test_of_those_within_an_error_of_the_best_the_simplest_serves() -> None:
    """The ranker is better by .001 in the mean, which .05 more or less by user say nothing of."""
    popularity = _trials({"popularity": (0.2, 0.2)}, noise=0)
    swing = pl.int_range(pl.len()) % 2 * 0.1 - 0.05
    ranker = popularity.with_columns(pl.lit("ranker").alias(c.CONTENDER), pl.col(c.VALUE) + 0.001 + swing)
    assert _chosen(pl.concat([popularity, ranker])) == "popularity"
    sure = popularity.with_columns(pl.lit("ranker").alias(c.CONTENDER), pl.col(c.VALUE) + 0.02 + swing)
    assert _chosen(pl.concat([popularity, sure])) == "ranker"


def test_never_below_the_best_simple_list() -> None:
    """Over many random trials what serves is never worse than it, in the mean, by more than the error allowed."""
    rng = np.random.default_rng(1)
    for _ in range(30):
        means = {name: tuple(rng.uniform(0.05, 0.3, 3)) for name in ("popularity", "als", "merge", "ranker")}
        rows = choose_contenders(_trials(means), COMPETING, SIMPLE, CONFIG, default=RANKER_ALONE)
        chosen = rows.filter(pl.col(c.HISTORY_GROUP) == EVERYBODY, c.IS_CHOSEN)
        assert chosen[c.MEAN_RATIO].item() >= 0.98
        assert chosen[c.WORST_RATIO].item() >= CONFIG.floor


def test_a_group_is_served_by_what_is_best_for_it() -> None:
    regulars = _trials({"popularity": (0.1, 0.1), "als": (0.1, 0.1), "ranker": (0.3, 0.3)})
    newcomers = _trials({"popularity": (0.2, 0.2), "als": (0.1, 0.1), "ranker": (0.1, 0.1)}, group="1-2", users=30)
    trials = pl.concat([regulars, newcomers])
    assert (_chosen(trials, "10+"), _chosen(trials, "1-2")) == ("ranker", "popularity")


def test_too_few_users_decide_nothing() -> None:
    few = _trials({"popularity": (0.5,), "ranker": (0.1,)}, users=5)
    assert _chosen(few) == RANKER_ALONE
    assert _chosen(few.clear()) == RANKER_ALONE


def test_every_group_has_one_that_serves() -> None:
    rows = choose_contenders(
        _trials({"popularity": (0.1,), "ranker": (0.2,)}), COMPETING, SIMPLE, CONFIG, default="ranker"
    )
    served = rows.filter(c.IS_CHOSEN).group_by(c.HISTORY_GROUP).len()
    assert served["len"].to_list() == [1] * 5
    assert rows.height == 5 * len(COMPETING)


OFFERS = Offers(
    users=np.array([0, 0, 0, 1], np.int32),
    scores=np.array([0.1, 0.9, 0.5, 0.2]),
    fused=np.array([0.9, 0.5, 0.1, 0.3], np.float32),
    ranks={"popularity": np.array([0, 2, 1, 1], np.int32)},
)


@pytest.mark.parametrize(
    ("contender", "order"),
    [
        (Contender("ranker", model_share=1.0), [1, 2, 0]),
        (Contender("merge"), [0, 1, 2]),
        (Contender("popularity", "popularity"), [2, 1, 0]),  # what it did not offer comes last
        (Contender("blend", "popularity", 0.5), [1, 2, 0]),  # ranks 1 and 2, 2 and 1: tied, so that the merge decides
    ],
)
def test_each_orders_as_it_says(contender: Contender, order: list[int]) -> None:
    scores = contender_scores(contender, OFFERS)
    assert sorted(range(3), key=lambda row: -scores[row]) == order


def test_a_blend_is_the_sum_of_reciprocal_ranks() -> None:
    scores = contender_scores(Contender("blend", "popularity", 0.25), OFFERS)
    # Row 1: first by the ranker, second by popularity.
    assert scores[1] == pytest.approx(0.25 / 61 + 0.75 / 62, abs=1e-7)


def test_ties_of_the_ranker_in_a_blend_go_by_the_merge_however_the_rows_come() -> None:
    blend, rng = Contender("blend", None, 0.5), np.random.default_rng(2)
    users, scores = np.zeros(9, np.int32), np.repeat([0.3, 0.1, 0.2], 3)
    fused = rng.permutation(9).astype(np.float32)
    expected = contender_scores(blend, Offers(users, scores, fused, {}))
    order = rng.permutation(9)
    shuffled = contender_scores(blend, Offers(users, scores[order], fused[order], {}))
    assert shuffled.tolist() == expected[order].tolist()


def test_a_cutoff_of_one_user_neither_bars_nor_leads() -> None:
    many = _trials({"popularity": (0.1,), "als": (0.1,), "ranker": (0.3,)})
    one = _trials({"popularity": (0.5,), "als": (0.5,), "ranker": (0.0,)}, users=1, noise=0)
    trials = pl.concat([many, one.with_columns(pl.col(c.CUTOFF) + timedelta(days=9))])
    assert _chosen(trials) == "ranker"
