"""Descriptions of segments: names, profiles, moves, factors, pictures, the page."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from recs_platform.contracts.tables import CLUSTER_PROFILES, MIGRATIONS, SEGMENT_FACTORS
from recs_platform.stages.segments import (
    Explanation,
    SegmentsPage,
    draw_plots,
    explain_targets,
    migrations,
    users_not_once,
)
from recs_platform.stages.segments.clustering import Sampled
from recs_platform.stages.segments.naming import name_clusters
from recs_platform.stages.segments.page import render_page
from recs_platform.stages.segments.profiles import profile_clusters

AS_OF = datetime(2020, 1, 8, tzinfo=UTC)
BEFORE = datetime(2020, 1, 1, tzinfo=UTC)


def members(**segments: str) -> pl.DataFrame:
    return pl.DataFrame({"user_id": list(segments), "segment_id": list(segments.values())})


def columns_but_as_of(contract) -> list[str]:
    return [name for name in contract.column_names if name != "as_of"]


def test_a_name_takes_the_two_features_that_differ_most_and_say_different_things():
    features = ["night_share", "hour_cos", "mobile_share", "tenure_days"]
    z = np.array([[1.9, 1.8, 1.2, 0.1], [-0.4, -0.4, 0.1, 0.9], [0.0, 0.1, 0.2, 0.0]])
    assert name_clusters(z, ["b1", "b2", "b3"], features) == ["Night-time, mobile", "Long-standing, daytime", "Average"]


def test_names_are_unique_and_any_feature_has_words():
    z = np.array([[2.0, 1.0, 0.5], [2.0, 1.0, -0.5], [2.0, 1.0, 0.5]])
    names = name_clusters(z, ["b1", "b2", "b7"], ["user_shoe_size", "mobile_share", "bounce_rate"])
    assert names == [
        "High shoe size, mobile",
        "High shoe size, mobile, visits that go on",
        "High shoe size, mobile, one-look visits",
    ]
    assert name_clusters(z[:, :1], ["b1", "b2", "b7"], ["x"])[1:] == ["High x (b2)", "High x (b7)"]
    assert name_clusters(z[:1], ["b4"], ["a", "b", "c"]) == ["All active users"]


def test_profiles_are_means_of_those_who_have_a_value():
    values = np.array([[1.0, np.nan], [3.0, np.nan], [8.0, 5.0], [np.nan, 7.0]])
    rows = profile_clusters(values, ["a", "b"], np.array([0, 0, 1, 1]), ["b1", "b2"]).rows
    assert rows.columns == columns_but_as_of(CLUSTER_PROFILES)
    deviation = (((1 - 4) ** 2 + (3 - 4) ** 2 + (8 - 4) ** 2) / 3) ** 0.5
    assert rows.rows() == [
        ("b1", "a", 2.0, 4.0, pytest.approx((2 - 4) / deviation), 1, 2),
        ("b1", "b", None, 6.0, None, 2, 2),
        ("b2", "a", 8.0, 4.0, pytest.approx((8 - 4) / deviation), 1, 2),
        ("b2", "b", 6.0, 6.0, 0.0, 2, 2),
    ]


def test_moves_count_everybody_once():
    moved = migrations(
        members(a="b1", b="b1", c="b2", gone="b2"),
        members(a="b1", b="b2", c="b2", new="none"),
        segmentation="behaviour",
        previous_as_of=BEFORE,
    )
    assert moved.columns == columns_but_as_of(MIGRATIONS)
    assert moved.rows() == [
        ("behaviour", "absent", "none", BEFORE, 1, 1.0),
        ("behaviour", "b1", "b1", BEFORE, 1, 1 / 2),
        ("behaviour", "b1", "b2", BEFORE, 1, 1 / 2),
        ("behaviour", "b2", "absent", BEFORE, 1, 1 / 2),
        ("behaviour", "b2", "b2", BEFORE, 1, 1 / 2),
    ]


def test_a_tree_finds_the_feature_that_decides():
    random = np.random.default_rng(0)
    values = random.normal(0, 1, (200, 3))
    decided = pl.Series(np.where(values[:, 1] > 0, "été ☀", "hiver"))
    same, unknown = pl.Series(["x"] * 200), pl.Series([None] * 200, dtype=pl.String)
    targets = {"behaviour": decided, "lifecycle": same, "top_category": unknown}
    rows, explanations = explain_targets(values, ["a", "b", "c"], targets, users_max=1000, seed=1)
    assert rows.columns == columns_but_as_of(SEGMENT_FACTORS)
    assert rows.rows() == [("behaviour", "b", 1.0, 1)]
    assert [each.target for each in explanations] == ["behaviour"]
    assert explanations[0].accuracy == 1.0
    assert "été ☀" in explanations[0].rules


def test_a_target_with_thousands_of_values_keeps_the_commonest():
    names = pl.Series([f"category {number % 1000}" for number in range(2000)] + ["big"] * 1000)
    values = (names == "big").cast(pl.Float64).to_numpy()[:, None]
    rows, explanations = explain_targets(values, ["is_big"], {"top_category": names}, users_max=5000, seed=1)
    assert rows.rows() == [("top_category", "is_big", 1.0, 1)]
    assert explanations[0].commonest_share == pytest.approx((2000 - 2 * 11) / 3000)


def test_nobody_is_explained_by_nothing():
    nobody = pl.Series([], dtype=pl.String)
    rows, explanations = explain_targets(np.empty((0, 2)), ["a", "b"], {"behaviour": nobody}, users_max=10, seed=1)
    assert (rows.height, explanations) == (0, [])


def test_pictures_and_a_page_that_stands_alone():
    values = np.array([[0.0, 0.0], [0.1, 0.0], [5.0, 5.0], [5.1, 5.0]])
    profiles = profile_clusters(values, ["$a", "日"], np.array([0, 0, 1, 1]), ["b1", "b2"]).rows
    moves = migrations(members(u="b1"), members(u="b2"), segmentation="behaviour", previous_as_of=BEFORE)
    sampled = Sampled(values, ["b1", "b1", "b2", "b2"], np.array([0.9, 0.9, 0.8, 0.8]))
    plots = draw_plots(sampled, profiles, {"behaviour": moves, "lifecycle": moves.clear()})
    assert list(plots) == ["map", "profiles", "silhouettes", "migrations_behaviour"]
    assert all(png.startswith(b"\x89PNG") for png in plots.values())
    page = render_page(
        SegmentsPage(
            as_of=AS_OF,
            reason="<best>",
            sizes=pl.DataFrame({"segment_id": ["b1"], "segment_name": ["<script>"], "user_share": [0.5]}),
            trials=pl.DataFrame({"is_chosen": [True], "stability": [None]}),
            profiles=profiles,
            explanations=[Explanation("behaviour", "|--- a <= 1", 0.9, 0.5, 4)],
            plots=plots,
        )
    )
    assert "<script>" not in page
    assert page.count("data:image/png;base64,") == len(plots)
    assert "http" not in page


def test_nothing_to_show_draws_nothing():
    nothing = profile_clusters(np.empty((0, 0)), [], np.empty(0, dtype=np.int64), []).rows
    assert draw_plots(Sampled(np.empty((0, 0)), [], None), nothing, {}) == {}


def test_users_without_a_row_with_two_or_unknown_are_found():
    users = pl.DataFrame({"user_id": ["a", "b", "c"]})
    rows = pl.DataFrame({"user_id": ["a", "b", "b", "stranger"]})
    assert users_not_once(users, rows).rows() == [("b", 2), ("c", 0), ("stranger", 1)]
    assert users_not_once(users, users).is_empty()
