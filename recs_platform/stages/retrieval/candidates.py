"""The table of candidates: what sources offer each user, merged and kept."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.features import Feature
from recs_platform.contracts.tables import CANDIDATES, Column, TableContract
from recs_platform.stages.retrieval.fit import RetrievalFit
from recs_platform.stages.retrieval.merge import MergedLists, MergeRule, candidates_frame, merge_lists
from recs_platform.stages.retrieval.packing import unpack
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.retrieve import retrieve_lists
from recs_platform.stages.retrieval.similarity import history_similarity
from recs_platform.stages.retrieval.sources import SOURCES
from recs_platform.stages.retrieval.sources.item_knn import ItemKnn, ItemKnnConfig
from recs_platform.stages.retrieval.top_n import best_of_matrix
from recs_platform.stages.retrieval.user_policies import quotas_by_user, tiers_by_user

BLOCK_USERS = 4096
MERGE, SIMILARITY = "merge", "similarity"


def generate_candidates(
    fit: RetrievalFit, *, targets: Sequence[str] | None = None, block_users: int = BLOCK_USERS
) -> Iterator[pl.DataFrame]:
    """Candidates in the columns of `candidates_contract` less as_of, one frame a block of users; at least one frame.

    `targets`: user ids, all users of the problem by default; repeated ones count once. Rows are sorted by user_id,
    fused_score descending, item_id, over all frames. Raises ContractError for users the problem does not hold.
    """
    for merged in merged_blocks(fit, targets=targets, block_users=block_users):
        yield candidate_rows(fit.problem, merged)


def merged_blocks(
    fit: RetrievalFit, *, targets: Sequence[str] | None = None, block_users: int = BLOCK_USERS
) -> Iterator[MergedLists]:
    """The same as codes: what is kept of all sources' lists, a block of users at a time."""
    codes = _target_codes(fit.problem, targets)
    rule, similarity = merge_rule(fit), history_similarity(fit)
    for start in range(0, max(len(codes), 1), block_users):
        lists = retrieve_lists(fit, codes[start : start + block_users], fit.config.candidates_per_source)
        with fit.clock.measured(MERGE):
            merged = merge_lists(fit.problem, lists, rule, threads=fit.threads)
        if similarity is not None:
            with fit.clock.measured(SIMILARITY):
                merged = replace(merged, similarity=similarity.of(merged.users, merged.items))
        yield merged


def candidate_rows(problem: RetrievalProblem, merged: MergedLists) -> pl.DataFrame:
    """Codes as rows in the columns of `candidates_contract` less as_of, in the same order."""
    columns = [column.name for column in candidates_contract().columns if column.name != c.AS_OF]
    return _with_disabled(candidates_frame(problem, merged)).select(columns)


def merge_rule(fit: RetrievalFit) -> MergeRule:
    """How the fit's config merges lists of its users."""
    weights = {name: source.weight for name, source in fit.config.sources.items()}
    quotas, tiers = quotas_by_user(fit.problem, fit.config), tiers_by_user(fit.problem, fit.config)
    return MergeRule(weights, quotas, fit.config.candidates, tiers)


def _with_disabled(frame: pl.DataFrame) -> pl.DataFrame:
    """Columns of what was not asked or fitted, empty: the table has the same columns whatever is enabled."""
    types = {
        name: dtype
        for source in SOURCES
        for name, dtype in ((c.source_rank(source.name), pl.Int32), (c.source_score_share(source.name), pl.Float32))
    } | dict.fromkeys((c.LAST_ITEM_SIMILARITY, c.LATEST_ITEMS_SIMILARITY), pl.Float32)
    absent = {name: dtype for name, dtype in types.items() if name not in frame.columns}
    return frame.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in absent.items())


def _target_codes(problem: RetrievalProblem, targets: Sequence[str] | None) -> NDArray[np.int32]:
    if targets is None:
        return np.arange(problem.n_users, dtype=np.int32)
    wanted = pl.Series(targets, dtype=pl.String).unique().sort()
    known = wanted.is_in(problem.user_series.implode())
    if not known.all():
        unknown = wanted.filter(~known).to_list()
        raise ContractError(f"{len(unknown)} users to serve are not among the {problem.n_users} known: {unknown[:5]}")
    return np.searchsorted(problem.user_ids, wanted.to_numpy().astype(np.object_)).astype(np.int32)


def candidates_contract() -> TableContract:
    """The table of candidates: rank and score share of each source, in registry order, after the common columns."""
    return CANDIDATES.with_columns(
        *(
            column
            for source in SOURCES
            for column in (
                Column(c.source_rank(source.name), "INTEGER", f"Rank in the list of {source.name}, from 1"),
                Column(
                    c.source_score_share(source.name),
                    "FLOAT",
                    f"Score in {source.name} over the user's top score in it",
                    unit="share (0, 1]",
                ),
            )
        )
    )


def source_features() -> tuple[Feature, ...]:
    """What candidates bring to the ranker: source_count, fused_score, then rank and score share of each source."""
    keys = {c.AS_OF, c.USER_ID, c.ITEM_ID, c.SOURCES}
    return tuple(
        Feature(column.name, column.dtype, "") for column in candidates_contract().columns if column.name not in keys
    )


def item_neighbours(fit: RetrievalFit, n: int = 50) -> pl.DataFrame:
    """The `n` nearest items of each item by item_knn's similarity, whether they may be recommended or not.

    item_id, neighbour_id, score Float32, rank Int32 from 1; sorted by item_id, rank, ties by neighbour_id.
    """
    similarity = ItemKnn(config=cast("ItemKnnConfig", fit.config.sources[ItemKnn().name])).similarity(fit)
    keys = best_of_matrix(similarity, n)
    kept = keys > 0
    neighbours, scores = unpack(keys[kept])
    return pl.DataFrame(
        {
            c.ITEM_ID: fit.problem.item_series.gather(np.repeat(np.arange(len(keys)), kept.sum(axis=1))),
            c.NEIGHBOUR_ID: fit.problem.item_series.gather(neighbours),
            c.SCORE: pl.Series(scores, dtype=pl.Float32),
            c.RANK: pl.Series(np.nonzero(kept)[1] + 1, dtype=pl.Int32),
        }
    )
