"""From sources to candidates with their features, a block of users at a time: merged, then given features.

The block is the unit of memory: no more candidates than those of its users are held.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.features import FeatureSet
from recs_platform.contracts.threads import one_ahead
from recs_platform.pipeline.candidates.feature_matrix import FeatureMatrix, feature_matrix
from recs_platform.pipeline.candidates.pair_features import PairFeatures
from recs_platform.pipeline.candidates.pair_rows import PairRows
from recs_platform.stages import retrieval
from recs_platform.warehouse.models import Models
from recs_platform.warehouse.runner import ModelRun

PAIR_FEATURES, ASSEMBLY = "pair features", "assembly"


@dataclass(frozen=True, eq=False)
class FeatureBlock:
    """The candidates of some users: `pairs`, what their SQL models say by table, and `matrix`, all features.

    `matrix`: float32 (candidates, features) in the order of `merged`, missing as NaN; the next block is written over
    it, for fresh memory costs more than what is written there.
    """

    merged: retrieval.MergedLists
    pairs: Mapping[str, PairRows]
    matrix: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class CandidateFeatures:
    """All that candidates and their features are made from, as of one instant; the fit's clock measures the parts."""

    fit: retrieval.RetrievalFit
    pairs: PairFeatures
    features: FeatureMatrix
    targets: Sequence[str] | None = None

    @classmethod
    def open(
        cls,
        run: ModelRun,
        models: Models,
        feature_set: FeatureSet,
        fit: retrieval.RetrievalFit,
        targets: Sequence[str] | None = None,
    ) -> "CandidateFeatures":
        """For all users of the problem, or for `targets`; reads the features of users and items."""
        features = feature_matrix(run, models, feature_set, fit.problem)
        return cls(fit, PairFeatures(run, models, fit.problem, targets), features, targets)

    def blocks(self) -> Iterator[FeatureBlock]:
        """Blocks of users, ascending.

        While one is worked on, SQL is asked about the next one, and sources about the one after.
        """
        room = np.empty((0, len(self.features.feature_set.names)), dtype=np.float32)
        for merged, pairs in one_ahead(self._with_pairs()):
            with self.fit.clock.measured(ASSEMBLY):
                if len(room) < len(merged.users):
                    room = np.empty((len(merged.users), room.shape[1]), dtype=np.float32)
                matrix = room[: len(merged.users)]
                self.features.fill(matrix, merged, pairs, self.fit.threads)
            yield FeatureBlock(merged, pairs, matrix)

    def _with_pairs(self) -> Iterator[tuple[retrieval.MergedLists, dict[str, PairRows]]]:
        for merged in one_ahead(retrieval.merged_blocks(self.fit, targets=self.targets)):
            with self.fit.clock.measured(PAIR_FEATURES):
                pairs = self.pairs.of(merged)
            yield merged, pairs

    def rows(self, block: FeatureBlock) -> pl.DataFrame:
        """user_id, item_id, sources, fused_score and every feature as Float32, NULL where missing, in their order."""
        keys = retrieval.candidate_rows(self.fit.problem, block.merged)
        names = self.features.feature_set.names
        # A copy: of a matrix of one row polars would take the memory that the next block is written over.
        matrix = np.array(block.matrix, order="F")
        values = pl.DataFrame(matrix, schema=dict.fromkeys(names, pl.Float32)).fill_nan(None)
        own = [c.USER_ID, c.ITEM_ID, c.SOURCES, *({c.FUSED_SCORE} - set(names))]
        return keys.select(own).hstack(values)
