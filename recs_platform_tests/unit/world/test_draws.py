"""Draws follow their weights."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recs_platform.world.draws import choose, choose_in_rows, sigmoid


@given(
    weights=st.lists(st.lists(st.sampled_from([0.0, 0.5, 3.0]), min_size=4, max_size=4), min_size=1, max_size=5),
    uniform=st.floats(0, 1, exclude_max=True),
)
def test_what_has_no_weight_is_never_drawn(weights: list[list[float]], uniform: float) -> None:
    rows = np.array([row if any(row) else [1.0] * 4 for row in weights])
    drawn = choose_in_rows(np.arange(len(rows), dtype=np.int32), np.full(len(rows), min(uniform, 1 - 1e-9)), rows)
    assert (rows[np.arange(len(rows)), drawn] > 0).all()


def test_draws_are_in_proportion_to_weights() -> None:
    drawn = choose(np.random.default_rng(1), np.array([1.0, 0.0, 3.0]), 40_000)
    assert np.bincount(drawn)[1] == 0
    assert abs((drawn == 2).mean() - 3 / 4) < 5 * np.sqrt(3 / 16 / 40_000)


def test_sigmoid_is_safe_far_out() -> None:
    assert sigmoid(np.array([-1e6, 1e6])).tolist() == [0.0, 1.0]
