"""Everything retrieval fits for one as-of, and the candidates that come of it. Ranking them is another stage's work."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.features import Feature
from recs_platform.contracts.tables import CANDIDATES, Column, TableContract
from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.embeddings import Embeddings, fit_embeddings
from recs_platform.stages.retrieval.index import ItemIndex, build_index
from recs_platform.stages.retrieval.merge import merge_lists
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources import SOURCES
from recs_platform.stages.retrieval.sources.item_knn import ItemKnn
from recs_platform.stages.retrieval.top_n import best_of_matrix, unpack

T = TypeVar("T")

DEFAULT_CHUNK_USERS = 8192


@dataclass(frozen=True, eq=False)
class RetrievalFit:
    """One problem with its embeddings and index. Raises ContractError where their ids are not the problem's."""

    problem: RetrievalProblem
    embeddings: Embeddings
    index: ItemIndex
    config: RetrievalConfig = field(default_factory=RetrievalConfig)
    threads: int = 1
    _parts: dict[str, object] = field(default_factory=dict[str, object], repr=False)

    def __post_init__(self) -> None:
        for name, ids, known in (
            (c.USER_ID, self.problem.user_ids, self.embeddings.user_ids),
            (c.ITEM_ID, self.problem.item_ids, self.embeddings.item_ids),
        ):
            if not np.array_equal(ids, known):
                raise ContractError(
                    f"embeddings hold {len(known)} values of {name}, the interactions {len(ids)}, and they are not "
                    "the same; materialize `embeddings` for this as_of first"
                )

    def prepared(self, name: str, build: Callable[[], T]) -> T:
        """What `build` gives, computed once under `name` and kept as long as this fit."""
        if name not in self._parts:
            self._parts[name] = build()
        return cast("T", self._parts[name])


def fit_retrieval(problem: RetrievalProblem, config: RetrievalConfig, *, seed: int, threads: int) -> RetrievalFit:
    """Fit embeddings and index of `problem`; sources fit their own parts when first asked."""
    embeddings = fit_embeddings(problem, config.embeddings, seed=seed, threads=threads)
    return RetrievalFit(problem, embeddings, build_index(problem, embeddings), config, threads)


def generate_candidates(
    fit: RetrievalFit, *, targets: Sequence[str] | None = None, chunk_users: int = DEFAULT_CHUNK_USERS
) -> Iterator[pl.DataFrame]:
    """Candidates in the columns of `candidates_contract` less as_of, one frame a chunk of users; at least one frame.

    `targets`: user ids, all users of the problem by default; repeated ones count once. Rows are sorted by user_id,
    fused_score descending, item_id, over all frames. Raises ContractError for users the problem does not hold.
    """
    codes = _target_codes(fit.problem, targets)
    sources = fit.config.configured_sources()
    for start in range(0, max(len(codes), 1), chunk_users):
        chunk = codes[start : start + chunk_users]
        lists = {source.name: source.retrieve(fit, chunk, fit.config.candidates_per_source) for source in sources}
        yield merge_lists(fit.problem, lists, fit.config.rank_constant)


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
                Column(c.source_rank(source.name), "INTEGER", f"Place in the list of {source.name}, from 1"),
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
    source = next(source for source in fit.config.configured_sources() if isinstance(source, ItemKnn))
    similarity = source.similarity(fit)
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
