import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recs_platform.stages.ranking.scoring import order_of_users

ROWS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([-0.5, 0.0, 0.25, 3.0]), st.sampled_from([0.0, 1.0])))


@given(rows=ROWS)
def test_it_is_that_of_a_sort_by_user_score_and_fused(rows) -> None:
    users, scores, fused = (np.array([row[k] for row in sorted(rows, key=lambda row: row[0])]) for k in range(3))
    expected = np.lexsort((-fused, -scores, users)) if rows else []
    found = order_of_users(users.astype(np.int32), scores.astype(np.float64), fused.astype(np.float32))
    assert found.tolist() == list(expected)
