"""Diagnosis of a forest: its learning curve, what it lost on later rows, what it leans on."""

from datetime import UTC, datetime

import numpy as np
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.features import Feature, FeatureSet
from recs_platform.stages.ranking.diagnosis import LATER, LEARNED, LOSS, TREES, Diagnosis, diagnose
from recs_platform.stages.ranking.forest import score_forest, staged_scores
from recs_platform.stages.ranking.ranker import RankerConfig, feature_matrix, fusion_ranker, train_ranker

USERS, ITEMS = 200, 12
FEATURES = FeatureSet(tuple(Feature(name, "DOUBLE", "t") for name in ("taste", "fad", "noise")))
SHORT = RankerConfig(trees=20, min_data_in_leaf=40)


def window(seed: int, day: int, fad: float = 0.0) -> pl.DataFrame:
    """Users who choose by taste, seen through noise; `fad`: how much a second feature has to do with what is chosen."""
    rng, n = np.random.default_rng(seed), USERS * ITEMS
    taste = rng.standard_normal(n)
    chosen = rng.random(n) < 1 / (1 + np.exp(3 - 2 * taste))
    return pl.DataFrame({
        c.CUTOFF: pl.Series([datetime(2020, 1, day, tzinfo=UTC)] * n, dtype=pl.Datetime("us", "UTC")),
        c.FOLD: pl.Series([1] * n, dtype=pl.Int8),
        c.USER_ID: np.repeat([f"u{user:04}" for user in range(USERS)], ITEMS),
        c.ITEM_ID: np.tile([f"i{item:03}" for item in range(ITEMS)], USERS),
        c.SOURCES: pl.Series([["s"]] * n, dtype=pl.List(pl.String)),
        c.FUSED_SCORE: rng.random(n).astype(np.float32),
        "taste": taste + 0.3 * rng.standard_normal(n),
        "fad": fad * chosen + rng.standard_normal(n),
        "noise": rng.standard_normal(n),
        c.LABEL: chosen.astype(np.int8),
        c.STRENGTH: pl.Series(np.zeros(n), dtype=pl.Float32),
        c.IS_REFUSED: np.zeros(n, dtype=np.bool_),
        c.IS_SHOWN: np.ones(n, dtype=np.bool_),
        c.SHOWN_POSITION: pl.Series(np.zeros(n), dtype=pl.Int32),
    })  # fmt: skip


def diagnosed(fad: float, fad_later: float) -> Diagnosis:
    learned = window(1, 8, fad)
    ranker = train_ranker(learned, FEATURES, SHORT, seed=7, threads=1)
    found = diagnose(ranker, learned, window(2, 9, fad_later), k=5, features=3, seed=3, threads=1)
    assert found is not None
    return found


def test_a_forest_whose_last_trees_learned_what_holds_no_more_is_told_of():
    found = diagnosed(fad=0.8, fad_later=-0.8)
    assert found.is_overfitted
    assert found.lost >= found.lost_low > 0
    assert found.curve[TREES].to_list() == [1, 2, 5, 10, 20]
    assert found.curve[LEARNED][-1] == found.curve[LEARNED].max()
    assert found.curve[LATER][-1] < found.curve[LATER].max()


def test_a_forest_that_learned_what_holds_lost_nothing_and_leans_on_it():
    found = diagnosed(fad=0.0, fad_later=0.0)
    assert not found.is_overfitted
    assert USERS / 4 < found.users <= USERS / 2
    losses = dict(found.importance.select("feature", LOSS).rows())
    assert losses.pop("taste") > 0.1
    assert max(abs(loss) for loss in losses.values()) < 0.03


def test_the_last_stage_is_the_whole_forest():
    rows = window(1, 8)
    ranker = train_ranker(rows, FEATURES, SHORT, seed=7, threads=1)
    matrix = feature_matrix(rows, FEATURES)
    staged = staged_scores(ranker.booster_text, matrix, [5, 20], threads=1)
    np.testing.assert_allclose(staged[1], score_forest(ranker.booster_text, matrix, threads=1), atol=1e-12)
    assert not np.allclose(staged[0], staged[1])


def test_users_who_chose_nothing_count_only_where_features_are_shuffled():
    rows, later = window(1, 8), window(2, 9)
    ranker = train_ranker(rows, FEATURES, SHORT, seed=7, threads=1)
    idle = pl.col(c.USER_ID) < f"u{USERS // 4:04}"
    some = later.with_columns(pl.when(idle).then(0).otherwise(c.LABEL).cast(pl.Int8).alias(c.LABEL))
    found, without = (
        diagnose(ranker, rows, each, k=5, features=3, seed=3, threads=1) for each in (some, some.filter(~idle))
    )
    assert found is not None
    assert without is not None
    assert found.curve.equals(without.curve)
    assert (found.lost, found.lost_low, found.users) == (without.lost, without.lost_low, without.users)
    assert not found.importance.equals(without.importance)


def test_there_is_nothing_to_diagnose_without_a_forest_or_a_choice():
    rows = window(1, 8)
    ranker = train_ranker(rows, FEATURES, RankerConfig(trees=5), seed=7, threads=1)
    nobody = rows.with_columns(pl.lit(0, pl.Int8).alias(c.LABEL))
    assert diagnose(fusion_ranker(FEATURES), rows, rows, k=5, features=4, seed=3, threads=1) is None
    assert diagnose(ranker, rows, nobody, k=5, features=4, seed=3, threads=1) is None
