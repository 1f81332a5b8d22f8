"""Items whose ALS vector points where the user's does. Fitting the vectors is not done here."""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.stages.retrieval.sources.base import Fitted, SourceConfig, SourceLists, lists_of
from recs_platform.stages.retrieval.top_n import Keys, best, blocks_by_width, excluded_mask, pack


class ALSSearchConfig(SourceConfig):
    """How the index is asked."""

    margin: Annotated[int, Field(ge=0, le=1000, description="items fetched beyond n: float noise cannot cut")] = 8


@dataclass(frozen=True)
class ALS:
    """Inner product of the user's and the item's vector."""

    name: str = "als"
    config: ALSSearchConfig = field(default_factory=ALSSearchConfig)

    def retrieve(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """See Source. Users without a positive get no entry; nor do items whose product is not above 0."""
        keys = np.zeros((len(targets), n), dtype=np.int64)
        known = np.flatnonzero(fit.embeddings.user_factors[targets].any(axis=1))
        for places, width in blocks_by_width(fit.problem, targets[known], n + self.config.margin):
            keys[known[places]] = _search(fit, targets[known[places]], width, n)
        return lists_of(targets, keys)


def _search(fit: Fitted, targets: NDArray[np.int32], width: int, n: int) -> Keys:
    queries = fit.embeddings.user_factors[targets]
    items, _ = fit.index.search(queries, width, threads=fit.threads)
    # The index multiplies in blocks, whose last bits vary with the block: score again, pair by pair.
    scores = np.einsum("ud,uwd->uw", queries, fit.embeddings.item_factors[items])
    excluded = np.take_along_axis(excluded_mask(fit.problem, targets), items.astype(np.int64), axis=1)
    return best(np.where(excluded, 0, pack(scores, items)), n)
