"""Clusters of made-up users whose groups are known."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from recs_platform.contracts.errors import ContractError
from recs_platform.stages.segments import (
    Measure,
    Segmentation,
    SegmentConfig,
    assign_users,
    load_segmenter,
    save_segmenter,
    segment_users,
)
from recs_platform.stages.segments.scaling import MIN_MAX_SPREAD, fit_measures, scale

FEATURES = ("recency_days", "mobile_share", "night_share")
MEASURES = tuple(Measure(name, "mean", "z_score") for name in FEATURES)
CENTRES = ((0.0, 0.0, 0.0), (9.0, 0.0, 0.0), (0.0, 9.0, 9.0))


def users(values, names=FEATURES, events=None) -> pl.DataFrame:
    rows = np.asarray(values, dtype=np.float64).reshape(len(values), len(names))
    return pl.DataFrame(
        {
            "user_id": [f"u{number:04d}" for number in range(len(rows))],
            "event_count": [1] * len(rows) if events is None else events,
            **{name: rows[:, index] for index, name in enumerate(names)},
        }
    )


def blobs(size: int = 60, centres=CENTRES, seed: int = 0) -> tuple[pl.DataFrame, list[int]]:
    noise = np.random.default_rng(seed).normal(0, 1, (size * len(centres), len(centres[0])))
    return users(np.repeat(centres, size, axis=0) + noise), np.repeat(range(len(centres)), size).tolist()


def cluster(frame: pl.DataFrame, measures=MEASURES, *, seed: int = 7, previous=None, **config) -> Segmentation:
    settled = SegmentConfig(**{"clusters_max": 5, **config})
    return segment_users(frame, measures, settled, seed=seed, previous=previous)


def ids(found: Segmentation) -> list[str]:
    return found.members["segment_id"].to_list()


def test_planted_groups_are_found_and_told_apart():
    frame, group = blobs()
    found = cluster(frame)
    assert adjusted_rand_score(group, ids(found)) >= 0.9
    assert set(ids(found)) == {"b1", "b2", "b3"}
    chosen = found.choice.rows.filter(pl.col("is_chosen"))
    assert chosen.height == 1
    assert chosen["stability"].item() >= 0.9
    of_night_owls = found.members["segment_name"].gather([index for index, each in enumerate(group) if each == 2])
    assert set(of_night_owls) == {"Night-time, mobile"}


def test_every_way_is_tried_and_said():
    rows = cluster(blobs(30)[0], clusters_max=4).choice.rows
    assert rows["trial"].to_list() == list(range(1, rows.height + 1))
    assert set(rows["algorithm"]) == {"one_cluster", "k_means", "gaussian_mixture", "dbscan", "hdbscan"}
    assert rows.filter(pl.col("algorithm") == "k_means").height == 4 - 1
    assert rows["reason"].str.len_chars().min() > 0
    measured = rows.filter(pl.col("stability").is_not_null())
    assert 1 <= measured.height <= SegmentConfig().stability_trials


def test_another_seed_and_another_order_of_rows_give_the_same_ids():
    frame, _ = blobs()
    first = cluster(frame).members
    assert cluster(frame, seed=99).members.equals(first)
    assert cluster(frame.sample(fraction=1.0, shuffle=True, seed=1)).members.equals(first)


def test_one_and_two_threads_give_the_same():
    frame, _ = blobs()
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(cluster(frame))
    assert found[0].segmenter == found[1].segmenter
    assert found[0].choice.rows.equals(found[1].choice.rows)


def test_one_cloud_is_one_cluster():
    names = tuple("abcdef")
    values = np.random.default_rng(3).normal(0, 1, (300, len(names)))
    found = cluster(users(values, names), [Measure(name, "mean", "z_score") for name in names])
    assert set(ids(found)) == {"b1"}
    assert set(found.members["segment_name"]) == {"All active users"}
    assert found.choice.rows.filter(pl.col("is_chosen"))["algorithm"].to_list() == ["one_cluster"]
    assert "unstable" in " ".join(found.choice.rows["reason"])


@pytest.mark.parametrize(("count", "said"), [(1, "fewer than 20"), (19, "fewer than 20"), (40, "all users are alike")])
def test_few_users_and_users_who_are_alike_are_one_cluster(count: int, said: str):
    found = cluster(users([[1.0, 2.0, 3.0]] * count))
    assert ids(found) == ["b1"] * count
    assert found.choice.rows["is_chosen"].to_list() == [True]
    assert said in found.choice.reason


def test_without_users_there_is_no_cluster():
    empty = users(np.empty((0, 3)))
    assert cluster(empty).members.height == 0
    assert cluster(empty).choice.rows["cluster_count"].to_list() == [0]
    inactive = cluster(users([[0.0, 0.0, 0.0]] * 3, events=[0, 0, 0]))
    assert ids(inactive) == ["none"] * 3
    assert inactive.segmenter.clusters == ()


def test_users_without_events_have_no_behaviour_and_shape_none():
    frame, _ = blobs()
    inactive = frame.with_columns(
        event_count=pl.lit(0, pl.Int64), user_id="inactive-" + pl.col("user_id"), recency_days=pl.lit(1e6)
    )
    found = cluster(pl.concat([frame, inactive]))
    members = found.members.filter(pl.col("user_id").str.starts_with("inactive"))
    assert set(members["segment_id"]) == {"none"}
    assert set(members["segment_name"]) == {"No behaviour yet"}
    assert found.segmenter == cluster(frame).segmenter


def test_a_feature_without_a_value_and_one_without_a_difference_say_nothing():
    frame, _ = blobs()
    more = frame.with_columns(pl.lit(None, pl.Float64).alias("unknown"), pl.lit(4.2).alias("same"))
    measures = (*MEASURES, Measure("unknown", "median", "z_score"), Measure("same", "mean", "min_max"))
    found = cluster(more, measures)
    assert ids(found) == ids(cluster(frame))
    profiles = found.profiles.rows
    assert "unknown" not in profiles["feature"]
    assert profiles.filter(pl.col("feature") == "same")["z"].to_list() == [0.0] * 3


def test_without_features_or_with_absent_ones():
    assert ids(cluster(blobs(20)[0], ())) == ["b1"] * 60
    with pytest.raises(ContractError, match="lacks"):
        cluster(blobs(20)[0], [Measure("absent", "mean", "z_score")])


def test_names_in_any_script_and_ids_of_users_are_only_text():
    frame, group = blobs(20)
    odd = frame.with_columns(user_id=pl.lit("ユーザー ✓ ") + pl.col("user_id")).rename({"recency_days": "días_日"})
    found = cluster(odd, [Measure("días_日", "mean", "z_score"), *MEASURES[1:]])
    assert adjusted_rand_score(group, ids(found)) >= 0.9
    assert any("días 日" in name for name in found.members["segment_name"])


def test_clusters_under_the_smallest_share_join_others():
    frame, _ = blobs(60, centres=(*CENTRES[:2], (30.0, 30.0, 30.0)))
    few = pl.concat([frame.head(120), frame.tail(60).head(3)])
    found = cluster(few, min_share=0.1)
    counts = found.members["segment_id"].value_counts()
    assert counts["count"].min() >= 0.1 * few.height


def test_the_sealed_segmenter_assigns_as_it_did(tmp_path):
    found = cluster(blobs()[0])
    save_segmenter(tmp_path, found.segmenter)
    read = load_segmenter(tmp_path)
    assert read == found.segmenter
    labels = assign_users(read, found.values).labels
    assert [read.clusters[label].segment_id for label in labels] == ids(found)


def test_scales_fills_and_weights():
    values = np.array([[0.0, 1.0], [4.0, np.nan], [8.0, 3.0]])
    measures = [Measure("a", "mean", "min_max"), Measure("b", "median", "z_score")]
    fitted = fit_measures(values, measures, {"a": 2.0})
    low, high = 0.0 + 0.01 * 2 * 4, 8.0 - 0.01 * 2 * 4  # the quantiles that values are drawn in to
    assert (fitted[0].low, fitted[0].high) == pytest.approx((low, high))
    scaled = scale(values, fitted)
    assert scaled[:, 0] == pytest.approx([0.0, 0.5 * MIN_MAX_SPREAD * 2.0, MIN_MAX_SPREAD * 2.0])
    assert scaled[:, 1] == pytest.approx([-1.0, 0.0, 1.0])


def test_a_heavy_tail_is_taken_by_its_logarithm():
    column = np.exp(np.random.default_rng(0).normal(0, 1.5, 500)) - 0.001
    (fitted,) = fit_measures(np.abs(column)[:, None], [Measure("a", "mean", "z_score")], {})
    assert fitted.is_logged
    (even,) = fit_measures(np.arange(500.0)[:, None], [Measure("a", "mean", "z_score")], {})
    assert not even.is_logged


def test_a_weight_decides_what_users_are_told_apart_by():
    random = np.random.default_rng(5)
    left, right = random.integers(0, 2, 200), random.integers(0, 2, 200)
    frame = users(np.column_stack([left * 9.0, right * 9.0]) + random.normal(0, 1, (200, 2)), FEATURES[:2])
    by_first = cluster(frame, MEASURES[:2], clusters_max=2, weights={"mobile_share": 0.0})
    assert adjusted_rand_score(left, ids(by_first)) >= 0.9
    by_second = cluster(frame, MEASURES[:2], clusters_max=2, weights={"recency_days": 0.0})
    assert adjusted_rand_score(right, ids(by_second)) >= 0.9


VALUES = st.one_of(st.none(), st.sampled_from([0.0, 1.0, -1e9, 1e9]), st.floats(-10, 10, width=16))


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES, st.integers(0, 1)), max_size=24))
def test_whatever_the_features_each_user_has_one_segment(rows):
    frame = pl.DataFrame(
        {
            "user_id": [f"u{number}" for number in range(len(rows))],
            "event_count": [row[2] for row in rows],
            "a": [row[0] for row in rows],
            "b": [row[1] for row in rows],
        },
        schema={"user_id": pl.String, "event_count": pl.Int64, "a": pl.Float64, "b": pl.Float64},
    )
    measures = [Measure("a", "mean", "z_score"), Measure("b", "median", "min_max")]
    found = cluster(frame, measures, users_min=4, min_share=0.2)
    assert found.members["user_id"].to_list() == sorted(frame["user_id"].to_list())
    assert found.members.null_count().sum_horizontal().item() == 0
    is_silent = frame.sort("user_id")["event_count"] == 0
    assert (found.members["segment_id"] == "none").to_list() == is_silent.to_list()
    assert found.members["segment_name"].n_unique() == found.members["segment_id"].n_unique()
