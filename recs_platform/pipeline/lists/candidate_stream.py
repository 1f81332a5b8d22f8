"""From sources to each user's best, a block of users at a time: merged, given features, scored, cut.

The block is the unit of memory: nothing of all candidates is held or stored but the best, and counts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.clock import Clock
from recs_platform.contracts.tables import CANDIDATES, RANKED
from recs_platform.pipeline.lists.context import RANKED_PER_USER
from recs_platform.pipeline.lists.feature_matrix import FeatureMatrix, feature_matrix
from recs_platform.pipeline.lists.pair_features import PairFeatures
from recs_platform.pipeline.platform import Platform
from recs_platform.stages import ranking, retrieval
from recs_platform.warehouse.runner import ModelRun

PAIR_FEATURES, ASSEMBLY, SCORING, ROWS = "pair features", "assembly", "scoring", "rows"


@dataclass(frozen=True, eq=False)
class ScoredBlock:
    """The candidates of some users with features and scores, in the order of `merged`; `best`: see `best_of_users`."""

    merged: retrieval.MergedLists
    pairs: Mapping[str, pl.DataFrame]
    matrix: NDArray[np.float32]
    scores: NDArray[np.float64]
    best: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CandidateStream:
    """All that blocks of candidates are scored with, as of one instant; `clock` measures the parts."""

    fit: retrieval.RetrievalFit
    pairs: PairFeatures
    features: FeatureMatrix
    ranker: ranking.Ranker
    clock: Clock = field(default_factory=Clock)

    @classmethod
    def open(
        cls, run: ModelRun, platform: Platform, fit: retrieval.RetrievalFit, ranker: ranking.Ranker
    ) -> "CandidateStream":
        """Reads the features of users and items as of the run's instant."""
        features = feature_matrix(run, platform.models, ranker.feature_set, fit.problem)
        return cls(fit, PairFeatures(run, platform.models, fit.problem), features, ranker, fit.clock)

    def blocks(self, targets: Sequence[str] | None = None) -> Iterator[ScoredBlock]:
        """Blocks of users, ascending; of all users of the problem, or of `targets`."""
        for merged in retrieval.merged_blocks(self.fit, targets=targets):
            yield self._scored(merged)

    def rows(self, block: ScoredBlock, version: str) -> dict[str, pl.DataFrame]:
        """What is stored of a block, by table, in the tables' columns less as_of: the best of each user."""
        with self.clock.measured(ROWS):
            stored = np.sort(block.best)
            candidates = retrieval.candidate_rows(self.fit.problem, block.merged.take(stored))
            keys = candidates.select(c.USER_ID, c.ITEM_ID)
            pairs = {
                model.name: _distinct(keys.hstack(block.pairs[model.name][stored]), model.grain)
                for model in self.pairs.models
            }
            ranked = candidates[np.searchsorted(stored, block.best)].select(
                c.USER_ID,
                c.ITEM_ID,
                pl.Series(c.SCORE, block.scores[block.best], pl.Float64),
                pl.Series(c.RANK, ranking.ranks_of_users(block.merged.users[block.best]), pl.Int32),
                c.SOURCES,
                pl.lit(version).alias(c.RANKER_VERSION),
            )
            return {CANDIDATES.name: candidates, RANKED.name: ranked, **pairs}

    def _scored(self, merged: retrieval.MergedLists) -> ScoredBlock:
        with self.clock.measured(PAIR_FEATURES):
            pairs = self.pairs.of(merged)
        with self.clock.measured(ASSEMBLY):
            matrix = self.features.of(merged, pairs)
        with self.clock.measured(SCORING):
            scores = self.ranker.score_matrix(matrix, merged.users, merged.fused, self.fit.threads)
            best = ranking.best_of_users(merged.users, scores, RANKED_PER_USER)
        return ScoredBlock(merged, pairs, matrix, scores, best)


def _distinct(rows: pl.DataFrame, grain: Sequence[str]) -> pl.DataFrame:
    return rows if c.ITEM_ID in grain else rows.unique(grain, keep="first", maintain_order=True).drop(c.ITEM_ID)
