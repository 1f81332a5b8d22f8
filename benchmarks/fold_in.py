"""New events folded into factors of some days ago, beside fitting in full, going on from them, and leaving them.

`python -m benchmarks.fold_in FOLDER [--only NAME …]` prints a Markdown table a data set: recall@20, recall@200 and the
seconds to make the vectors, means over rolling test cutoffs, and recall@200 less that of a full fit with its interval.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks import retrieval_quality as quality
from benchmarks.homes import print_table
from benchmarks.timing import SEED, timed
from recs_platform.contracts import columns as c
from recs_platform.evaluation.bootstrap import paired_difference
from recs_platform.evaluation.metrics import user_metrics
from recs_platform.evaluation.splits import new_pairs
from recs_platform.stages.retrieval.benchmark.split_files import problem_of
from recs_platform.stages.retrieval.embeddings import Embeddings, index_embeddings, positions_of, rows_at
from recs_platform.stages.retrieval.fit import RetrievalFit
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.als import ALS
from recs_platform.stages.retrieval.sources.base import FoldingSource
from recs_platform.stages.retrieval.sources.spectral import Spectral

WINDOWS, DEPTHS = 4, (20, 200)
DAYS = (0, 7, 14, 28)
# MovieLens has no rolling windows with users in them: events stand in for days.
SHARES, QUANTILES, HELD_OUT = (0.0, 0.01, 0.05, 0.1), (0.6, 0.7, 0.8, 0.9), 0.1
SWEEPS = (1, 2)
FULL = "full fit"
Values = dict[tuple[str, str, str], list[NDArray[np.float64]]]


@dataclass(frozen=True)
class Case:
    """Events known at a test cutoff, those known when an older base was fitted, and what comes next."""

    age: str
    now: pl.DataFrame
    base: pl.DataFrame
    test: pl.DataFrame


def rolling(splits: list[quality.Split]) -> Iterator[Case]:
    """Bases some days older than each of the last windows' cutoffs."""
    for split in splits[-WINDOWS:]:
        at = pl.col(c.OCCURRED_AT)
        for days in DAYS:
            # What is known ends with the day before the cutoff.
            base = split.train.filter(at < at.max().dt.truncate("1d") + timedelta(days=1 - days))
            yield Case(f"{days} days", split.train, base, split.test)


def by_share(splits: list[quality.Split]) -> Iterator[Case]:
    """All events by time: cutoffs at quantiles, a tenth of the events after each, bases some events older."""
    events = pl.concat([splits[0].train, splits[0].test]).with_columns(pl.lit(1.0).alias(c.WEIGHT))
    events = events.sort(c.OCCURRED_AT, c.USER_ID, c.ITEM_ID)
    for quantile in QUANTILES:
        size = round(quantile * len(events))
        now = events.head(size)
        later = new_pairs(events.slice(size, round(HELD_OUT * len(events))), now)
        for share in SHARES:
            base = now.head(size - round(share * size))
            yield Case(f"{share:.0%} of events", now, base, later.join(now, on=c.USER_ID, how="semi"))


def measure(source: FoldingSource, cases: Iterator[Case], threads: int) -> tuple[Values, Values]:
    """Recall of each user by (age, way, depth), and seconds by (age, way, "")."""
    recalls: Values = {}
    seconds: Values = {}
    for case in cases:
        now, base = (problem_of(_timed(frame), case.test[c.USER_ID]) for frame in (case.now, case.base))
        old = source.embed(base, seed=SEED, threads=threads)
        for way, make in _ways(source, now, old, threads).items():
            took, made = timed(make)
            seconds.setdefault((case.age, way, ""), []).append(np.array([took]))
            for depth, found in _recalls(source, now, made, case.test, threads).items():
                recalls.setdefault((case.age, way, str(depth)), []).append(found)
    return recalls, seconds


def _ways(
    source: FoldingSource, now: RetrievalProblem, old: Embeddings, threads: int
) -> dict[str, Callable[[], Embeddings]]:
    fold = partial(source.fold_in, now, old, seed=SEED, threads=threads)
    ways: dict[str, Callable[[], Embeddings]] = {
        FULL: partial(source.embed, now, seed=SEED, threads=threads),
        "folded in": fold,
    }
    if isinstance(source, ALS):
        for sweeps in SWEEPS:
            warm = replace(source, config=source.config.model_copy(update={"fold_sweeps": sweeps}))
            ways[f"folded in, {sweeps} sweeps"] = partial(warm.fold_in, now, old, seed=SEED, threads=threads)
    return ways | {"left as they were": partial(_stale, now, old)}


def _stale(now: RetrievalProblem, old: Embeddings) -> Embeddings:
    """The old vectors under today's codes; whom they do not know has none."""
    users = rows_at(old.user_factors, positions_of(now.user_ids, old.user_ids))
    return Embeddings(
        now.user_ids, now.item_ids, users, rows_at(old.item_factors, positions_of(now.item_ids, old.item_ids))
    )


def _recalls(
    source: FoldingSource, problem: RetrievalProblem, made: Embeddings, test: pl.DataFrame, threads: int
) -> dict[int, NDArray[np.float64]]:
    fit = RetrievalFit(problem, {source.name: index_embeddings(problem, made, threads=threads)}, threads=threads)
    wanted = np.sort(positions_of(np.array(sorted(set(test[c.USER_ID])), dtype=np.object_), problem.user_ids))
    lists = source.retrieve(fit, wanted, max(DEPTHS))
    first = np.searchsorted(lists.users, lists.users)
    frame = pl.DataFrame(
        {
            c.USER_ID: problem.user_series.gather(lists.users),
            c.ITEM_ID: problem.item_series.gather(lists.items),
            c.RANK: np.arange(len(lists.users)) - first + 1,
        }
    )
    held_out = test.select(c.USER_ID, c.ITEM_ID).unique()
    return {
        depth: user_metrics(frame, held_out, depth).filter(pl.col(c.METRIC) == "recall")[c.VALUE].to_numpy()
        for depth in DEPTHS
    }


def _timed(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.select(
        c.USER_ID,
        c.ITEM_ID,
        pl.col(c.OCCURRED_AT).cast(pl.Datetime("us", "UTC")).dt.epoch("us").alias(c.OCCURRED_US),
        pl.lit(1.0).alias(c.WEIGHT),
    )


def report(name: str, recalls: Values, seconds: Values) -> None:
    """One row an age of the base and a way of making vectors of it."""
    names = [f"recall@{depth}" for depth in DEPTHS]
    print(f"\n## {name}\n")
    print_table(
        ["base older by", "vectors", "users", *names, "of full", "less full", "seconds", "of full"],
        [_row(recalls, seconds, age, way) for age, way, _ in seconds],
    )


def _row(recalls: Values, seconds: Values, age: str, way: str) -> list[object]:
    found, full = ({depth: np.concatenate(recalls[age, each, str(depth)]) for depth in DEPTHS} for each in (way, FULL))
    took, all_of_it = (float(np.mean(seconds[age, each, ""])) for each in (way, FULL))
    deepest = max(DEPTHS)
    gain = paired_difference(found[deepest], full[deepest], SEED)
    means = {depth: float(values.mean()) for depth, values in found.items()}
    interval = f"{gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"
    share = means[deepest] / float(full[deepest].mean())
    recall = [f"{mean:.4f}" for mean in means.values()]
    return [age, way, len(full[deepest]), *recall, f"{share:.3f}", interval, f"{took:.2f}", f"{took / all_of_it:.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Events folded into old factors, beside full fits.")
    parser.add_argument("folder", type=Path, help="where the real data lies")
    parser.add_argument("--only", nargs="+", choices=list(quality.SETS))
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    for name in asked.only or quality.SETS:
        with tempfile.TemporaryDirectory() as home:
            splits = list(quality.SETS[name](asked.folder, Path(home)).values())[-1]
        for source in (ALS(), Spectral()):
            cases = by_share(splits) if name == "movielens" else rolling(splits)
            report(f"{name}, {source.name}", *measure(source, cases, asked.threads))


if __name__ == "__main__":
    main()
