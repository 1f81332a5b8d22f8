# sklearn and scipy have no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Content vectors of items: TF-IDF of words and tags, then its principal components.

They need no interactions: a new item has a vector from its first day.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recs_platform.contracts import columns as c
from recs_platform.contracts.threads import limited

TEXTS = (c.TITLE, c.BODY)
WHOLE = ((c.CATEGORY, "category"), (c.CREATOR, "creator"))
LENGTH_TOLERANCE = 1e-4
# A direction of float32 that holds less than this of a text is rounding, not meaning.
_LEAST_LENGTH = 1e-5
_WORD = re.compile(r"\w+")
_SCHEMA = {c.ITEM_ID: pl.String(), c.VECTOR: pl.List(pl.Float32), c.TERM_COUNT: pl.Int64()}
_Row = dict[str, Any]
_Matrix = Any  # scipy.sparse.csr_matrix, of which no type is known


class VectorConfig(BaseModel):
    """TF-IDF with sublinear term frequency, then truncated SVD: latent semantic analysis (Deerwester et al. 1990)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dimensions: Annotated[int, Field(ge=1, le=512, description="length of a vector; capped by items and terms")] = 64
    terms_max: Annotated[int, Field(ge=1, description="most frequent terms kept, which bounds the memory")] = 50_000
    sweeps: Annotated[int, Field(ge=1, le=50, description="power iterations of the randomized SVD")] = 5


@dataclass(frozen=True, eq=False)
class ItemVectors:
    """`frame`: item_id, vector List(Float32) of length 1, term_count Int64, ascending by item_id.

    `terms`: different terms kept. `explained_variance`: share of the TF-IDF rows' squared length that lies in the
    directions kept, 0 to 1, missing without a row.
    """

    frame: pl.DataFrame
    dimensions: int
    terms: int
    explained_variance: float | None


def vectorize_items(items: pl.DataFrame, config: VectorConfig, *, seed: int) -> ItemVectors:
    """Vectors of the items of a catalogue: item_id, title, body, category, tags, creator, each missing or not.

    Items of which no term is kept, or none that the directions hold, get no row. The same rows in any order, config
    and seed give the same bytes at any number of threads.
    """
    rows = items.sort(c.ITEM_ID)
    if not any(_terms(row) for row in rows.iter_rows(named=True)):
        return ItemVectors(pl.DataFrame(schema=_SCHEMA), 0, 0, None)
    weights = _tf_idf(rows, config.terms_max)
    speaking = np.flatnonzero(np.diff(weights.indptr))
    weights, ids = weights[speaking], rows[c.ITEM_ID].gather(speaking)
    projected = _main_directions(weights, min(config.dimensions, *weights.shape), config.sweeps, seed)
    lengths = np.linalg.norm(projected, axis=1)
    held = np.flatnonzero(lengths > _LEAST_LENGTH)
    frame = pl.DataFrame(
        {
            c.ITEM_ID: ids.gather(held),
            c.VECTOR: pl.Series((projected[held] / lengths[held, None]).astype(np.float32)).arr.to_list(),
            c.TERM_COUNT: np.diff(weights.indptr)[held].astype(np.int64),
        },
        schema=_SCHEMA,
    )
    explained = float((lengths**2).mean())  # of rows of length 1
    return ItemVectors(frame, projected.shape[1], weights.shape[1], min(explained, 1.0))


def faulty_vectors(frame: pl.DataFrame) -> list[str]:
    """Items whose vector is empty, not finite or not of length 1, or shorter than others: ascending item_ids."""
    length = pl.col(c.VECTOR).list.len()
    vector = pl.col(c.VECTOR).list.eval(pl.element().cast(pl.Float64))
    squared = vector.list.eval(pl.element() ** 2).list.sum()
    is_sound = (
        (length == length.max())
        & vector.list.eval(pl.element().is_finite().fill_null(value=False)).list.all()
        & ((squared.sqrt() - 1).abs() <= LENGTH_TOLERANCE)
    )
    return frame.filter(~is_sound.fill_null(value=False))[c.ITEM_ID].sort().to_list()


def _terms(row: _Row) -> list[str]:
    """Words of the texts; category, creator and tags as one term each, which no word can be.

    >>> _terms({"title": "Blå bord", "body": None, "category": "home", "tags": ["bord"], "creator": None})
    ['blå', 'bord', 'category:home', 'tag:bord']
    """
    words = [word for text in TEXTS for word in _WORD.findall(_folded(row[text]))]
    whole = [f"{kind}:{_folded(row[column])}" for column, kind in WHOLE if row[column]]
    tags = sorted({f"tag:{_folded(tag)}" for tag in row[c.TAGS] or () if tag})
    return [*words, *whole, *tags]


def _folded(text: str | None) -> str:
    """One spelling for what reads alike: letters composed, widths and cases alike."""
    return unicodedata.normalize("NFKC", text or "").casefold()


def _tf_idf(rows: pl.DataFrame, terms_max: int) -> _Matrix:
    """Float64 (items, terms), each row of length 1, or empty; documents are read one at a time."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer=cast("Any", _terms), sublinear_tf=True, max_features=terms_max)
    documents: Iterator[_Row] = rows.iter_rows(named=True)
    return vectorizer.fit_transform(documents)


def _main_directions(weights: _Matrix, dimensions: int, sweeps: int, seed: int) -> NDArray[np.float64]:
    """Rows of `weights` in its `dimensions` main directions, greatest first; float64 (items, dimensions).

    A direction points to where its greatest loading is positive, the first of equal ones, so that no sign is chance.
    """
    from sklearn.utils.extmath import randomized_svd

    # TruncatedSVD calls it too, then divides by a variance that one item does not have. Its types are its defaults'.
    decompose = cast("Any", randomized_svd)
    with limited(1):  # sums of two threads differ from those of one
        left, lengths, right = decompose(weights, dimensions, n_iter=sweeps, random_state=seed, flip_sign=False)
    signs = _signs(right)
    return np.asarray(left * (lengths * signs), dtype=np.float64)


def _signs(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    greatest = np.abs(directions).argmax(axis=1)
    return np.where(directions[np.arange(len(directions)), greatest] < 0, -1.0, 1.0)
