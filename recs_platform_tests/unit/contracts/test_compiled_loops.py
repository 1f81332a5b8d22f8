"""Loops are compiled whether or not the result can be kept on disk, and shared out so that each row is met once."""

import numpy as np
import pytest

from recs_platform.contracts.compiled_loops import by_rows, compiled


def test_what_cannot_be_kept_is_compiled_all_the_same():
    """A function that lies in no file has no place to be kept at, as one in a folder that cannot be written to."""
    scope = {}
    exec("def doubled(x):\n    return 2 * x\n", scope)  # noqa: S102  the text is this one
    function = compiled(scope["doubled"])
    assert function(21) == 42
    assert function.signatures, "it was compiled"


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("n_rows", [0, 1, 15, 16, 17, 1000])
def test_every_row_is_met_once(n_rows, threads):
    met = np.zeros(n_rows, dtype=np.int64)

    def work(first, last):
        met[first:last] += 1

    by_rows(n_rows, threads, work)
    assert (met == 1).all()
