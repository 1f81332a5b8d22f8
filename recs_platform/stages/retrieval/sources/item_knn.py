"""Items liked by the same users as the user's latest items, or like them in what the catalogue says, where that is on.

`user_knn` compares users instead.
"""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.contracts import columns as c
from recs_platform.stages.retrieval.implicit_adapter import nearest_columns
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import Fitted, SourceConfig, SourceLists
from recs_platform.stages.retrieval.sources.history import latest_items, retrieve_through, row_ranges, strongest
from recs_platform.stages.retrieval.sparse import SparseRows, from_sorted_pairs, product, sum_pairs

# Pairs that are compared by attributes at once: about 0.2 GB of working memory.
_BLOCK_PAIRS = 1_000_000


class ItemKnnConfig(SourceConfig):
    """Shrunken cosine similarity of items over users (as in Sarwar et al. 2001)."""

    neighbours: Annotated[int, Field(ge=1, le=5000, description="kept for each item; bounds memory and time")] = 100
    shrinkage: Annotated[float, Field(ge=0, le=1e6, description="added to squared norms: rare items are less sure")] = (
        10.0
    )
    activity_damping: Annotated[float, Field(ge=0, le=2, description="a user counts activity ** -this")] = 0.5
    fit_history: Annotated[
        int, Field(ge=2, le=10_000_000, description="latest items of a user compared; cost is its square")
    ] = 500
    history: Annotated[int, Field(ge=1, le=1000, description="latest items of a user that are looked up")] = 50
    decay: Annotated[float, Field(gt=0, le=1, description="weight of an item against the one after it")] = 0.85
    category_weight: Annotated[float, Field(ge=0, le=100, description="added for the same category")] = 0.0
    creator_weight: Annotated[float, Field(ge=0, le=100, description="added for the same creator")] = 0.0
    tag_weight: Annotated[float, Field(ge=0, le=100, description="added times the tags shared over all tags")] = 0.0

    @property
    def attribute_weights(self) -> dict[str, float]:
        """Weights above 0 by column of the catalogue."""
        weights = {c.CATEGORY: self.category_weight, c.CREATOR: self.creator_weight, c.TAGS: self.tag_weight}
        return {column: weight for column, weight in weights.items() if weight}

    @property
    def looks_at_eligibility(self) -> bool:
        return bool(self.attribute_weights)


@dataclass(frozen=True)
class ItemKnn:
    """Sum over the user's latest items of decay ** position * similarity."""

    name: str = "item_knn"
    config: ItemKnnConfig = field(default_factory=ItemKnnConfig)

    def retrieve(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """See Source. Users without a positive get no entry."""
        history = latest_items(fit.problem, targets, self.config.history, self.config.decay)
        return retrieve_through(fit, self.similarity(fit), history, targets, n)

    def similarity(self, fit: Fitted) -> SparseRows:
        """Items by items, at most `neighbours` a row, itself left out."""
        return fit.prepared(self, lambda: fit_similarity(fit.problem, self.config, threads=fit.threads))


def fit_similarity(problem: RetrievalProblem, config: ItemKnnConfig, *, threads: int) -> SparseRows:
    """Similarity of i and j: x_i . x_j / sqrt((|x_i|² + s)(|x_j|² + s)), with x over users, s the shrinkage.

    An entry of x is (user's items) ** (-activity_damping / 2), so a user adds activity ** -damping to a pair. Where an
    attribute has a weight, `with_attributes` follows.
    """
    vectors = _scaled(problem, config)
    items, neighbours, products = nearest_columns(vectors, config.neighbours + 1, threads=threads)
    kept = (items != neighbours) & (products > 0)
    similarity = sum_pairs(items[kept], neighbours[kept], products[kept], (problem.n_items, problem.n_items))
    return with_attributes(problem, similarity, config) if config.attribute_weights else similarity


def _scaled(problem: RetrievalProblem, config: ItemKnnConfig) -> SparseRows:
    recent = problem.recent
    kept = recent.values < config.fit_history
    users, items = recent.rows[kept], recent.columns[kept]
    activity = np.bincount(users, minlength=problem.n_users).astype(np.float64)
    values = activity[users] ** (-config.activity_damping / 2)
    norms = np.bincount(items, weights=values**2, minlength=problem.n_items)
    scaled = values / np.sqrt(norms[items] + config.shrinkage)
    return from_sorted_pairs(users, items, scaled.astype(np.float32), problem.shape)


def with_attributes(problem: RetrievalProblem, similarity: SparseRows, config: ItemKnnConfig) -> SparseRows:
    """Add weight * [same category] + weight * [same creator] + weight * |shared tags| / |all tags| to each neighbour.

    Rows with fewer than `neighbours` first gain eligible items that share an attribute that has a weight: of each
    category, creator and tag the `neighbours` + 1 that most users like. What is missing is shared with nothing. Only
    the `neighbours` greatest of a row are kept, the greatest first.
    """
    attributes = [(_attribute(problem, column), weight) for column, weight in config.attribute_weights.items()]
    offers = [_most_liked(problem, attribute, config.neighbours + 1) for attribute, _ in attributes]
    short = similarity.lengths < config.neighbours
    carried = np.sum([attribute.lengths for attribute, _ in attributes], axis=0)
    costs = similarity.lengths + short * carried * (config.neighbours + 1)
    blocks = row_ranges(costs, _BLOCK_PAIRS)
    widened = (_widened(similarity, np.arange(low, high), attributes, offers, short) for low, high in blocks)
    return strongest(widened, config.neighbours, problem.n_items)


def _attribute(problem: RetrievalProblem, column: str) -> SparseRows:
    """Items by the values of a column of the catalogue: 1 where the item has the value."""
    given = problem.catalogue.select(pl.col(column), pl.int_range(pl.len(), dtype=pl.Int32).alias(c.ITEM_ID))
    if column == c.TAGS:
        given = given.explode(column)
    given = given.drop_nulls().unique().sort(c.ITEM_ID, column)
    names = given[column].unique().sort()
    codes = given[column].cast(pl.Enum(names)).to_physical().to_numpy().astype(np.int32)
    ones = np.ones(len(codes), dtype=np.float32)
    return from_sorted_pairs(given[c.ITEM_ID].to_numpy(), codes, ones, (problem.n_items, len(names)))


def _most_liked(problem: RetrievalProblem, attribute: SparseRows, n: int) -> SparseRows:
    """Values by items: the `n` eligible items with the value that most users like, whoever likes none included."""
    users = 1.0 + np.bincount(problem.preferences.columns, minlength=problem.n_items)
    offered = problem.eligible[attribute.rows]
    values, items = attribute.columns[offered], attribute.rows[offered]
    carriers = sum_pairs(values, items, users[items].astype(np.float64), (attribute.n_columns, problem.n_items))
    return strongest([carriers], n, problem.n_items)


def _widened(
    similarity: SparseRows,
    rows: NDArray[np.int64],
    attributes: list[tuple[SparseRows, float]],
    offers: list[SparseRows],
    short: NDArray[np.bool_],
) -> SparseRows:
    """Those rows of the similarity with the offers to the short ones among them, all with what attributes add."""
    known = similarity.take(rows)
    ones, others, values = [rows[known.rows]], [known.columns], [known.values.astype(np.float64)]
    for (attribute, _), offer in zip(attributes, offers, strict=True):
        wanting = rows[short[rows]]
        found = product(attribute.take(wanting), offer)
        apart = wanting[found.rows] != found.columns
        ones.append(wanting[found.rows[apart]])
        others.append(found.columns[apart])
        values.append(np.zeros(len(ones[-1])))
    low = rows[0] if len(rows) else 0
    shape = (len(rows), similarity.n_columns)
    pairs = sum_pairs(np.concatenate(ones) - low, np.concatenate(others), np.concatenate(values), shape)
    sums = pairs.values.astype(np.float64)
    for attribute, weight in attributes:
        sums += weight * _shared(attribute, pairs.rows + low, pairs.columns)
    return SparseRows(pairs.starts, pairs.columns, sums.astype(np.float32), pairs.n_columns)


def _shared(attribute: SparseRows, ones: NDArray[np.int64], others: NDArray[np.int32]) -> NDArray[np.float64]:
    """Values that both items of each pair have over values that either has (Jaccard); 0 where neither has any."""
    left, right = attribute.take(ones), attribute.take(others)
    both = np.isin(_keys(left), _keys(right), assume_unique=True)
    shared = np.bincount(left.rows[both], minlength=len(ones)).astype(np.float64)
    return shared / np.maximum(left.lengths + right.lengths - shared, 1)


def _keys(matrix: SparseRows) -> NDArray[np.int64]:
    return matrix.rows * matrix.n_columns + matrix.columns
