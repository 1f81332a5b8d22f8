"""Truths about the ranker: it finds a planted signal, is the same in any order and threads, says when it cannot."""

import json
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError, FeatureMismatch, NotReady
from recs_platform.contracts.features import Feature, FeatureSet
from recs_platform.stages.ranking.ranker import (
    Ranker,
    RankerConfig,
    feature_importance,
    fusion_ranker,
    train_ranker,
)
from recs_platform.stages.ranking.ranker_files import load_ranker, save_ranker

CUTOFF = datetime(2020, 1, 8, tzinfo=UTC)
FEATURES = FeatureSet(
    (Feature("taste", "DOUBLE", "t"), Feature("noise", "DOUBLE", "t"), Feature(c.FUSED_SCORE, "FLOAT", ""))
)
CONFIG = RankerConfig(trees=20, min_data_in_leaf=5, fusion_weight=0.0)


def rows(users: int = 60, items: int = 20, seed: int = 0) -> pl.DataFrame:
    """One positive a user, and `taste` knows it: from 0.9 for the positive, below 0.8 for the others."""
    random = np.random.default_rng(seed)
    n = users * items
    labels = np.zeros(n, np.int8)
    labels[np.arange(users) * items + random.integers(0, items, users)] = 1
    return pl.DataFrame({
        c.CUTOFF: pl.Series([CUTOFF] * n, dtype=pl.Datetime("us", "UTC")),
        c.FOLD: pl.Series([1] * n, dtype=pl.Int8),
        c.USER_ID: np.repeat([f"u{user:04}" for user in range(users)], items),
        c.ITEM_ID: np.tile([f"i{item:03}" for item in range(items)], users),
        "taste": np.where(labels == 1, 0.9, 0.0) + 0.8 * random.random(n) * (1 - 0.9 * labels),
        "noise": random.random(n),
        c.FUSED_SCORE: random.random(n).astype(np.float32),
        c.LABEL: labels,
    })  # fmt: skip


def train(frame: pl.DataFrame, config: RankerConfig = CONFIG, *, threads: int = 1) -> Ranker:
    return train_ranker(frame, FEATURES, config, seed=7, threads=threads)


@pytest.fixture(scope="module")
def ranker() -> Ranker:
    return train(rows())


def first_labels(frame: pl.DataFrame, scores: np.ndarray) -> list[int]:
    ordered = frame.with_columns(pl.Series(c.SCORE, scores)).sort(c.USER_ID, c.SCORE, descending=[False, True])
    return ordered.group_by(c.USER_ID, maintain_order=True).first()[c.LABEL].to_list()


def test_a_planted_taste_puts_the_positives_first(ranker):
    unseen = rows(seed=1)

    assert np.mean(first_labels(unseen, ranker.score(unseen, 1))) == 1
    assert feature_importance(ranker)["feature"][0] == "taste"
    assert feature_importance(ranker)["gain_share"].sum() == pytest.approx(1)


def test_row_order_changes_neither_model_nor_scores(ranker):
    shuffled = rows().sample(fraction=1.0, shuffle=True, seed=5)

    assert train(shuffled).booster_text == ranker.booster_text
    back = shuffled.with_columns(pl.Series(c.SCORE, ranker.score(shuffled, 1))).sort(c.USER_ID, c.ITEM_ID)
    assert back[c.SCORE].to_list() == ranker.score(rows(), 1).tolist()


def test_one_and_two_threads_write_the_same_model():
    many = rows(users=400, items=25)

    assert train(many, threads=1).booster_text == train(many, threads=2).booster_text


def test_a_row_is_scored_the_same_beside_any_other_rows(ranker):
    frame = rows()

    assert ranker.score(frame[7:9], 2).tolist() == ranker.score(frame, 1)[7:9].tolist()


def test_missing_values_are_scored_as_missing_and_not_as_zero(ranker):
    frame = rows(users=1, items=2).with_columns(pl.lit(None, pl.Float64).alias("taste"))

    assert np.isfinite(ranker.score(frame, 1)).all()


def test_a_saved_ranker_comes_back_as_it_was(ranker, tmp_path):
    save_ranker(tmp_path, ranker)

    assert load_ranker(tmp_path) == ranker
    assert load_ranker(tmp_path).feature_set_hash == FEATURES.hash


@pytest.mark.parametrize(
    ("name", "sealed", "changed"),
    [
        ("forest.txt", "learning", "teaching"),
        ("ranker.json", '"fusion_weight": 0.0', '"fusion_weight": 0.9'),
        ("ranker.json", '"kind": "', '"kin": "'),
        ("ranker.json", '"kind": "', 'kind: "'),
    ],
)
def test_a_ranker_that_was_changed_since_is_refused(ranker, tmp_path, name, sealed, changed):
    save_ranker(tmp_path, ranker)
    text = (tmp_path / name).read_text()
    assert sealed in text
    (tmp_path / name).write_text(text.replace(sealed, changed))
    with pytest.raises(ContractError, match=r"damaged.* not the ranker that was sealed"):
        load_ranker(tmp_path)


def test_a_ranker_of_an_earlier_version_has_no_seal(ranker, tmp_path):
    save_ranker(tmp_path, ranker)
    head = json.loads((tmp_path / "ranker.json").read_text())
    del head["seal"]
    (tmp_path / "ranker.json").write_text(json.dumps(head, indent=1))
    assert load_ranker(tmp_path) == ranker


def test_an_absent_feature_is_named(ranker):
    with pytest.raises(FeatureMismatch, match="taste"):
        ranker.score(rows().drop("taste"), 1)
    with pytest.raises(FeatureMismatch, match="noise"):
        train(rows().drop("noise"))


@pytest.mark.parametrize("leak", [c.LABEL, c.CUTOFF, c.USER_ID, c.STRENGTH, c.IS_REFUSED, c.SHOWN_POSITION])
def test_labels_and_keys_cannot_be_features(leak):
    leaking = FeatureSet((*FEATURES.features, Feature(leak, "TINYINT", "t")))

    with pytest.raises(ContractError, match=leak):
        train_ranker(rows(), leaking, CONFIG, seed=7, threads=1)


def test_text_is_no_feature():
    with pytest.raises(ContractError, match="noise"):
        train(rows().with_columns(pl.lit("a").alias("noise")))


def test_a_repeated_row_is_refused():
    with pytest.raises(ContractError, match="repeat"):
        train(pl.concat([rows(), rows()[:1]]))


def test_too_little_to_learn_from_is_said_with_counts():
    with pytest.raises(NotReady, match="0 positives in 0 groups, 1200 rows"):
        train(rows().with_columns(pl.lit(0, pl.Int8).alias(c.LABEL)))
    with pytest.raises(NotReady, match="3 positives in 3 groups"):
        train(rows(users=3))
    with pytest.raises(NotReady, match="0 positives"):
        train(rows().clear())


def test_a_forest_without_a_split_is_no_ranker():
    flat = rows().with_columns(pl.lit(1.0).alias(name) for name in FEATURES.names)

    with pytest.raises(NotReady, match="no feature"):
        train(flat)


def test_the_fusion_ranker_orders_as_the_sources_do(tmp_path):
    ranker = fusion_ranker(FEATURES)
    save_ranker(tmp_path, ranker)

    assert load_ranker(tmp_path) == ranker
    assert ranker.score(rows(), 1).tolist() == rows()[c.FUSED_SCORE].cast(pl.Float64).to_list()
    assert feature_importance(ranker).is_empty()


def test_an_empty_folder_holds_no_ranker(tmp_path):
    with pytest.raises(NotReady):
        load_ranker(tmp_path)


@pytest.mark.parametrize("weight", [0.5, 1.0])
def test_a_blend_is_the_weighted_sum_of_reciprocal_ranks(ranker, weight):
    frame = rows(users=2, items=6)
    blended = train(rows(), CONFIG.model_copy(update={"fusion_weight": weight})).score(frame, 1)

    forest, fused = ranker.score(frame, 1), frame[c.FUSED_SCORE].to_numpy()
    for start in (0, 6):
        for at in range(start, start + 6):
            forest_place = 1 + (forest[start : start + 6] > forest[at]).sum()
            fused_place = 1 + (fused[start : start + 6] > fused[at]).sum()
            expected = (1 - weight) / (60 + forest_place) + weight / (60 + fused_place)
            assert blended[at] == pytest.approx(expected, abs=1e-15)


def test_validation_is_measured_over_users_with_a_positive():
    unseen = rows(users=20, seed=1)
    half = unseen.with_columns(
        pl.when(pl.col(c.USER_ID) < "u0010").then(c.LABEL).otherwise(0).cast(pl.Int8).alias(c.LABEL)
    )

    metrics = train_ranker(rows(), FEATURES, CONFIG, seed=7, threads=1, validation=half).metrics

    assert metrics["ndcg@10"] == pytest.approx(1)
    assert metrics["positives"] == 60
    assert metrics["groups"] == 60


def test_balance_closes_the_gap_of_a_group_that_is_few_and_wants_the_opposite():
    """A hundred users with history choose high `taste`, 25 without low; no feature tells them apart."""

    def planted(seed: int) -> pl.DataFrame:
        frame, random = rows(users=125, seed=seed), np.random.default_rng(seed)
        high, label = random.random(frame.height), frame[c.LABEL].to_numpy()
        high = np.where(label == 1, 0.5 + high / 2, high)
        is_few = np.repeat(np.arange(125) >= 100, 20)
        taste, items = np.where(is_few, 1 - high, high), np.where(is_few, 0, 20)
        return frame.with_columns(taste=pl.Series(taste), distinct_item_count=pl.Series(items, dtype=pl.Float32))

    def gap(balance: float) -> tuple[float, float]:
        """Reciprocal ranks of the many less those of the few, and those of the few."""
        tested, ranker = planted(1), train(planted(0), CONFIG.model_copy(update={"balance": balance}))
        order = pl.col(c.SCORE).rank("ordinal", descending=True).over(c.USER_ID)
        scored = tested.with_columns(pl.Series(c.SCORE, ranker.score(tested, 1))).with_columns(order.alias(c.RANK))
        hits = scored.filter(pl.col(c.LABEL) == 1).group_by("distinct_item_count").agg((1 / pl.col(c.RANK)).mean())
        found = dict(hits.iter_rows())
        return found[20.0] - found[0.0], found[0.0]

    (before, few_before), (after, few_after) = gap(0.0), gap(1.0)
    assert before > 0.1
    assert few_after > few_before
    assert abs(after) < before / 2
