"""A split whose files write the same ids otherwise is refused with both types; what nobody can find is counted."""

from pathlib import Path

import polars as pl
import pytest

from recs_platform.contracts.errors import UsageError
from recs_platform.stages.retrieval.benchmark.split_files import read_split
from recs_platform.stages.retrieval.benchmark.split_keys import count_findable, require_same_keys

TRAIN = {"user_id": [1, 2, 3], "item_id": [10, 20, 30]}


def held_against(folder: Path, train: dict, test: dict) -> None:
    paths = folder / "train.parquet", folder / "test.parquet"
    for path, rows in zip(paths, (train, test), strict=True):
        pl.DataFrame(rows).write_parquet(path)
    require_same_keys(paths[0], read_split(paths[0]), paths[1], read_split(paths[1]))


@pytest.mark.parametrize(
    ("test", "says"),
    [
        (
            {"user_id": [1.0], "item_id": [20]},
            r"no user_id of .*test.* \(Float64, such as '1.0'\) is in .*train.*Int64",
        ),
        ({"user_id": [1], "item_id": [20.0]}, r"no item_id of .*test.* \(Float64, such as '20.0'\) is in .*Int64"),
        (
            {"user_id": ["1.0"], "item_id": ["20"]},
            r"no user_id of .* \(String, such as '1.0'\) is in .*Int64, such as '1'",
        ),
        ({"user_id": [1], "item_id": ["i20"]}, r"no item_id of .* \(String, such as 'i20'\)"),
    ],
    ids=["float users", "float items", "texts of floats", "other items"],
)
def test_ids_that_are_written_otherwise_are_refused_with_both_types(tmp_path: Path, test: dict, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        held_against(tmp_path, TRAIN, test)


@pytest.mark.parametrize(
    "test",
    [
        {"user_id": ["1"], "item_id": ["20"]},
        {"user_id": [99], "item_id": [10]},
        {"user_id": [1, 99], "item_id": [99, 10]},
    ],
    ids=["integers as text", "strangers alone", "some new"],
)
def test_ids_that_can_be_compared_are_taken(tmp_path: Path, test: dict) -> None:
    held_against(tmp_path, TRAIN, test)


def test_what_no_model_can_find_is_counted() -> None:
    train = pl.DataFrame({"user_id": ["u", "v"], "item_id": ["a", "b"]})
    pairs = [("u", "b"), ("u", "b"), ("u", "a"), ("u", "new"), ("x", "new"), ("x", "a")]
    assert count_findable(train, pl.DataFrame(pairs, ["user_id", "item_id"], orient="row")) == {
        "pairs": 5,
        "pairs_nobody_can_find": 3,
        "pairs_of_items_not_in_train": 2,
        "pairs_already_in_train": 1,
        "pairs_of_users_not_in_train": 2,
    }
