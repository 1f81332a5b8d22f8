"""A user's own split is read as it is, carved without leaving anybody empty, and refused by name where it is broken."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from recs_platform.contracts.errors import UsageError
from recs_platform.stages.retrieval.benchmark.split_files import (
    Carving,
    are_timed,
    carve,
    carving_of,
    problem_of,
    read_split,
)

ROWS = pl.DataFrame({"user_id": [1, 1, 1, 2, 2, 3], "item_id": ["a", "b", "c", "a", "d", "a"]})


def written(folder, frame):
    frame.write_parquet(folder / "split.parquet")
    return folder / "split.parquet"


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (None, [0, 1, 2, 3, 4, 5]),
        ([9, 8, 7, 6, 5, 4], [9, 8, 7, 6, 5, 4]),
        ([datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)] * 6, [1_000_000] * 6),
        ([date(1970, 1, 2)] * 6, [86_400_000_000] * 6),
        (["1970-01-01T00:00:02Z"] * 6, [2_000_000] * 6),
    ],
    ids=["rows", "numbers", "instants", "dates", "texts"],
)
def test_times_of_any_kind_are_microseconds(tmp_path, times, expected):
    frame = ROWS if times is None else ROWS.with_columns(occurred_at=pl.Series(times))
    read = read_split(written(tmp_path, frame))
    assert read["occurred_us"].to_list() == expected
    assert read["user_id"].to_list() == ["1", "1", "1", "2", "2", "3"]


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (ROWS.drop("item_id"), r"lacks \['item_id'\]"),
        (ROWS.head(0), "has 0 rows"),
        (ROWS.with_columns(item_id=pl.concat_list("item_id")), r"item_id is of type List\(String\)"),
        (ROWS.with_columns(user_id=pl.lit(value=True)), "user_id is of type Boolean"),
        (ROWS.with_columns(user_id=pl.Series([1, None, 1, 2, 2, 3])), "6 rows, 1 of them without"),
        (ROWS.with_columns(occurred_at=pl.Series([1, None, 1, 2, 2, 3])), "1 rows have no occurred_at"),
    ],
    ids=["column", "empty", "lists", "booleans", "nobody", "no time"],
)
def test_a_broken_file_is_refused_by_name(tmp_path, frame, says):
    path = written(tmp_path, frame)
    with pytest.raises(UsageError, match=says) as refused:
        read_split(path)
    assert "split.parquet" in str(refused.value)


def test_what_is_no_parquet_is_refused(tmp_path):
    (tmp_path / "x.csv").write_text("user_id,item_id\n")
    with pytest.raises(UsageError, match=r"x\.csv is not Parquet"):
        read_split(tmp_path / "x.csv")


def test_each_users_last_item_is_carved_where_the_test_holds_one(tmp_path):
    train = read_split(written(tmp_path, ROWS))
    kept, held_out = carve(train, Carving("last_items"), seed=0)
    assert sorted(held_out.rows()) == [("1", "c"), ("2", "d")]
    assert kept.height == 4


def test_a_tenth_of_the_pairs_is_carved_at_random_and_nobody_is_left_empty(tmp_path):
    frame = pl.DataFrame({"user_id": [user for user in range(200) for _ in range(10)], "item_id": list(range(2000))})
    train = read_split(written(tmp_path, frame))
    kept, held_out = carve(train, Carving("random"), seed=3)
    assert 120 < held_out.height < 240
    assert kept.height + held_out.height == 2000
    assert kept["user_id"].n_unique() == 200
    assert carve(train, Carving("random"), seed=3)[1].equals(held_out)


def test_the_latest_tenth_is_carved_where_the_test_comes_later(tmp_path):
    frame = pl.DataFrame({"user_id": [position % 4 for position in range(100)], "item_id": list(range(100))})
    kept, held_out = carve(read_split(written(tmp_path, frame)), Carving("later", 50), seed=0)
    assert sorted(int(item) for item in held_out["item_id"]) == list(range(90, 100))
    assert kept.height == 90


def test_no_more_is_carved_than_lies_as_far_back_as_the_test_reaches_on(tmp_path):
    """Of 20,000 pairs, one a microsecond: a tenth are 2,000, the span's 800, and of the 100 of a short span too few."""
    frame = pl.DataFrame({"user_id": [position % 4 for position in range(20_000)], "item_id": list(range(20_000))})
    train = read_split(written(tmp_path, frame))
    sizes = {span: carve(train, Carving("later", span), seed=0)[1].height for span in (100, 800, 9_000)}
    assert sizes == {100: 500, 800: 800, 9_000: 2_000}


def test_a_split_is_carved_as_the_test_was_held_out(tmp_path):
    train = read_split(written(tmp_path, ROWS))
    one, several = train.unique("user_id"), train
    after = several.with_columns(occurred_us=pl.col("occurred_us") + 100)
    assert carving_of(train, one, are_timed=True) == Carving("last_items")
    assert carving_of(train, after, are_timed=True) == Carving("later", 100)
    assert carving_of(train, several, are_timed=True) == Carving("random")
    assert {carving_of(train, test, are_timed=False) for test in (one, several, after)} == {Carving("random")}


def test_whether_files_tell_when(tmp_path):
    path = written(tmp_path, ROWS)
    ROWS.with_columns(occurred_at=pl.lit(1)).write_parquet(tmp_path / "timed.parquet")
    assert are_timed(tmp_path / "timed.parquet")
    assert not are_timed(path, tmp_path / "timed.parquet")


def test_users_of_the_test_are_known_beside_those_of_train(tmp_path):
    problem = problem_of(read_split(written(tmp_path, ROWS)), pl.Series(["9", "1"]))
    assert problem.user_ids.tolist() == ["1", "2", "3", "9"]
    assert problem.eligible.all()
