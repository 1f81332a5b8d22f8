"""Items that say of themselves what the user's latest ones say: TF-IDF of words and tags, then its main directions.

It does not depend on who else consumed an item, so a new one is found from its first day.
"""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.contracts import columns as c
from recs_platform.stages.retrieval.decomposition import right_directions
from recs_platform.stages.retrieval.embeddings import Embeddings
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import Fitted, SourceConfig, SourceLists
from recs_platform.stages.retrieval.sources.nearest_items import nearest_items
from recs_platform.stages.retrieval.sources.vectors import mean_of_history, unit_rows
from recs_platform.stages.retrieval.sparse import SparseRows, from_sorted_pairs, times

# A row of length 1 of which the directions hold less than this is rounding, not meaning.
_LEAST_LENGTH = 1e-5
_WHOLE = (c.CATEGORY, c.CREATOR, c.LANGUAGE)
_TERM, _COUNT = "term", "count"


class ContentConfig(SourceConfig):
    """TF-IDF with sublinear term frequency, then truncated SVD: latent semantic analysis (Deerwester et al. 1990)."""

    dimensions: Annotated[int, Field(ge=1, le=512, description="length of a vector; capped by items and terms")] = 64
    terms_max: Annotated[
        int, Field(ge=1, le=10_000_000, description="most frequent terms kept, which bounds the memory")
    ] = 50_000
    items_min: Annotated[int, Field(ge=1, le=10_000_000, description="items that a term must occur in to be kept")] = 2
    sweeps: Annotated[int, Field(ge=1, le=50, description="power iterations of the randomized SVD")] = 3
    history: Annotated[int, Field(ge=1, le=1000, description="latest items of a user that are looked up")] = 50
    decay: Annotated[float, Field(gt=0, le=1, description="weight of an item against the one after it")] = 0.95


@dataclass(frozen=True)
class Content:
    """Cosine of an item's text vector and the decayed sum of those of the user's latest items."""

    name: str = "content"
    config: ContentConfig = field(default_factory=ContentConfig)

    def embed(self, problem: RetrievalProblem, *, seed: int, threads: int) -> Embeddings:
        """See VectorSource. Unit vectors, zero where nothing is known."""
        items = text_vectors(problem.catalogue, self.config, seed=seed, threads=threads)
        users = mean_of_history(problem, items, length=self.config.history, decay=self.config.decay)
        return Embeddings(problem.user_ids, problem.item_ids, unit_rows(users, least=_LEAST_LENGTH), items)

    def retrieve(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """See Source. Users without a positive that says anything of itself get no entry."""
        return nearest_items(fit, self.name, targets, n)


def text_vectors(catalogue: pl.DataFrame, config: ContentConfig, *, seed: int, threads: int) -> NDArray[np.float32]:
    """Float32 (items, d) of length 1, zero for items of which no term is kept or held by the directions.

    `catalogue` as in RetrievalProblem; d = config.dimensions, or what the items' terms hold where that is less, at
    least 1. The same bytes at any number of threads.
    """
    weights = tf_idf(item_terms(catalogue), catalogue.height, config)
    speaking = np.flatnonzero(weights.lengths)
    spoken = weights.take(speaking)
    _, directions = right_directions(
        spoken, config.dimensions, iterations=config.sweeps + 1, seed=seed, threads=threads
    )
    vectors = np.zeros((catalogue.height, directions.shape[1]), dtype=np.float32)
    vectors[speaking] = unit_rows(times(spoken, directions), least=_LEAST_LENGTH)
    return vectors


def item_terms(catalogue: pl.DataFrame) -> pl.DataFrame:
    """item_id = position in the catalogue (Int64), term, count (Int64 from 1); sorted by position and term, none twice.

    Terms are the words of the title, and category, creator, language and each tag as a whole, which no word can be
    ("category:home"). Letters are composed, widths and cases made one.
    """
    rows = catalogue.select(pl.int_range(pl.len()).alias(c.ITEM_ID), c.TITLE, c.TAGS, *_WHOLE)
    words = _folded(pl.col(c.TITLE)).str.extract_all(r"\w+").alias(_TERM)
    terms = [
        rows.select(c.ITEM_ID, words).explode(_TERM),
        rows.select(c.ITEM_ID, c.TAGS).explode(c.TAGS).select(c.ITEM_ID, _whole(c.TAGS)).unique(),
        *(rows.select(c.ITEM_ID, _whole(column)) for column in _WHOLE),
    ]
    counted = pl.concat(terms).drop_nulls().group_by(c.ITEM_ID, _TERM).agg(pl.len().cast(pl.Int64).alias(_COUNT))
    return counted.sort(c.ITEM_ID, _TERM)


def tf_idf(terms: pl.DataFrame, n_items: int, config: ContentConfig) -> SparseRows:
    """Items by kept terms (codes ascend with the term): (1 + ln count) * (1 + ln((1 + n) / (1 + items with it))).

    n = items with any term; rows have length 1, or are empty. `terms` as `item_terms`.
    """
    spread = terms.group_by(_TERM).len().filter(pl.col("len") >= config.items_min)
    kept = spread.sort("len", _TERM, descending=[True, False]).head(config.terms_max).sort(_TERM)
    coded = terms.join(kept.with_row_index("code"), on=_TERM, maintain_order="left")
    items, codes = coded[c.ITEM_ID].to_numpy(), coded["code"].to_numpy()
    n = terms[c.ITEM_ID].n_unique()
    values = (1 + np.log(coded[_COUNT].to_numpy())) * (1 + np.log((1 + n) / (1 + coded["len"].to_numpy())))
    lengths = np.sqrt(np.bincount(items, weights=values**2, minlength=n_items))
    weights = (values / lengths[items]).astype(np.float32)
    return from_sorted_pairs(items, codes.astype(np.int32), weights, (n_items, kept.height))


def _whole(column: str) -> pl.Expr:
    value = _folded(pl.col(column))
    return pl.when(value != "").then(pl.format(f"{column}:{{}}", value)).alias(_TERM)


def _folded(text: pl.Expr) -> pl.Expr:
    return text.str.normalize("NFKC").str.to_lowercase().str.strip_chars()
