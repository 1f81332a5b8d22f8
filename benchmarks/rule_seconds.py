"""Processor seconds of re-ranking under rules of the settings: `python -m benchmarks.rule_seconds [--users 100000]`.

What rules cost in quality is measured in `rule_prices`.
"""

import argparse
import os
import time
from dataclasses import replace

import numpy as np
import polars as pl

from benchmarks.timing import SEED
from recs_platform.contracts import columns as c
from recs_platform.contracts.rule_settings import RulesSettings
from recs_platform.stages.reranking import RerankContext, RuleFacts, rerank, tastes_of

ITEMS, CATEGORIES, CREATORS, CHOSEN = 20_000, 25, 2_000, 20
QUOTAS: dict[str, object] = {"category_min": {"c3": 1}, "max_per_creator": 2}
VARIANTS: dict[str, dict[str, dict[str, object]]] = {
    "none": {},
    "blend": {"blend": {"novelty": 0.2, "diversity": 0.2}},
    "dpp": {"dpp": {}},
    "calibration": {"calibration": {}},
    "quotas": {"quotas": QUOTAS},
    "dpp, calibration, quotas": {"dpp": {}, "calibration": {}, "quotas": QUOTAS},
}


def drawn(users: int, each: int) -> tuple[pl.DataFrame, RerankContext]:
    """Ranked rows of every user, as they are stored, and a catalogue in which popular items are ranked more often."""
    rng = np.random.default_rng(SEED)
    start = (ITEMS * rng.random(users) ** 2).astype(np.int64)
    item = ((start[:, None] + np.cumsum(rng.integers(1, 60, size=(users, each)), axis=1)) % ITEMS).ravel()
    ids, items = (
        pl.select(pl.format(text, pl.int_range(n))).to_series() for text, n in (("u{}", users), ("i{}", ITEMS))
    )
    owner, place = np.repeat(np.arange(users), each), np.tile(np.arange(each), users)
    ranked = pl.DataFrame({
        c.USER_ID: ids.gather(owner), c.ITEM_ID: items.gather(item), c.SCORE: 1.0 / (1 + place),
        c.RANK: pl.Series(place + 1, dtype=pl.Int32),
    }).with_columns(pl.lit(["als"]).alias(c.SOURCES))  # fmt: skip
    ranked = ranked.unique([c.USER_ID, c.ITEM_ID], keep="first").sort(c.USER_ID, c.RANK)
    catalogue = pl.DataFrame({c.ITEM_ID: items}).with_columns(
        pl.format("c{}", pl.Series(rng.integers(CATEGORIES, size=ITEMS))).alias(c.CATEGORY),
        pl.format("p{}", pl.Series(rng.integers(CREATORS, size=ITEMS))).alias(c.CREATOR),
        pl.lit(value=True).alias(c.IS_AVAILABLE),
        pl.Series(c.USER_COUNT, rng.integers(1, 5_000, size=ITEMS)),
    )
    liked = rng.integers(ITEMS, size=users * CHOSEN)
    consumed = pl.DataFrame(
        {c.USER_ID: ids.gather(np.repeat(np.arange(users), CHOSEN)), c.ITEM_ID: items.gather(liked)}
    )
    context = RerankContext(
        items=catalogue,
        consumed=consumed,
        users=ids,
        fallback=catalogue.select(c.ITEM_ID, pl.col(c.USER_COUNT).cast(pl.Float64).alias(c.SCORE)),
        k=10,
        max_per_category=6,
        facts=RuleFacts(tastes=tastes_of(consumed, catalogue)),
        threads=os.cpu_count() or 1,
    )
    return ranked, context


def main() -> None:
    """Print a line a variant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--each", type=int, default=200, help="ranked items a user")
    parser.add_argument("--only", help="a variant, such as dpp")
    given = parser.parse_args()
    ranked, context = drawn(given.users, given.each)
    for name, chosen in VARIANTS.items():
        if given.only in (None, name):
            rules = RulesSettings.model_validate({rule: {"enabled": True, **of} for rule, of in chosen.items()})
            wall, cpu = time.perf_counter(), time.process_time()
            lists = rerank(ranked, replace(context, rules=rules)).lists
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            digest = lists.select(c.USER_ID, c.RANK, c.ITEM_ID).hash_rows().sum()
            print(f"{name:28} {cpu:6.1f} processor s {wall:6.1f} s {lists.height:>10,} rows {digest}", flush=True)


if __name__ == "__main__":
    main()
