"""Items: categories, creators, vectors, prices, dates and popularity day by day. Their texts are in `writing`."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from recs_platform.world.config import DAY_MS, TASTE_DIMENSIONS, WorldConfig
from recs_platform.world.draws import Codes, Flags, Floats, Instants, Vectors, choose, unit_noise, unit_rows
from recs_platform.world.identifiers import numbered

CATEGORIES = (
    "cooking", "travel", "music", "film", "science", "sport",
    "garden", "games", "fashion", "finance", "health", "history",
)  # fmt: skip
NEVER_MS = np.iinfo(np.int64).max
_ITEMS_A_CREATOR = 12
_PRICED_SHARE = 0.7


@dataclass(frozen=True)
class Catalogue:
    """All items, sorted by category; a row number is an item's code. `number` is what its public id shows."""

    number: Codes
    category: Codes
    creator: Codes
    vectors: Vectors
    centers: Vectors
    quality: Floats
    popularity: Floats
    published_ms: Instants
    until_ms: Instants
    price_cents: Instants

    @cached_property
    def category_bounds(self) -> Instants:
        """Where each category begins and, at the end, the number of items; int64 (categories + 1,)."""
        return np.searchsorted(self.category, np.arange(len(CATEGORIES) + 1)).astype(np.int64)


def draw_catalogue(config: WorldConfig) -> Catalogue:
    """Draw the items: each lies near its category's center, nearer to others of its creator."""
    rng = config.generator("catalogue")
    n, n_categories = config.items, len(CATEGORIES)
    free = choose(rng, rng.uniform(0.5, 1.5, n_categories), n - 2 * n_categories)
    category = np.sort(np.concatenate([np.repeat(np.arange(n_categories, dtype=np.int32), 2), free]))
    creators = max(2, n // (_ITEMS_A_CREATOR * n_categories))
    creator = (category * creators + rng.integers(creators, size=n)).astype(np.int32)
    centers = np.linalg.qr(rng.standard_normal((TASTE_DIMENSIONS, n_categories)))[0].T
    manner = unit_noise(rng, creators * n_categories, TASTE_DIMENSIONS)
    own = unit_noise(rng, n, TASTE_DIMENSIONS)
    quality = rng.standard_normal(n)
    published_ms, until_ms = _draw_lifetimes(config, rng, evergreen=np.diff(category, prepend=-1) > 0)
    return Catalogue(
        number=rng.permutation(n).astype(np.int32),
        category=category,
        creator=creator,
        vectors=unit_rows(0.7 * centers[category] + 0.5 * manner[creator] + 0.7 * own),
        centers=centers.astype(np.float32),
        quality=quality,
        popularity=np.exp(0.45 * quality + 0.6 * rng.standard_normal(n)),
        published_ms=published_ms,
        until_ms=until_ms,
        price_cents=np.where(
            rng.random(n) < _PRICED_SHARE, 100 * np.exp(rng.normal(2.5, 0.8, n)).astype(np.int64) + 99, 0
        ),
    )


def _draw_lifetimes(config: WorldConfig, rng: np.random.Generator, evergreen: Flags) -> tuple[Instants, Instants]:
    """Publication and end of availability; evergreens are old and never end, so that no category is ever empty."""
    n = config.items
    is_new = (rng.random(n) < config.new_item_share) & ~evergreen
    before = config.start_ms - (DAY_MS * (1 + rng.exponential(120.0, n))).astype(np.int64)
    during = config.start_ms + (rng.random(n) * config.days * DAY_MS).astype(np.int64)
    published = np.where(is_new, during, before)
    expires = (rng.random(n) < config.expiring_share) & ~evergreen
    lasting = (DAY_MS * rng.uniform(3, max(config.days, 8), n)).astype(np.int64)
    return published, np.where(expires, np.maximum(published, config.start_ms) + lasting, NEVER_MS)


def is_available_by_day(config: WorldConfig, catalogue: Catalogue) -> Flags:
    """Whether an item may be shown during the whole of a day; bool (days, items)."""
    day_ms = config.start_ms + np.arange(config.days, dtype=np.int64)[:, None] * DAY_MS
    return (catalogue.published_ms <= day_ms) & (catalogue.until_ms >= day_ms + DAY_MS)


def popularity_by_day(config: WorldConfig, catalogue: Catalogue) -> Floats:
    """Popularity of an item on a day, 0 while it is not available; float64 (days, items).

    A new item bursts to nine times its lasting popularity and falls back with the half-life.
    """
    day_ms = config.start_ms + np.arange(config.days, dtype=np.int64)[:, None] * DAY_MS
    age_days = np.maximum(day_ms - catalogue.published_ms, 0) / DAY_MS
    burst = 0.25 + 2.0 * np.exp2(-age_days / config.half_life_days)
    return np.where(is_available_by_day(config, catalogue), catalogue.popularity * burst, 0.0)


def item_ids(config: WorldConfig, catalogue: Catalogue) -> pl.Series:
    """Public ids by code; String (items,). Numbers are shuffled, so that an id does not reveal the category."""
    return numbered(f"i{config.tag}-", catalogue.number)
