import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recs_platform.pipeline.candidates.pair_rows import PairRows

KEYS = st.lists(st.integers(0, 2**40), unique=True, max_size=30).map(lambda keys: np.array(keys, dtype=np.int64))


@given(row_keys=KEYS, keys=KEYS)
def test_each_candidate_finds_the_row_of_its_key(row_keys, keys) -> None:
    found = PairRows.find(pl.DataFrame({"x": row_keys}), row_keys, keys)
    assert found.take(np.arange(len(keys)))["x"].to_list() == [
        key if key in row_keys.tolist() else None for key in keys.tolist()
    ]


def test_some_candidates_are_taken_in_the_order_asked() -> None:
    found = PairRows.find(pl.DataFrame({"x": [7.0, None]}), np.array([7, 8]), np.array([8, 9, 7]))
    assert found.take(np.array([2, 0, 1, 2]))["x"].to_list() == [7.0, None, None, 7.0]


def test_two_rows_of_one_candidate_are_refused() -> None:
    with pytest.raises(ValueError, match="1 rows repeat"):
        PairRows.find(pl.DataFrame({"x": [1, 2]}), np.array([7, 7]), np.array([7]))
