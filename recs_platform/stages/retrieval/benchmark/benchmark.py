"""Retrieval on a user's own split: full ranking over all train items, each user's train items masked.

Everything is chosen on a validation part, then fitted again on all of train; the test is scored once.
"""

import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.spelling import did_you_mean
from recs_platform.evaluation.list_metrics import catalogue_coverage, novelty
from recs_platform.evaluation.metrics import user_metrics
from recs_platform.stages.retrieval.benchmark.profiles import PROFILES, ProfileName
from recs_platform.stages.retrieval.benchmark.split_files import are_timed, carve, carving_of, problem_of, read_split
from recs_platform.stages.retrieval.benchmark.split_keys import count_findable, findable_sentence, require_same_keys
from recs_platform.stages.retrieval.benchmark.tuned_merge import tune_merge
from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.embeddings import VectorSpace, index_embeddings
from recs_platform.stages.retrieval.fit import RetrievalFit
from recs_platform.stages.retrieval.merge import best_merged
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources import SOURCES
from recs_platform.stages.retrieval.sources.base import Source, SourceLists, VectorSource
from recs_platform.stages.retrieval.sources.popularity import Popularity
from recs_platform.stages.retrieval.threads import side_by_side
from recs_platform.stages.retrieval.tuning.budget import Budget
from recs_platform.stages.retrieval.tuning.source_variants import ValidationSet
from recs_platform.stages.retrieval.tuning.validation import held_out_of

MERGED = "merged"
METRICS = ("recall", "ndcg", "hit_rate", "mrr")
_DEPTH_MIN, _DEPTH_TIMES, _DEPTH_MAX = 100, 2.5, 1000
_CHUNK_USERS = 4096
_FILLER = Popularity()
_LAST = 1e-6  # a weight that puts an item after all others


@dataclass(frozen=True)
class BenchmarkResult:
    """Scores of each source and of the merge by model, what was chosen, seconds and peak memory.

    `held_out` counts its pairs and those that no model can find. `lists`: the merged ones: user_id, item_id, rank,
    score. `by_user`: model, user_id, metric, value.
    """

    k: int
    profile: ProfileName
    scores: dict[str, dict[str, float]]
    weights: dict[str, float]
    parameters: dict[str, dict[str, Any]]
    validation: dict[str, float]
    seconds: dict[str, float]
    peak_gib: float
    held_out: dict[str, int]
    lists: pl.DataFrame = field(repr=False)
    by_user: pl.DataFrame = field(repr=False)

    def summary(self) -> dict[str, Any]:
        """Everything but the frames."""
        return {name: value for name, value in vars(self).items() if not isinstance(value, pl.DataFrame)}

    def remark(self) -> str:
        """What the scores cannot reach, in a line."""
        return findable_sentence(self.held_out)

    def table(self) -> tuple[list[str], list[list[object]]]:
        """Columns and rows for people, best NDCG first."""
        names = list(next(iter(self.scores.values())))
        ranked = sorted(self.scores, key=lambda model: (-self.scores[model]["ndcg"], model != MERGED))
        rows: list[list[object]] = [
            [model, self.weights.get(model, ""), *(self.scores[model][name] for name in names)] for model in ranked
        ]
        return [c.MODEL, c.WEIGHT, *(f"{name}@{self.k}" for name in names)], rows


def run_benchmark(
    train: Path,
    test: Path,
    *,
    valid: Path | None,
    k: int,
    sources: Sequence[str] | None,
    profile: ProfileName,
    seed: int,
    threads: int,
    progress: Callable[[str], None],
) -> BenchmarkResult:
    """Measure the sources named (the profile's by default) and their merge.

    Raises UsageError for a wrong file or name.
    """
    events, held_out = read_split(train), read_split(test)
    require_same_keys(train, events, test, held_out)
    chosen, carving = PROFILES[profile], carving_of(events, held_out, are_timed=are_timed(train, test))
    default = chosen.sources + (chosen.ahead if carving.kind == "later" else ())
    config = _only(source_names(sources, default)).with_sources(chosen.start)
    clock = _Clock()
    if valid is None:
        kept, tuning = carve(events, carving, seed=seed)
    else:
        kept, tuning = events, read_split(valid).select(c.USER_ID, c.ITEM_ID).unique()
        require_same_keys(train, events, valid, tuning)
    problem = problem_of(kept, held_out[c.USER_ID])
    held = held_out_of(problem, tuning, users_max=chosen.validation_users_for(events.height), seed=seed)
    progress(
        f"tuning on {len(held.users):,} users of the validation part"
        if len(held.users)
        else "the validation part holds no user with history: parameters stay as they are, all weights are 1"
    )
    tuned = tune_merge(
        ValidationSet(problem, held),
        config,
        Budget(time.monotonic, trials=chosen.trials_for(events.height), factors_max=chosen.factors_max),
        k=k,
        depth=_depth(k),
        seed=seed,
        threads=threads,
        report=progress,
    )
    clock.lap("choose")
    progress(f"fitting on all of train with weights {tuned.weighting.weights}")
    problem = problem_of(events, held_out[c.USER_ID])
    targets = _targets(problem, held_out)
    with side_by_side(threads) as pool:
        fit = _fit(problem, tuned.config, targets, pool, seed=seed)
        clock.lap("fit")
        lists = {name: _frame(problem, given) for name, given in _all_lists(fit, targets, pool, k).items()}
    clock.lap("recommend")
    by_user = _by_user(lists, held_out.select(c.USER_ID, c.ITEM_ID).unique(), k)
    return BenchmarkResult(
        k=k,
        profile=profile,
        scores=_scores(problem, lists, by_user, k),
        weights=tuned.weighting.weights,
        parameters=tuned.parameters,
        validation={**tuned.weighting.alone, MERGED: tuned.weighting.merged},
        seconds=clock.laps,
        peak_gib=_peak_gib(),
        held_out=count_findable(events, held_out),
        lists=lists[MERGED],
        by_user=by_user,
    )


def source_names(asked: Sequence[str] | None, default: Sequence[str]) -> list[str]:
    """The names asked for, the default where none are. Raises UsageError for one that is not registered."""
    known = [source.name for source in SOURCES]
    unknown = [name for name in asked or [] if name not in known]
    if unknown:
        raise UsageError(f"no source {unknown}{did_you_mean(unknown[0], known)}; there are: {', '.join(known)}")
    return list(asked) if asked else list(default)


class _Clock:
    """Seconds of each part, one after the other."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._since = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name], self._since = round(now - self._since, 3), now


def _only(names: Sequence[str]) -> RetrievalConfig:
    return RetrievalConfig().with_sources({source.name: {"enabled": source.name in names} for source in SOURCES})


def _depth(k: int) -> int:
    """Items of each source that are merged: with fewer than about twice those asked for, the merge loses."""
    return min(_DEPTH_MAX, max(_DEPTH_MIN, round(_DEPTH_TIMES * k)))


def _targets(problem: RetrievalProblem, held_out: pl.DataFrame) -> NDArray[np.int32]:
    wanted = problem.user_series.is_in(held_out[c.USER_ID].unique().implode())
    return np.flatnonzero(wanted.to_numpy()).astype(np.int32)


def _fit(
    problem: RetrievalProblem, config: RetrievalConfig, targets: NDArray[np.int32], pool: Executor, *, seed: int
) -> RetrievalFit:
    """All sources fitted side by side; those that fit when first asked are asked for one list."""
    spaces: dict[str, VectorSpace] = {}
    fit = RetrievalFit(problem, spaces, config, seed, threads=1)

    def prepare(source: Source) -> None:
        if isinstance(source, VectorSource):
            spaces[source.name] = index_embeddings(problem, source.embed(problem, seed=seed, threads=1))
        source.retrieve(fit, targets[:1], 1)

    list(pool.map(prepare, config.configured_sources()))
    return fit


def _all_lists(fit: RetrievalFit, targets: NDArray[np.int32], pool: Executor, k: int) -> dict[str, SourceLists]:
    """The first `k` of each source and of the merge, chunks of users side by side."""

    def of_chunk(start: int) -> dict[str, SourceLists]:
        return _merged(fit, targets[start : start + _CHUNK_USERS], k)

    parts = list(pool.map(of_chunk, range(0, max(len(targets), 1), _CHUNK_USERS)))
    return {name: _joined([part[name] for part in parts]) for name in parts[0]}


def _merged(fit: RetrievalFit, targets: NDArray[np.int32], k: int) -> dict[str, SourceLists]:
    """The first `k` of each source, and of those with a weight together; popularity fills what they leave empty."""
    sources = fit.config.configured_sources()
    weights = {source.name: source.config.weight for source in sources}
    weights[_FILLER.name] = weights.get(_FILLER.name) or _LAST
    lists = {source.name: source.retrieve(fit, targets, _depth(k) if weights[source.name] else k) for source in sources}
    offered = {_FILLER.name: _FILLER.retrieve(fit, targets, _depth(k)), **lists}
    weighed = {name: found for name, found in offered.items() if weights[name] > 0}
    first = {name: _first(found, k) for name, found in lists.items()}
    return {MERGED: best_merged(fit.problem, weighed, weights, k), **first}


def _first(lists: SourceLists, k: int) -> SourceLists:
    return lists.take(np.arange(len(lists.users)) - np.searchsorted(lists.users, lists.users) < k)


def _joined(parts: Sequence[SourceLists]) -> SourceLists:
    return SourceLists(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("users", "items", "scores"))
    )


def _frame(problem: RetrievalProblem, lists: SourceLists) -> pl.DataFrame:
    """user_id, item_id, rank from 1, score."""
    ranks = np.arange(len(lists.users)) - np.searchsorted(lists.users, lists.users) + 1
    return pl.DataFrame(
        {
            c.USER_ID: problem.user_series.gather(lists.users),
            c.ITEM_ID: problem.item_series.gather(lists.items),
            c.RANK: pl.Series(ranks, dtype=pl.Int32),
            c.SCORE: pl.Series(lists.scores, dtype=pl.Float64),
        }
    )


def _by_user(lists: Mapping[str, pl.DataFrame], held_out: pl.DataFrame, k: int) -> pl.DataFrame:
    return pl.concat(
        user_metrics(made, held_out, k)
        .filter(pl.col(c.METRIC).is_in(METRICS))
        .select(pl.lit(model).alias(c.MODEL), c.USER_ID, c.METRIC, c.VALUE)
        for model, made in lists.items()
    )


def _scores(
    problem: RetrievalProblem, lists: Mapping[str, pl.DataFrame], by_user: pl.DataFrame, k: int
) -> dict[str, dict[str, float]]:
    """Means over all users of the test, coverage of the catalogue and novelty in bits, by model."""
    users = np.bincount(problem.preferences.columns, minlength=problem.n_items)
    counts = pl.DataFrame({c.ITEM_ID: problem.item_series, c.USER_COUNT: users})
    means = {row[:2]: row[2] for row in by_user.group_by(c.MODEL, c.METRIC).agg(pl.col(c.VALUE).mean()).rows()}
    return {
        model: {metric: means[model, metric] for metric in METRICS}
        | {
            "coverage": catalogue_coverage(made, problem.n_items, k),
            "novelty": novelty(made, counts, problem.n_users, k),
        }
        for model, made in lists.items()
    }


def _peak_gib() -> float:
    """Most memory this process has held so far, in GiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 2**30, 3)
