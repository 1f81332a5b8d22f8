"""Candidates scored a block of users at a time, and cut to each user's best: what is stored of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import CANDIDATES, RANKED
from recs_platform.pipeline.candidates.candidate_features import CandidateFeatures, FeatureBlock
from recs_platform.pipeline.lists.context import RANKED_PER_USER
from recs_platform.pipeline.training.trials import served_scores
from recs_platform.stages import ranking, retrieval

SCORING, ROWS = "scoring", "rows"


@dataclass(frozen=True, eq=False)
class ScoredBlock:
    """A block with its scores, float64 (candidates,), and the positions of each user's best, by user and rank.

    `is_kept`: bool, of each of the best, whether lists may be made from it, so that its features are stored.
    """

    features: FeatureBlock
    scores: NDArray[np.float64]
    best: NDArray[np.int64]
    is_kept: NDArray[np.bool_]

    @property
    def merged(self) -> retrieval.MergedLists:
        return self.features.merged


@dataclass(frozen=True, eq=False)
class CandidateStream:
    """Candidates with features, the ranker of that version, and what orders the candidates of each group of users.

    `consumed`: int64 (users,), how many items each user of the problem has consumed. `ranked_per_user`: rows of a user
    that are stored with their scores, at least those that lists are made from.
    """

    features: CandidateFeatures
    ranker: ranking.Ranker
    version: str
    chosen: Mapping[str, ranking.Contender]
    consumed: NDArray[np.int64]
    ranked_per_user: int = RANKED_PER_USER

    def blocks(self) -> Iterator[ScoredBlock]:
        """Blocks of users, ascending."""
        fit = self.features.fit
        for block in self.features.blocks():
            with fit.clock.measured(SCORING):
                users, fused = block.merged.users, block.merged.fused
                model = self.ranker.score_matrix(block.matrix, users, fused, fit.threads)
                ranks = dict(zip(block.merged.names, block.merged.ranks, strict=True))
                offers = ranking.Offers(users, model, fused, ranks)
                scores = served_scores(self.chosen, offers, self.consumed[users])
                best = ranking.best_of_users(users, scores, self.ranked_per_user)
                is_kept = ranking.ranks_of_users(users[best]) <= RANKED_PER_USER
            yield ScoredBlock(block, scores, best, is_kept)

    def rows(self, block: ScoredBlock) -> dict[str, pl.DataFrame]:
        """What is stored of a block, by table, in the tables' columns less as_of: the best of each user."""
        with self.features.fit.clock.measured(ROWS):
            scored, stored = np.sort(block.best), np.sort(block.best[block.is_kept])
            offered = retrieval.candidate_rows(self.features.fit.problem, block.merged.take(scored))
            candidates = offered[np.searchsorted(scored, stored)]
            keys = candidates.select(c.USER_ID, c.ITEM_ID)
            pairs = {
                model.name: _distinct(keys.hstack(block.features.pairs[model.name].take(stored)), model.grain)
                for model in self.features.pairs.models
            }
            ranked = offered[np.searchsorted(scored, block.best)].select(
                c.USER_ID,
                c.ITEM_ID,
                pl.Series(c.SCORE, block.scores[block.best], pl.Float64),
                pl.Series(c.RANK, ranking.ranks_of_users(block.merged.users[block.best]), pl.Int32),
                c.SOURCES,
                pl.lit(self.version).alias(c.RANKER_VERSION),
            )
            return {CANDIDATES.name: candidates, RANKED.name: ranked, **pairs}


def _distinct(rows: pl.DataFrame, grain: Sequence[str]) -> pl.DataFrame:
    return rows if c.ITEM_ID in grain else rows.unique(grain, keep="first", maintain_order=True).drop(c.ITEM_ID)
