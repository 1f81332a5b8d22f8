"""Parts of scores: they sum to the score, the largest are kept, and a blend is the orders that it adds."""

import numpy as np
import polars as pl
import pytest

from recs_platform.contracts.features import Feature, FeatureSet
from recs_platform.stages.ranking import Contender, Offers, Ranker, RankerConfig, contender_scores, train_ranker
from recs_platform.stages.ranking.contributions import Parts, parts_of_groups, score_parts

FEATURES = FeatureSet(tuple(Feature(name, "FLOAT", "features.user_features") for name in ("x", "y", "z")))


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    rng = np.random.default_rng(3)
    n = 600
    x, y, z = rng.normal(size=(3, n)).astype(np.float32)
    return pl.DataFrame(
        {
            "user_id": [f"u{place // 20:02d}" for place in range(n)],
            "item_id": [f"i{place % 20:02d}" for place in range(n)],
            "x": x, "y": y, "z": z,
            "fused_score": rng.random(n).astype(np.float32),
            "popular_rank": np.tile(np.arange(20), n // 20).astype(np.int32),
            "label": (x + 0.5 * y > 1.0).astype(np.int32),
            "cutoff": ["2024-01-01"] * n,
            "fold": [0] * n,
        }
    ).with_columns(pl.col("cutoff").str.to_datetime(time_zone="UTC"))  # fmt: skip


@pytest.fixture(scope="module")
def ranker(rows: pl.DataFrame) -> Ranker:
    return train_ranker(rows, FEATURES, RankerConfig(trees=10, min_data_in_leaf=5), seed=1, threads=1)


def test_the_largest_parts_and_the_rest_sum_to_the_score() -> None:
    parts = Parts(("a", "b", "c"), np.array([[1.0, -3.0, 0.5], [0.25, 0.25, 2.0]]))
    assert parts.largest(2).rows() == [(["b", "a"], [-3.0, 1.0], 0.5), (["c", "a"], [2.0, 0.25], 0.25)]
    assert parts.largest(9)["rest"].to_list() == [0.0, 0.0]


def test_parts_sum_to_the_scores_of_the_ranker_and_of_a_blend(rows: pl.DataFrame, ranker: Ranker) -> None:
    model = ranker.score(rows, 1)
    offers = Offers(
        users=rows["user_id"].rank("dense").cast(pl.Int32).to_numpy(),
        scores=model,
        fused=rows["fused_score"].to_numpy(),
        ranks={"popular": rows["popular_rank"].to_numpy()},
    )
    alone, blend = Contender("ranker", model_share=1.0), Contender("both", "popular", 0.75)
    source, merge = Contender("popular", "popular"), Contender("merge")
    served = [(alone, blend, source, merge)[place % 4] for place in range(rows.height)]
    scores = {each: contender_scores(each, offers) for each in (alone, blend, source, merge)}
    scored = rows.with_columns(pl.Series("score", [scores[each][place] for place, each in enumerate(served)]))
    found = parts_of_groups(scored, ranker, served, kept=2, threads=1)
    assert found.height == rows.height
    off = found["contributions"].list.sum() + found["rest"] - found["score"]
    assert off.abs().max() < 1e-9
    whole = score_parts(rows, ranker, blend, scores[blend], threads=1)
    assert whole.names == ("order of the ranker", "order of popular")
    ranks = rows["popular_rank"].to_numpy()
    assert whole.values[:, 1] == pytest.approx(np.where(ranks > 0, 0.25 / (60 + ranks), 0.0))
    # What is left is the ranker's place among the user's rows.
    places = 0.75 / whole.values[:, 0] - 60
    assert np.abs(places - places.round()).max() < 1e-2
    assert set(places.round().astype(int)) == set(range(1, 21))
