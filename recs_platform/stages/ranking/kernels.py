# numba has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUntypedFunctionDecorator=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportMissingParameterType=false
"""Inner loops of ordering candidates, compiled: a user at a time."""

import numpy as np

from recs_platform.contracts.compiled_loops import compiled


@compiled
def order_rows(begins, scores, fused, order):
    """Positions of the rows, user by user, the greatest score first; ties go to the greater `fused`, then in order.

    `begins`: (n_users + 1,), the first row of each user; `order` (n_rows,) is written.
    """
    for user in range(len(begins) - 1):
        first, last = begins[user], begins[user + 1]
        row = first + 1
        while row < last and (
            scores[row] < scores[row - 1] or (scores[row] == scores[row - 1] and fused[row] <= fused[row - 1])
        ):
            row += 1
        if row >= last:  # in order as they are, as the merge leaves them
            for place in range(first, last):
                order[place] = place
            continue
        by_fused = np.argsort(-fused[first:last], kind="mergesort")
        by_score = np.argsort(-scores[first:last][by_fused], kind="mergesort")
        for place in range(last - first):
            order[first + place] = first + by_fused[by_score[place]]
