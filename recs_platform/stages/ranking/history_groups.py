"""Users grouped by how much is known of them: contenders are chosen and rows weighed by these groups."""

import numpy as np
from numpy.typing import NDArray

# Users by the number of items they have consumed: name, least number.
HISTORY_GROUPS = (("none", 0), ("1-2", 1), ("3-9", 3), ("10+", 10))


def history_group(consumed: NDArray[np.integer]) -> NDArray[np.int64]:
    """Index into HISTORY_GROUPS by the number of items each user has consumed.

    >>> history_group(np.array([0, 1, 9, 10])).tolist()
    [0, 1, 2, 3]
    """
    return np.searchsorted([least for _, least in HISTORY_GROUPS], consumed, side="right") - 1
