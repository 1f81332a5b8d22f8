import polars as pl
import pytest

from recs_platform.stages.segments import missing_users, summarize_segments, users_in_many

SEGMENTS = pl.DataFrame(
    {
        "user_id": ["u1", "u2", "u3", "u4"],
        "segment_id": ["a", "a", "b", None],
        "segment_name": ["A", "A", "B", None],
    }
)


def test_a_user_without_a_row_or_without_a_segment_is_missing():
    users = pl.DataFrame({"user_id": ["u9", "u1", "u4", "u9"]})
    assert missing_users(SEGMENTS, users) == ["u4", "u9"]
    assert missing_users(SEGMENTS, users.filter(pl.col("user_id") == "u1")) == []


def test_a_user_in_two_segments_is_found():
    twice = pl.concat([SEGMENTS, SEGMENTS.head(1).with_columns(segment_id=pl.lit("b"))])
    assert users_in_many(twice) == ["u1"]
    assert users_in_many(SEGMENTS) == []


def test_shares_of_segments_sum_to_one_largest_first():
    summary = summarize_segments(SEGMENTS.drop_nulls())
    assert summary.rows() == [("a", "A", 2, pytest.approx(2 / 3)), ("b", "B", 1, pytest.approx(1 / 3))]
    assert summarize_segments(SEGMENTS.head(0)).is_empty()
