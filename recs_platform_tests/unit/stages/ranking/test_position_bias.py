"""Logs in which the place explains part of the clicks: the true order of relevance is found again."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.contracts.features import Feature, FeatureSet
from recs_platform.stages.ranking.ranker import RankerConfig, feature_importance, train_ranker

USERS, ITEMS = 400, 10
FEATURES = FeatureSet(tuple(Feature(name, "DOUBLE", "t") for name in ("relevance", "old_score", "useless")))
CONFIG = RankerConfig(trees=30, min_data_in_leaf=40)


@pytest.fixture(scope="module")
def log() -> pl.DataFrame:
    """Lists by an old score that knows little; a place is looked at with chance 1 / place, a click takes taste too."""
    rng = np.random.default_rng(4)
    relevance = rng.random((USERS, ITEMS))
    old = 0.15 * relevance + rng.random((USERS, ITEMS))
    place = 1 + np.argsort(np.argsort(-old, axis=1), axis=1)
    clicked = rng.random((USERS, ITEMS)) < relevance**2 / place
    start = datetime(2020, 1, 8, tzinfo=UTC)
    n = USERS * ITEMS
    cutoffs = [start + timedelta(days=7 * (row // (n // 2))) for row in range(n)]
    return pl.DataFrame({
        c.CUTOFF: pl.Series(cutoffs, dtype=pl.Datetime("us", "UTC")),
        c.FOLD: pl.Series([1] * n, dtype=pl.Int8),
        c.USER_ID: np.repeat([f"u{user:04}" for user in range(USERS)], ITEMS),
        c.ITEM_ID: np.tile([f"i{item:03}" for item in range(ITEMS)], USERS),
        "relevance": relevance.ravel() + 0.3 * rng.standard_normal(n),
        "old_score": old.ravel(),
        "useless": rng.random(n),
        c.LABEL: clicked.ravel().astype(np.int8),
        c.STRENGTH: pl.Series(np.zeros(n), dtype=pl.Float32),
        c.IS_REFUSED: np.zeros(n, dtype=np.bool_),
        c.IS_SHOWN: np.ones(n, dtype=np.bool_),
        c.SHOWN_POSITION: place.ravel().astype(np.int32),
        "truth": relevance.ravel(),
    })  # fmt: skip


def agreement(log: pl.DataFrame, config: RankerConfig) -> float:
    """Mean over users of the correlation between the ranker's scores and the true relevance."""
    ranker = train_ranker(log, FEATURES, config, seed=7, threads=1)
    scores = ranker.score(log, 1).reshape(USERS, ITEMS)
    truth = log["truth"].to_numpy().reshape(USERS, ITEMS)
    return float(np.mean([np.corrcoef(mine, true)[0, 1] for mine, true in zip(scores, truth, strict=True)]))


def test_the_place_explains_what_it_does_and_the_true_order_is_nearer(log):
    without = agreement(log, CONFIG)
    with_places = agreement(log, CONFIG.model_copy(update={"negatives": "shown"}))
    assert with_places > without + 0.05


@pytest.mark.parametrize("negatives", ["candidates", "shown"])
def test_a_useless_feature_gets_next_to_no_importance(log, negatives):
    ranker = train_ranker(log, FEATURES, CONFIG.model_copy(update={"negatives": negatives}), seed=7, threads=1)
    shares = dict(feature_importance(ranker).select("feature", "gain_share").rows())
    assert shares["useless"] < 0.2 * shares["relevance"]


def test_growth_ends_where_the_later_cutoff_gains_no_more(log):
    stopped = train_ranker(
        log, FEATURES, CONFIG.model_copy(update={"trees": 200, "early_stopping": 5}), seed=7, threads=1
    )
    assert 1 <= stopped.booster_text.count("\nTree=") < 200
