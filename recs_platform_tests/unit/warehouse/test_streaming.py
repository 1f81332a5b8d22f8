"""Streams keep groups whole and lose nothing."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from recs_platform.warehouse.streaming import whole_groups


@given(lengths=st.lists(st.integers(1, 9), max_size=20), size=st.integers(1, 7), rows=st.integers(1, 20))
def test_groups_stay_whole_and_in_order(lengths: list[int], size: int, rows: int):
    keys = [number for number, length in enumerate(lengths) for _ in range(length)]
    frame = pl.DataFrame({"key": keys, "value": range(len(keys))}, schema={"key": pl.Int64, "value": pl.Int64})
    batches = [frame.slice(start, size) for start in range(0, frame.height, size)]
    groups = list(whole_groups(batches, "key", rows=rows))
    assert pl.concat([frame.clear(), *groups]).equals(frame)
    seen = [set(group["key"]) for group in groups]
    assert sum(len(keys) for keys in seen) == len(set(keys))
