"""Items of the creators, categories and tags that the user has had of late. `content` reads titles."""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.contracts import columns as c
from recs_platform.contracts.time import DAY_MICROSECONDS
from recs_platform.stages.retrieval.packing import unpack
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import Fitted, SourceConfig, SourceLists
from recs_platform.stages.retrieval.sources.history import latest_items, retrieve_through
from recs_platform.stages.retrieval.sparse import SparseRows, from_sorted_pairs, product
from recs_platform.stages.retrieval.top_n import best_of_matrix

# The first of these that is known dates an item.
_DATES = (c.PUBLISHED_AT, c.AVAILABLE_FROM, c.FIRST_SEEN_AT)
_KINDS = (c.CREATOR, c.CATEGORY, c.TAGS)
_BLOCK_USERS = 16_384
_KIND, _VALUE = "kind", "value"
_Weight = Annotated[float, Field(ge=0, le=100, description="of this attribute in the score; 0 = not looked at")]


class ProfilesConfig(SourceConfig):
    """What a value of an attribute counts, and which of its items go first."""

    creator: _Weight = 1.0
    category: _Weight = 1.0
    tags: _Weight = 1.0
    rarity: Annotated[float, Field(ge=0, le=1, description="a value counts its items' summed priors ** -this")] = 0.5
    floor: Annotated[float, Field(gt=0, le=10, description="prior of an unused item; the most used has 1 more")] = 0.03
    freshness: Annotated[float, Field(ge=0, le=10, description="added to the prior of an item of this instant")] = 0.5
    half_life_days: Annotated[float, Field(gt=0, le=3650, description="age at which freshness is half")] = 7.0
    items_per_value: Annotated[int, Field(ge=1, le=5000, description="of greatest prior; bounds time")] = 300
    values_per_user: Annotated[int, Field(ge=1, le=1000, description="of greatest share; bounds time")] = 40
    history: Annotated[int, Field(ge=1, le=1000, description="latest items of a user that are looked up")] = 50
    decay: Annotated[float, Field(gt=0, le=1, description="weight of an item against the one after it")] = 0.95

    @property
    def looks_at_eligibility(self) -> bool:
        return True


@dataclass(frozen=True, eq=False)
class Attributes:
    """Values of creator, category and tags as codes; `kinds`: position in (creator, category, tags) of each value.

    `of_items`: items by values, 1 where the item has the value. `offers`: values by items, what a value adds to the
    score of an item: only the eligible items of greatest prior of each value, greatest first.
    """

    kinds: NDArray[np.int64]
    of_items: SparseRows
    offers: SparseRows


@dataclass(frozen=True)
class Profiles:
    """Sum over an item's values of weight of the kind * the user's share of the value * share of its items' priors.

    That last share is prior / (sum over the eligible items with the value) ** rarity: at rarity 1 the chance of
    drawing the item among those of the value.
    """

    name: str = "profiles"
    config: ProfilesConfig = field(default_factory=ProfilesConfig)

    def retrieve(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """See Source. Users without a positive of a known creator, category or tag get no entry.

        A value adds to an item only where the item is among the `items_per_value` of it.
        """
        attributes = fit.prepared(self, lambda: fit_attributes(fit.problem, self.config))
        shares = user_shares(fit.problem, attributes, targets, self.config)
        return retrieve_through(fit, attributes.offers, shares, targets, n)


def fit_attributes(problem: RetrievalProblem, config: ProfilesConfig) -> Attributes:
    """Codes of the values, and what each value offers."""
    pairs = _pairs(problem.catalogue)
    values = pairs.select(_KIND, _VALUE).unique().sort(_KIND, _VALUE)
    coded = pairs.join(values.with_row_index("code"), on=[_KIND, _VALUE]).sort(c.ITEM_ID, "code")
    items, codes = coded[c.ITEM_ID].to_numpy(), coded["code"].to_numpy().astype(np.int32)
    kinds = values[_KIND].to_numpy().astype(np.int64)
    of_items = from_sorted_pairs(items, codes, np.ones(len(items), np.float32), (problem.n_items, len(kinds)))
    eligible = np.flatnonzero(problem.eligible[items])
    chosen = eligible[np.argsort(codes[eligible], kind="stable")]
    items, codes = items[chosen], codes[chosen]
    priors = item_priors(problem, config)[items]
    masses = np.bincount(codes, weights=priors, minlength=len(kinds))[codes]
    weights = np.array([getattr(config, kind) for kind in _KINDS], dtype=np.float64)[kinds[codes]]
    added = (weights * priors / masses**config.rarity).astype(np.float32)
    by_value = from_sorted_pairs(codes, items.astype(np.int32), added, (len(kinds), problem.n_items))
    return Attributes(kinds, of_items, _greatest(by_value, config.items_per_value))


def user_shares(
    problem: RetrievalProblem, attributes: Attributes, targets: NDArray[np.int32], config: ProfilesConfig
) -> SparseRows:
    """Targets by values: sum of decay ** position over the latest items with the value, as a share of its kind's.

    Only the `values_per_user` greatest, greatest first.
    """
    parts = [
        _greatest(_shares(product(history, attributes.of_items), attributes.kinds), config.values_per_user)
        for start in range(0, max(len(targets), 1), _BLOCK_USERS)
        for history in [latest_items(problem, targets[start : start + _BLOCK_USERS], config.history, config.decay)]
    ]
    lengths = np.concatenate([part.lengths for part in parts])
    columns, values = (np.concatenate([getattr(part, name) for part in parts]) for name in ("columns", "values"))
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return SparseRows(starts, columns, values, len(attributes.kinds))


def item_priors(problem: RetrievalProblem, config: ProfilesConfig) -> NDArray[np.float64]:
    """Floor + users / users of the most used item + freshness * 2 ** (-age / half-life), (n_items,).

    An item's age counts from when it was published, available or first seen, whichever is known in this order; an
    item of unknown age is not fresh.
    """
    users = np.bincount(problem.preferences.columns, minlength=problem.n_items)
    dated = problem.catalogue.select(pl.coalesce(*_DATES).dt.epoch("us")).to_series()
    age_days = (problem.as_of_us - dated.cast(pl.Float64).fill_null(-np.inf).to_numpy()) / DAY_MICROSECONDS
    fresh = np.exp2(-np.maximum(age_days, 0) / config.half_life_days)
    return config.floor + users / users.max(initial=1) + config.freshness * fresh


def _pairs(catalogue: pl.DataFrame) -> pl.DataFrame:
    """kind, item_id = position in the catalogue, value; none twice, none missing or empty."""
    rows = catalogue.select(pl.int_range(pl.len()).alias(c.ITEM_ID), *_KINDS)
    kinds = [
        (rows.explode(name) if name == c.TAGS else rows).select(
            pl.lit(kind).alias(_KIND), c.ITEM_ID, pl.col(name).alias(_VALUE)
        )
        for kind, name in enumerate(_KINDS)
    ]
    return pl.concat(kinds).drop_nulls().filter(pl.col(_VALUE) != "").unique()


def _shares(sums: SparseRows, kinds: NDArray[np.int64]) -> SparseRows:
    keys = sums.rows * len(_KINDS) + kinds[sums.columns]
    totals = np.bincount(keys, weights=sums.values)
    return SparseRows(sums.starts, sums.columns, (sums.values / totals[keys]).astype(np.float32), sums.n_columns)


def _greatest(matrix: SparseRows, n: int) -> SparseRows:
    """The `n` greatest values of each row, greatest first."""
    keys = best_of_matrix(matrix, n)
    columns, values = unpack(keys[keys > 0])
    starts = np.concatenate([[0], np.cumsum((keys > 0).sum(axis=1))]).astype(np.int64)
    return SparseRows(starts, columns, values, matrix.n_columns)
