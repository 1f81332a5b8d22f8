"""Likeness of items to what a list holds already, which `diversity` and `blend` weigh against relevance."""

import numpy as np

from recs_platform.stages.reranking.slates import Bools, Floats, Ints, Slate


class Likeness:
    """The share of the items chosen so far that have a column's category; 0 for an item of none."""

    def __init__(self, slate: Slate) -> None:
        self._category = slate.category
        self._alike = np.zeros(slate.exists.shape)
        self._every = np.arange(len(slate.exists))

    def __call__(self, position: int, last: Ints, took: Bools) -> Floats:
        if position:
            code = self._category[self._every, last][:, None]
            self._alike += (self._category == code) & (code >= 0) & took[:, None]
        return self._alike / max(position, 1)
