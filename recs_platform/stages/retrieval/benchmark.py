"""Retrieval on a user's own split: full ranking over all train items, each user's train items masked.

Only the fusion constant is chosen, on a validation part; what comes out is refitted on all of train.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import UsageError
from recs_platform.evaluation.metrics import catalogue_coverage, user_metrics
from recs_platform.evaluation.splits import per_user_holdout
from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.embeddings import ALSConfig
from recs_platform.stages.retrieval.fit import RetrievalFit, fit_retrieval, generate_candidates
from recs_platform.stages.retrieval.problem import IS_AVAILABLE, OCCURRED_US, encode
from recs_platform.stages.retrieval.sources import SOURCES

MERGED = "merged"
VALID_FRACTION = 0.1
Profile = Literal["fast", "best"]
FACTORS: dict[Profile, int] = {"fast": 64, "best": 256}
METRICS = ("recall", "ndcg", "hit_rate", "mrr")


@dataclass(frozen=True)
class BenchmarkResult:
    """Scores of each source and of the merge, seconds, and the lists of the one that did best on validation."""

    k: int
    chosen: str
    scores: dict[str, dict[str, float]]
    fit_seconds: float
    recommend_seconds: float
    lists: pl.DataFrame

    def summary(self) -> dict[str, Any]:
        """Everything but the lists."""
        return {name: value for name, value in vars(self).items() if name != "lists"}

    def table(self) -> tuple[list[str], list[list[object]]]:
        """Columns and rows for people; the chosen one is marked."""
        names = list(next(iter(self.scores.values())))
        rows: list[list[object]] = [
            [f"{model} *" if model == self.chosen else model, *(row[name] for name in names)]
            for model, row in self.scores.items()
        ]
        return [c.MODEL, *(f"{name}@{self.k}" for name in names)], rows


def run_benchmark(
    train: Path,
    test: Path,
    *,
    valid: Path | None,
    k: int,
    sources: Sequence[str] | None,
    profile: Profile,
    seed: int,
    threads: int,
    progress: Callable[[str], None],
) -> BenchmarkResult:
    """Measure the sources named (all by default) and their merge. Raises UsageError for a wrong file or name."""
    names = _source_names(sources)
    events, held_out = _read(train), _read(test).select(c.USER_ID, c.ITEM_ID).unique()
    kept, tuning = (events, _read(valid)) if valid else per_user_holdout(events, VALID_FRACTION)
    config = RetrievalConfig(candidates_per_source=max(100, 2 * k), embeddings=ALSConfig(factors=FACTORS[profile]))
    progress("choosing on validation")
    fitted = _fit(kept, config, seed, threads)
    chosen = _best(_lists(fitted, names, tuning, k), tuning.select(c.USER_ID, c.ITEM_ID).unique(), k)
    progress(f"refitting on all of train; {chosen} did best on validation")
    started = time.perf_counter()
    fitted = _fit(events, config, seed, threads)
    fit_seconds = time.perf_counter() - started
    started = time.perf_counter()
    lists = _lists(fitted, names, held_out, k)
    recommend_seconds = time.perf_counter() - started
    scores = {model: _score(made, held_out, k, fitted.problem.n_items) for model, made in lists.items()}
    return BenchmarkResult(k, chosen, scores, fit_seconds, recommend_seconds, lists[chosen])


def _source_names(sources: Sequence[str] | None) -> list[str]:
    known = [source.name for source in SOURCES]
    unknown = [name for name in sources or [] if name not in known]
    if unknown:
        raise UsageError(f"no source {unknown}; there are: {', '.join(known)}")
    return list(sources) if sources else known


def _read(path: Path) -> pl.DataFrame:
    """user_id, item_id as text, occurred_us, weight 1; without `occurred_at` the order of rows stands in for time."""
    try:
        frame = pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise UsageError(f"{path} is not Parquet: {str(error).splitlines()[0]}") from None
    missing = [name for name in (c.USER_ID, c.ITEM_ID) if name not in frame.columns]
    if missing:
        raise UsageError(f"{path} lacks {missing}; it has {frame.columns}")
    at = pl.col(c.OCCURRED_AT).dt.epoch("us") if c.OCCURRED_AT in frame.columns else pl.int_range(pl.len())
    return frame.select(
        pl.col(c.USER_ID).cast(pl.String),
        pl.col(c.ITEM_ID).cast(pl.String),
        at.cast(pl.Int64).alias(OCCURRED_US),
        pl.lit(1.0).alias(c.WEIGHT),
    ).with_columns(pl.from_epoch(OCCURRED_US, "us").dt.replace_time_zone("UTC").alias(c.OCCURRED_AT))


def _fit(events: pl.DataFrame, config: RetrievalConfig, seed: int, threads: int) -> RetrievalFit:
    items = events.select(c.ITEM_ID).unique().with_columns(pl.lit(value=True).alias(IS_AVAILABLE))
    last = events[OCCURRED_US].max()
    as_of = datetime.fromtimestamp((int(last) if isinstance(last, int) else 0) / 1e6 + 1, UTC)
    users = events.select(c.USER_ID).unique()
    problem = encode(events, users, items, as_of=as_of, allow_repeats=False)
    return fit_retrieval(problem, config, seed=seed, threads=threads)


def _lists(fit: RetrievalFit, names: Sequence[str], wanted: pl.DataFrame, k: int) -> dict[str, pl.DataFrame]:
    """Top `k` of each source and of their reciprocal-rank fusion, for the wanted users that train knows."""
    targets = wanted[c.USER_ID].unique().filter(wanted[c.USER_ID].unique().is_in(fit.problem.user_series.implode()))
    candidates = pl.concat(list(generate_candidates(fit, targets=targets.to_list())))
    fused = pl.sum_horizontal(1.0 / (fit.config.rank_constant + pl.col(c.source_rank(name))) for name in names)
    merged = candidates.select(c.USER_ID, c.ITEM_ID, fused.fill_null(0.0).alias(c.SCORE))
    alone = {
        name: candidates.select(c.USER_ID, c.ITEM_ID, (-pl.col(c.source_rank(name))).cast(pl.Float64).alias(c.SCORE))
        for name in names
    }
    return {name: _top(frame.drop_nulls(), k) for name, frame in {**alone, MERGED: merged}.items()}


def _top(scored: pl.DataFrame, k: int) -> pl.DataFrame:
    return (
        scored.sort(c.USER_ID, c.SCORE, c.ITEM_ID, descending=[False, True, False])
        .with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over(c.USER_ID).alias(c.RANK))
        .filter(pl.col(c.RANK) <= k)
        .select(c.USER_ID, c.ITEM_ID, c.RANK, c.SCORE)
    )


def _best(lists: dict[str, pl.DataFrame], held_out: pl.DataFrame, k: int) -> str:
    return max(lists, key=lambda name: (_score(lists[name], held_out, k, 1)["ndcg"], name))


def _score(lists: pl.DataFrame, held_out: pl.DataFrame, k: int, n_items: int) -> dict[str, float]:
    means = user_metrics(lists, held_out, k).group_by(c.METRIC).agg(pl.col(c.VALUE).mean())
    found = dict(means.rows())
    return {name: found.get(name, 0.0) for name in METRICS} | {"coverage": catalogue_coverage(lists, n_items, k)}
