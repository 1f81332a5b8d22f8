"""Measurements of retrieval, ranking and re-ranking on drawn data; each runs in a process of its own."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.timing import SEED, Row, timed
from recs_platform.cli.house import open_platform
from recs_platform.contracts.time import DAY_MICROSECONDS
from recs_platform.stages import ranking, reranking, retrieval


def retrieve(_folder: Path, scale: float) -> list[Row]:
    """Clustered tastes: a user draws most items from one of 50 clusters, popular ones more often."""
    users, items, n = int(20_000 * scale), int(10_000 * scale), int(1_000_000 * scale)
    rng = np.random.default_rng(SEED)
    who = np.sort(rng.integers(users, size=n))
    popular = (items * rng.random(n) ** 2).astype(np.int64)
    what = np.where(rng.random(n) < 0.7, popular // 50 * 50 + who % 50, popular) % items
    now = datetime(2024, 3, 1, tzinfo=UTC)
    at = int(now.timestamp() * 1e6) - rng.integers(60 * DAY_MICROSECONDS, size=n)
    frame = pl.DataFrame({"user": who, "item": what, "occurred_us": at}).select(
        pl.format("u{}", "user").alias("user_id"),
        pl.format("i{}", "item").alias("item_id"),
        "occurred_us",
        pl.lit(1.0).alias("weight"),
    )
    known = frame.select("user_id").unique(), frame.select("item_id").unique().with_columns(is_available=True)
    threads = open_platform().settings.threads
    encoding, problem = timed(lambda: retrieval.encode(frame, *known, as_of=now, allow_repeats=False))
    fitting, fit = timed(
        lambda: retrieval.fit_retrieval(problem, retrieval.RetrievalConfig(), seed=SEED, threads=threads)
    )
    offering, offered = timed(lambda: sum(chunk.height for chunk in retrieval.generate_candidates(fit)))
    als = fit.space("als").embeddings
    vectors = als.user_factors, als.item_factors
    exact, _ = timed(lambda: [np.argpartition(-(block @ vectors[1].T), 50) for block in np.array_split(vectors[0], 40)])
    size = f"{users:,} users x {items:,} items"
    return [
        Row(f"retrieval: encode, {size}", encoding, n, "interactions"),
        Row("retrieval: fit vectors and indexes", fitting, n, "interactions"),
        Row(
            "retrieval: all enabled sources, merged",
            offering,
            offered,
            "candidates",
            "one exact product, top 50",
            exact,
        ),
    ]


def forest(_folder: Path, scale: float) -> list[Row]:
    """A forest of the promoted size, grown on noise: its cost is its trees and leaves, not what it learned."""
    from recs_platform.stages.ranking.forest import score_forest

    platform = open_platform()
    names, config = platform.feature_set.names, ranking.RankerConfig()
    rng = np.random.default_rng(SEED)
    users, each = int(5_000 * scale), 100
    matrix = rng.random((users * each, len(names)), dtype=np.float32)
    rows = pl.DataFrame(matrix, schema=list(names)).with_columns(
        pl.Series("user_id", np.repeat(np.arange(users), each)).cast(pl.String).str.zfill(8),
        pl.Series("item_id", np.tile(np.arange(each), users)).cast(pl.String),
        pl.lit(datetime(2024, 3, 1, tzinfo=UTC)).alias("cutoff"),
        pl.Series("label", (matrix[:, 0] > 0.95).astype(np.int8)),
        sources=pl.lit(["als"]),
    )
    threads = platform.settings.threads
    taught = rows.head(200 * each)
    ranker = ranking.train_ranker(taught, platform.feature_set, config, seed=SEED, threads=threads)
    whole, _ = timed(lambda: list(ranking.rank_candidates([rows], ranker, top_n=50, threads=threads)))
    alone, _ = timed(lambda: score_forest(ranker.booster_text, matrix, threads=threads))
    size = f"{config.trees} trees x {config.leaves} leaves, {len(names)} features"
    return [Row(f"score and rank: {size}", whole, len(rows), "candidates", "LightGBM's predict alone", alone)]


def rerank(_folder: Path, scale: float) -> list[Row]:
    users, items, each = int(20_000 * scale), int(10_000 * scale), 50
    rng = np.random.default_rng(SEED)
    names = pl.format("u{}", pl.int_range(users)).alias("user_id")
    everyone = pl.select(names)["user_id"]
    place = np.tile(np.arange(each), users)
    start = np.repeat(rng.integers(items, size=users), each)
    ranked = pl.DataFrame({"at": np.repeat(np.arange(users), each), "item": (start + place * 7) % items}).select(
        everyone.gather(np.repeat(np.arange(users), each)).alias("user_id"),
        pl.format("i{}", "item").alias("item_id"),
        pl.Series("score", 1.0 / (1 + place)),
        pl.Series("rank", place + 1).cast(pl.Int32),
        pl.lit(["als"]).alias("sources"),
    )
    catalogue = pl.select(
        pl.format("i{}", pl.int_range(items)).alias("item_id"),
        pl.format("c{}", pl.int_range(items) % 20).alias("category"),
        pl.lit(value=True).alias("is_available"),
    )
    context = reranking.RerankContext(
        items=catalogue,
        consumed=ranked.filter(pl.col("rank") % 9 == 1).select("user_id", "item_id"),
        users=everyone,
        fallback=catalogue.select("item_id", pl.int_range(pl.len(), 0, -1).cast(pl.Float64).alias("score")),
        k=10,
        max_per_category=6,
    )
    seconds, made = timed(lambda: reranking.rerank(ranked, context).lists.height)
    plain, _ = timed(lambda: ranked.sort("user_id", "rank").filter(pl.col("rank") <= 10))
    return [Row(f"re-rank: {users:,} users x {each}", seconds, made, "list rows", "sort and cut in Polars", plain)]
