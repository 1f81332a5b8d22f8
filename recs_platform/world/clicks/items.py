"""Items of a world of clicks: category, region, appeal, publication and what follows what."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.world.catalogue import CATEGORIES
from recs_platform.world.clicks.config import ClickWorldConfig
from recs_platform.world.config import DAY_MS, HOUR_MS
from recs_platform.world.draws import Codes, Floats, Instants, choose
from recs_platform.world.identifiers import named, numbered
from recs_platform.world.population import REGIONS

NOWHERE = len(REGIONS)  # the region of what interests everywhere
_ITEMS_A_CREATOR = 25


@dataclass(frozen=True)
class Items:
    """Items by code. `follower`: the code of what comes next, -1 at a series' end. `region`: NOWHERE where general."""

    number: Codes
    category: Codes
    region: Codes
    creator: Codes
    appeal: Floats
    published_ms: Instants
    follower: Codes
    is_first: np.ndarray[tuple[int], np.dtype[np.bool_]]


def draw_items(config: ClickWorldConfig) -> Items:
    """Draw the items; those of a series share category, creator and region and come out in order."""
    rng = config.generator("items")
    n, length = config.items, config.series_items
    series = np.arange(n, dtype=np.int32) // length
    n_series = int(series[-1]) + 1
    category = choose(rng, rng.uniform(0.5, 1.5, len(CATEGORIES)), n_series)
    is_local = rng.random(n_series) < config.local_share
    region = np.where(is_local, rng.integers(len(REGIONS), size=n_series), NOWHERE).astype(np.int32)
    creator = rng.integers(max(1, n // _ITEMS_A_CREATOR), size=n_series).astype(np.int32)
    appeal = np.exp(config.quality_spread * rng.standard_normal(n_series))
    position = np.arange(n, dtype=np.int32) % length
    ends = (position == length - 1) | (np.arange(n) == n - 1)
    own = np.exp(0.2 * rng.standard_normal(n))
    return Items(
        number=rng.permutation(n).astype(np.int32),
        category=category[series],
        region=region[series],
        creator=creator[series],
        appeal=appeal[series] * own,
        published_ms=_publications(config, rng, series, position),
        follower=np.where(ends, -1, np.arange(n) + 1).astype(np.int32),
        is_first=position == 0,
    )


def _publications(config: ClickWorldConfig, rng: np.random.Generator, series: Codes, position: Codes) -> Instants:
    """When each item came out: a new one during the period, by day more than by night, the others before it."""
    n_series = int(series[-1]) + 1
    is_new = rng.random(n_series) < config.new_item_share
    day = rng.integers(config.days, size=n_series) * DAY_MS
    hour = np.clip(rng.normal(13, 4.5, n_series), 0, 23.9) * HOUR_MS
    age = rng.exponential(60 * DAY_MS, n_series) + HOUR_MS
    first = np.where(is_new, config.start_ms + day + hour, config.start_ms - age).astype(np.int64)
    return first[series] + position.astype(np.int64) * HOUR_MS


def items_table(config: ClickWorldConfig, items: Items) -> pl.DataFrame:
    """The items in contract columns, by id."""
    categories = named(CATEGORIES, items.category)
    ids = item_ids(config, items)
    frame = pl.DataFrame(
        {
            c.ITEM_ID: ids,
            c.TITLE: pl.select(pl.concat_str(categories, pl.lit(" "), ids)).to_series(),
            c.CATEGORY: categories,
            c.CREATOR: numbered("maker-", items.creator),
            c.PUBLISHED_AT: pl.Series(items.published_ms).cast(pl.Datetime("ms", "UTC")),
        }
    )
    return frame.sort(c.ITEM_ID)


def item_ids(config: ClickWorldConfig, items: Items) -> pl.Series:
    """Public ids by code; String (items,)."""
    return numbered(f"{config.preset[0]}{config.key[:4]}-", items.number)
