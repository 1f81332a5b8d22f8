"""Segment ids over time: they stay with the users who behave so, whatever labels an algorithm gives."""

import itertools

import numpy as np
import polars as pl

from recs_platform.stages.segments import Measure, Previous, Segmentation, SegmentConfig, segment_users
from recs_platform.stages.segments.stability import canonical_order

MEASURES = [Measure(name, "mean", "z_score") for name in ("a", "b")]
LEFT, RIGHT, TOP, BOTTOM = (-9.0, 0.0), (9.0, 0.0), (0.0, 9.0), (0.0, -9.0)
SIZE = 50


def users(groups: dict[str, tuple[float, float]], seed: int = 0) -> pl.DataFrame:
    """SIZE users a group, named for it, around its centre."""
    random = np.random.default_rng(seed)
    frames = [
        pl.DataFrame(
            {
                "user_id": [f"{name}{number:03d}" for number in range(SIZE)],
                "event_count": [3] * SIZE,
                "a": random.normal(centre[0], 1, SIZE),
                "b": random.normal(centre[1], 1, SIZE),
            }
        )
        for name, centre in groups.items()
    ]
    return pl.concat(frames)


def cluster(frame: pl.DataFrame, before: Segmentation | None = None, seed: int = 7) -> Segmentation:
    previous = None if before is None else Previous(before.segmenter, before.members)
    return segment_users(frame, MEASURES, SegmentConfig(clusters_max=5), seed=seed, previous=previous)


def id_of(found: Segmentation, group: str) -> str:
    """The segment that holds the whole group."""
    (segment_id,) = found.members.filter(pl.col("user_id").str.starts_with(group))["segment_id"].unique()
    return segment_id


def test_centres_decide_the_first_order_whatever_their_labels():
    centers = np.array([[1.0, 0.0], [3.0, 0.0], [1.0, 2.0]])
    for permuted in itertools.permutations(range(3)):
        order = canonical_order(centers[list(permuted)])
        assert centers[list(permuted)][order].tolist() == [[3.0, 0.0], [1.0, 2.0], [1.0, 0.0]]


def test_ids_stay_while_centres_drift_past_each_others_first_places():
    groups = {"left": LEFT, "right": RIGHT, "top": TOP}
    first = cluster(users(groups))
    second = cluster(users({"left": (-6.0, 3.0), "right": (8.0, 3.0), "top": (2.0, 13.0)}, seed=1), first, seed=8)
    assert {group: id_of(second, group) for group in groups} == {group: id_of(first, group) for group in groups}


def test_ids_follow_the_place_where_all_users_are_new():
    first = cluster(users({"left": LEFT, "right": RIGHT, "top": TOP}))
    second = cluster(users({"newcomer": LEFT, "stranger": RIGHT, "another": TOP}, seed=1), first)
    assert id_of(second, "newcomer") == id_of(first, "left")
    assert id_of(second, "stranger") == id_of(first, "right")


def test_a_vanished_cluster_takes_its_id_along_and_a_new_one_gets_a_number_never_used():
    first = cluster(users({"left": LEFT, "right": RIGHT, "top": TOP}))
    assert {id_of(first, group) for group in ("left", "right", "top")} == {"b1", "b2", "b3"}
    second = cluster(users({"left": LEFT, "right": RIGHT, "bottom": BOTTOM}, seed=1), first)
    assert id_of(second, "left") == id_of(first, "left")
    assert id_of(second, "right") == id_of(first, "right")
    assert id_of(second, "bottom") == "b4"
    third = cluster(users({"left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM}, seed=2), second)
    assert id_of(third, "bottom") == "b4"
    assert id_of(third, "top") == "b5"
    assert third.segmenter.last_number == 5


def test_numbers_survive_an_as_of_without_users():
    frame = users({"left": LEFT, "top": TOP})
    nobody = cluster(frame.clear(), cluster(frame))
    assert nobody.segmenter.last_number == 2
    again = cluster(frame, nobody)
    assert {id_of(again, "left"), id_of(again, "top")} == {"b3", "b4"}


def test_the_same_users_again_keep_ids_with_another_seed():
    frame = users({"left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM})
    first = cluster(frame)
    assert cluster(frame, first, seed=99).members.equals(first.members)
    assert cluster(frame, seed=99).members.equals(first.members)
