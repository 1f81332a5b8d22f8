"""A random log, catalogue and regions through all sources, and what is wrong with the candidates. Indexes are not."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.regions import UNKNOWN_REGION
from recs_platform.stages.retrieval.candidates import generate_candidates
from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.fit import fit_retrieval
from recs_platform.stages.retrieval.problem import encode
from recs_platform.stages.retrieval.sources import SOURCES
from recs_platform_tests.catalogues.searches import KINDS

AS_OF = datetime(2020, 3, 1, tzinfo=UTC)
SMALL: dict[str, dict[str, Any]] = {
    "als": {"factors": 4, "iterations": 2},
    "spectral": {"factors": 4},
    "content": {"dimensions": 4},
}
REGIONS = ("AA", "BB", UNKNOWN_REGION)
DAYS, SEEN_MAX = 40, 25
Rng = np.random.Generator


@dataclass(frozen=True)
class Log:
    """Frames as staging has them; `are_repeats`: consumed items may be offered again."""

    interactions: pl.DataFrame
    users: pl.DataFrame
    items: pl.DataFrame
    user_regions: pl.DataFrame
    exclusions: pl.DataFrame
    vectors: pl.DataFrame | None
    are_repeats: bool


@dataclass(frozen=True)
class Offered:
    """One case: candidates made, users whom nothing was left to offer, and what is wrong."""

    candidates: int
    idle_users: int
    faults: tuple[str, ...]


def try_offers(seed: int) -> Offered:
    """Draw a log, generate candidates with all sources on, and judge them by plain joins of the frames."""
    rng = np.random.default_rng([seed, 2])
    log, config = draw_log(rng), _config(rng)
    problem = encode(
        log.interactions,
        log.users,
        log.items,
        as_of=AS_OF,
        allow_repeats=log.are_repeats,
        vectors=log.vectors,
        user_regions=log.user_regions,
        exclusions=log.exclusions,
    )
    fit = fit_retrieval(problem, config, seed=seed, threads=1)
    made = pl.concat(generate_candidates(fit, block_users=int(rng.choice([20, 8192]))))
    everyone, due = known_users(log), allowed_pairs(log)
    faults = _faults(made, everyone, due, config.candidates_per_source)
    return Offered(made.height, everyone.len() - due[c.USER_ID].n_unique(), tuple(faults))


def draw_log(rng: Rng) -> Log:
    """5 to 40 users, some of whom have consumed everything, and 1 to 60 items, of which few to all are available.

    Some users and items are known from interactions alone, some only from elsewhere.
    """
    users = pl.Series([f"u{code:02d}" for code in range(rng.integers(5, 41))])
    items = pl.Series([f"i{code:02d}" for code in range(rng.integers(1, 61))])
    who, met = _meetings(len(users), len(items), rng)
    at = AS_OF - timedelta(days=DAYS)
    interactions = pl.DataFrame(
        {
            c.USER_ID: users.gather(who),
            c.ITEM_ID: items.gather(met),
            c.OCCURRED_US: int(at.timestamp() * 1e6) + rng.integers(DAYS * 86_400, size=len(who)) * 1_000_000,
            c.WEIGHT: rng.choice([0, 0.5, 1, 2], len(who)),
        }
    )
    named = items.filter(pl.Series(rng.random(len(items)) < rng.choice([0.8, 1])))
    with_vector = items.filter(pl.Series(rng.random(len(items)) < rng.choice([0, 0.5, 1])))
    region = pl.Series(rng.choice([*REGIONS[:2], ""], len(users))).replace("", None)
    return Log(
        interactions,
        _users(users.filter(pl.Series(rng.random(len(users)) < rng.choice([0.8, 1]))), rng),
        _items(named, rng),
        pl.DataFrame({c.USER_ID: users, c.AVAILABILITY_REGION: region}).filter(pl.Series(rng.random(len(users)) < 0.9)),
        _exclusions(items, rng),
        pl.DataFrame({c.ITEM_ID: with_vector, c.VECTOR: rng.standard_normal((len(with_vector), 3)).round().tolist()}),
        bool(rng.random() < 0.3),
    )


def known_users(log: Log) -> pl.Series:
    """Who is to be offered something."""
    return pl.concat([log.users[c.USER_ID], log.interactions[c.USER_ID]]).unique().sort()


def allowed_pairs(log: Log) -> pl.DataFrame:
    """user_id, item_id of all that may be offered."""
    regions = pl.DataFrame({c.USER_ID: known_users(log)}).join(log.user_regions, on=c.USER_ID, how="left")
    available = log.items.filter(c.IS_AVAILABLE).select(c.ITEM_ID)
    pairs = regions.with_columns(pl.col(c.AVAILABILITY_REGION).fill_null(UNKNOWN_REGION)).join(available, how="cross")
    offered = pairs.join(log.exclusions, on=[c.AVAILABILITY_REGION, c.ITEM_ID], how="anti").select(c.USER_ID, c.ITEM_ID)
    return offered if log.are_repeats else offered.join(log.interactions, on=[c.USER_ID, c.ITEM_ID], how="anti")


def _meetings(users: int, items: int, rng: Rng) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Users and items of interactions, in no order: popular items more often; few users meet all of them."""
    counts = rng.integers(0, SEEN_MAX + 1, users)
    counts[rng.random(users) < rng.choice([0, 0.5])] = 0
    all_seen = np.flatnonzero(rng.random(users) < rng.choice([0, 0.2]))
    who = np.concatenate([np.repeat(np.arange(users), counts), np.repeat(all_seen, items)])
    popular = np.floor(items * rng.random(int(counts.sum())) ** 2).astype(np.int64)
    met = np.concatenate([popular, np.tile(np.arange(items), len(all_seen))])
    order = rng.permutation(len(who))
    return who[order], met[order]


def _users(ids: pl.Series, rng: Rng) -> pl.DataFrame:
    return pl.DataFrame(
        {
            c.USER_ID: ids,
            c.COUNTRY: rng.choice(["AA", "BB"], len(ids)),
            c.AGE_BAND: rng.choice(["18-24", "25-34"], len(ids)),
            c.TOP_DEVICE: rng.choice(["phone", "desktop"], len(ids)),
            c.SEGMENT_ID: rng.choice(["new", "loyal"], len(ids)),
        }
    )


def _items(ids: pl.Series, rng: Rng) -> pl.DataFrame:
    days = rng.integers(DAYS, size=len(ids))
    return pl.DataFrame(
        {
            c.ITEM_ID: ids,
            c.IS_AVAILABLE: rng.random(len(ids)) < rng.choice([0, 0.05, 0.5, 0.9, 1, 1]),
            c.TITLE: rng.choice(["red tea", "green tea", "black coffee"], len(ids)),
            c.CATEGORY: rng.choice(["tea", "coffee"], len(ids)),
            c.CREATOR: rng.choice(["ann", "bob", "eve"], len(ids)),
            c.TAGS: rng.choice(["hot", "cold"], (len(ids), 2)).tolist(),
            c.FIRST_SEEN_AT: [AS_OF - timedelta(days=int(day)) for day in days],
        },
        schema_overrides={c.TAGS: pl.List(pl.String), c.FIRST_SEEN_AT: pl.Datetime("us", "UTC")},
    )


def _exclusions(items: pl.Series, rng: Rng) -> pl.DataFrame:
    """In each region none, some or all of the items."""
    shares = rng.choice([0, 0, 0.1, 0.1, 0.5, 1], len(REGIONS))
    rows = [pl.DataFrame({c.ITEM_ID: items.filter(pl.Series(rng.random(len(items)) < share))}) for share in shares]
    return pl.concat(
        frame.select(pl.lit(region).alias(c.AVAILABILITY_REGION), c.ITEM_ID)
        for region, frame in zip(REGIONS, rows, strict=True)
    )


def _config(rng: Rng) -> RetrievalConfig:
    """Every source on, small; few or many candidates, any kind of index, nobody cold or those with few positives."""
    per_source = int(rng.integers(1, 31))
    on = {source.name: {"enabled": True, **SMALL.get(source.name, {})} for source in SOURCES}
    return RetrievalConfig.model_validate(
        {
            "candidates_per_source": per_source,
            "candidates": None if rng.random() < 0.5 else per_source,
            "cold": {"positives_max": [None, 0, 2][rng.integers(3)]},
            "index": {"kind": KINDS[rng.integers(3)], "exact_max_share": 0, "target_recall": 0.5, "links": 4},
            "sources": on,
        }
    )


def _faults(made: pl.DataFrame, everyone: pl.Series, due: pl.DataFrame, per_source: int) -> Iterator[str]:
    pairs = made.select(c.USER_ID, c.ITEM_ID)
    wrong = pairs.join(due, on=[c.USER_ID, c.ITEM_ID], how="anti").height
    if wrong:
        yield f"{wrong} candidates that may not be offered, or were consumed"
    if pairs.is_duplicated().any():
        yield "a candidate twice"
    if not made[c.FUSED_SCORE].is_finite().all() or (made[c.FUSED_SCORE] <= 0).any():
        yield "a score that is not a number above 0"
    if not made.equals(made.sort([c.USER_ID, c.FUSED_SCORE, c.ITEM_ID], descending=[False, True, False])):
        yield "not in order of user, score, item"
    counts = (
        pl.DataFrame({c.USER_ID: everyone})
        .join(pairs.group_by(c.USER_ID).len("made"), on=c.USER_ID, how="left")
        .join(due.group_by(c.USER_ID).len("due"), on=c.USER_ID, how="left")
        .with_columns(pl.col("made", "due").fill_null(0).cast(pl.Int64))
    )
    short = counts.filter(pl.col("made") < pl.min_horizontal("due", pl.lit(per_source, pl.Int64))).height
    if short:
        yield f"{short} users with fewer than {per_source} candidates though more may be offered"
