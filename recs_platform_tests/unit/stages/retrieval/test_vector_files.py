"""A file of vectors is read in each shape it may have, and refused with its name where it cannot be."""

import polars as pl
import pytest

from recs_platform.contracts.errors import ContractError, UsageError
from recs_platform.stages.retrieval.vector_files import read_vectors

EXPECTED = {"item_id": ["b", "a"], "vector": [[1.0, 2.0], [0.5, 0.0]]}


def written(folder, columns, **options):
    path = folder / "vectors.parquet"
    pl.DataFrame(columns, strict=False, **options).write_parquet(path)
    return path


@pytest.mark.parametrize("dtype", [pl.List(pl.Float64), pl.Array(pl.Float32, 2), pl.List(pl.Float32)])
def test_lists_and_arrays_are_read_in_the_order_of_the_file(tmp_path, dtype):
    path = written(tmp_path, {**EXPECTED, "other": ["x", "y"]}, schema_overrides={"vector": dtype})
    frame = read_vectors(path)
    assert frame.schema == {"item_id": pl.String, "vector": pl.List(pl.Float32)}
    assert frame.to_dict(as_series=False) == EXPECTED


def test_numeric_columns_make_a_vector_in_their_order(tmp_path):
    frame = read_vectors(written(tmp_path, {"y": [1.0, 0.5], "item_id": ["b", "a"], "x": [2, 0]}))
    assert frame.to_dict(as_series=False) == EXPECTED


def test_ids_that_are_numbers_become_strings(tmp_path):
    frame = read_vectors(written(tmp_path, {"item_id": [7, 12], "vector": [[1], [2]]}))
    assert frame.to_dict(as_series=False) == {"item_id": ["7", "12"], "vector": [[1.0], [2.0]]}


def test_a_file_without_rows_has_no_vectors(tmp_path):
    path = written(tmp_path, {}, schema={"item_id": pl.String, "vector": pl.List(pl.Float32)})
    assert read_vectors(path).is_empty()


def test_a_missing_file_is_the_callers_mistake(tmp_path):
    with pytest.raises(UsageError, match=r"no file of item vectors at .*absent\.parquet"):
        read_vectors(tmp_path / "absent.parquet")
    with pytest.raises(UsageError, match="no file"):
        read_vectors(tmp_path)


def test_a_file_of_another_kind_is_named(tmp_path):
    path = tmp_path / "vectors.parquet"
    path.write_text("item_id,vector\n")
    with pytest.raises(ContractError, match=r"vectors\.parquet cannot be read as Parquet"):
        read_vectors(path)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": ["a"], "vector": [[1.0]]}, r"lacks item_id; its columns are \['id', 'vector'\]"),
        ({"item_id": ["a"]}, "lacks vector, or numeric columns beside item_id; there is no other column"),
        ({"item_id": ["a"], "x": [1.0], "title": ["t"]}, r"lacks vector.*1 columns are not numeric: \['title'\]"),
        ({"item_id": [1.5], "vector": [[1.0]]}, "item_id is Float64; it should be a string or an integer"),
        ({"item_id": ["a", None], "vector": [[1.0], [2.0]]}, "1 of 2 rows have no item_id"),
        ({"item_id": ["a"], "vector": ["1 2"]}, "vector is String; it should be a list or array of numbers"),
        ({"item_id": ["a"], "vector": [["1"]]}, r"vector is List\(String\)"),
        ({"item_id": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]}, r"one length above 0; there are \[1, 2\]"),
        ({"item_id": ["a", "b"], "vector": [[1.0], None]}, r"one length above 0; there are \[1, None\]"),
        ({"item_id": ["a", "a"], "vector": [[1.0], [2.0]]}, "2 rows of the item vectors share their item_id"),
        ({"item_id": ["a", "b"], "vector": [[float("nan")], [2.0]]}, r"1 item vectors hold .* not finite: \['a'\]"),
        ({"item_id": ["a", "b"], "x": [1.0, None]}, r"1 item vectors hold .* missing .*: \['b'\]"),
        ({"item_id": ["a"], "vector": [[1e39]]}, r"1 item vectors hold .* not finite: \['a'\]"),
    ],
)
def test_what_is_wrong_is_reported_with_the_file_and_how_many(tmp_path, columns, message):
    path = written(tmp_path, columns)
    with pytest.raises(ContractError, match=rf"vectors\.parquet.*{message}"):
        read_vectors(path)
