"""Retrieval on real data and on a world: each source, their merge and EASE, full ranking, tuned on validation only.

`python -m benchmarks.retrieval_quality FOLDER [--profile fast] [--k 20 200] [--only NAME …]` prints a Markdown table a
split, then the paired-bootstrap interval of recall of the merge less that of the best source.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.homes import print_table
from benchmarks.timing import SEED
from recs_platform.contracts import columns as c
from recs_platform.evaluation.bootstrap import paired_difference
from recs_platform.evaluation.metrics import user_metrics
from recs_platform.evaluation.splits import new_pairs
from recs_platform.pipeline.platform import Platform, sql_folder
from recs_platform.settings import Settings
from recs_platform.stages import events
from recs_platform.stages.retrieval.benchmark.benchmark import MERGED, run_benchmark
from recs_platform.stages.retrieval.benchmark.profiles import ProfileName
from recs_platform.world import WorldConfig, simulate, write_landing

TEST_SHARE, WINDOW, WINDOWS = 0.2, timedelta(days=14), 12
EASE, EASE_PENALTY = "ease (peer)", 300.0
COLUMNS = [c.USER_ID, c.ITEM_ID, c.OCCURRED_AT]
Pairs = pl.DataFrame


@dataclass(frozen=True)
class Split:
    """What is fitted on and what is to be found; of a rolling split there are several."""

    train: Pairs
    test: Pairs


def movielens(folder: Path, _home: Path) -> dict[str, list[Split]]:
    """A fifth of the pairs at random, and each user's last item."""
    ratings = pl.read_csv(folder / "ml-latest-small" / "ratings.csv").select(
        pl.col("userId").cast(pl.String).alias(c.USER_ID),
        pl.col("movieId").cast(pl.String).alias(c.ITEM_ID),
        pl.from_epoch("timestamp").dt.replace_time_zone("UTC").alias(c.OCCURRED_AT),
    )
    drawn = pl.Series(np.random.default_rng(SEED).random(len(ratings)) < TEST_SHARE)
    ordered = ratings.sort(COLUMNS[0], COLUMNS[2], COLUMNS[1])
    is_last = ordered.select(pl.int_range(pl.len()).over(c.USER_ID) == pl.len().over(c.USER_ID) - 1).to_series()
    return {
        "MovieLens, random": [Split(ratings.filter(~drawn), ratings.filter(drawn))],
        "MovieLens, last item": [Split(ordered.filter(~is_last), ordered.filter(is_last))],
    }


def deskdrop(folder: Path, home: Path) -> dict[str, list[Split]]:
    """The last twelve windows of 14 days, a week apart."""
    return {"Deskdrop, rolling": list(_rolling(_taken_in(home, "deskdrop", folder / "deskdrop"), WINDOWS))}


def world(_folder: Path, home: Path) -> dict[str, list[Split]]:
    """The last four windows of 14 days of the default world, a week apart."""
    write_landing(simulate(WorldConfig(seed=SEED)), home / "landing" / "world")
    return {"world, rolling": list(_rolling(_taken_in(home, None, home), 4))}


SETS: dict[str, Callable[[Path, Path], dict[str, list[Split]]]] = {
    "movielens": movielens,
    "deskdrop": deskdrop,
    "world": world,
}


def _taken_in(home: Path, source: str | None, path: Path) -> pl.DataFrame:
    """Interactions of a set as of after its last event."""
    platform = Platform(Settings(home=home, landing_settle_seconds=0), sql_folder())
    if source is not None:
        events.land(platform.home, platform.sources[source], path, dry_run=False)
    with platform.connection() as con:
        events.ingest(
            platform.home, platform.lake, platform.sources, con, now=datetime.now(UTC), progress=lambda _: None
        )
    now = datetime.now(UTC)
    with platform.model_run(now, now, scratch=True) as run:
        return run.frame("staging.stg_interactions")


def _rolling(interactions: pl.DataFrame, windows: int) -> Iterator[Split]:
    at = pl.col(c.OCCURRED_AT)
    last = interactions.select(at.dt.truncate("1d").max()).item()
    end = last + timedelta(days=1)
    for weeks in reversed(range(windows)):
        cutoff = end - WINDOW - timedelta(days=7 * weeks)
        known = interactions.filter(at < cutoff)
        liked = known.filter(pl.col(c.WEIGHT) > 0)
        later = interactions.filter((at >= cutoff) & (at < cutoff + WINDOW))
        first = later.filter(pl.col(c.WEIGHT) > 0).group_by(c.USER_ID, c.ITEM_ID).agg(at.min())
        test = new_pairs(later, known).join(first, on=[c.USER_ID, c.ITEM_ID]).join(liked, on=c.USER_ID, how="semi")
        yield Split(liked.select(COLUMNS), test.select(COLUMNS))


def ease(train: Pairs, test: Pairs, k: int) -> pl.DataFrame:
    """Lists of an item-to-item ridge regression in closed form (Steck 2019), dense: a peer for small catalogues."""
    users, items = (train[name].unique().sort() for name in (c.USER_ID, c.ITEM_ID))
    codes = [
        train[name].cast(pl.Enum(ids)).to_physical().to_numpy()
        for name, ids in ((c.USER_ID, users), (c.ITEM_ID, items))
    ]
    liked = np.zeros((len(users), len(items)), dtype=np.float32)
    liked[codes[0], codes[1]] = 1
    penalty = EASE_PENALTY * np.eye(len(items), dtype=np.float32)
    inverse: NDArray[np.float32] = np.linalg.inv(liked.T @ liked + penalty)
    weights: NDArray[np.float32] = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    wanted = np.flatnonzero(users.is_in(test[c.USER_ID].unique().implode()).to_numpy())
    scores = np.where(liked[wanted] > 0, -np.inf, liked[wanted] @ weights)
    best: NDArray[np.int64] = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    rows = {c.USER_ID: users.gather(np.repeat(wanted, best.shape[1])), c.ITEM_ID: items.gather(best.ravel())}
    return pl.DataFrame(rows).with_columns(pl.int_range(1, pl.len() + 1).over(c.USER_ID).alias(c.RANK))


def measure(splits: list[Split], k: int, profile: ProfileName, threads: int) -> pl.DataFrame:
    """model, user_id, metric, value of all splits; a user counts once a split."""
    found: list[pl.DataFrame] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, split in enumerate(splits):
            files = [Path(folder) / f"{name}.parquet" for name in ("train", "test")]
            for frame, file in zip((split.train, split.test), files, strict=True):
                frame.write_parquet(file)
            result = run_benchmark(
                *files, valid=None, k=k, sources=None, profile=profile, seed=SEED, threads=threads, progress=_quiet
            )
            held_out = split.test.select(c.USER_ID, c.ITEM_ID).unique()
            peer = user_metrics(ease(split.train, split.test, k), held_out, k).with_columns(pl.lit(EASE).alias(c.MODEL))
            both = [result.by_user, peer.select(result.by_user.columns)]
            found.append(pl.concat(both).with_columns(pl.format("{} {}", pl.lit(number), c.USER_ID).alias(c.USER_ID)))
            print(f"  split {number + 1} of {len(splits)}: weights {result.weights}", file=sys.stderr, flush=True)
    return pl.concat(found)


def _quiet(_text: str) -> None:
    """Says nothing."""


def report(name: str, values: pl.DataFrame, k: int) -> None:
    """Means by model, then the merge less the best source."""
    means = (
        values.group_by(c.MODEL, c.METRIC).agg(pl.col(c.VALUE).mean()).pivot(c.METRIC, index=c.MODEL, values=c.VALUE)
    )
    print(f"\n## {name}, k = {k}, {values[c.USER_ID].n_unique():,} users\n")
    metrics = ["recall", "ndcg", "hit_rate", "mrr"]
    print_table(
        [c.MODEL, *metrics],
        [list(row) for row in means.sort("recall", descending=True).select(c.MODEL, *metrics).rows()],
    )
    recall = values.filter(pl.col(c.METRIC) == "recall").pivot(c.MODEL, index=c.USER_ID, values=c.VALUE).sort(c.USER_ID)
    alone = [model for model in recall.columns if model not in {c.USER_ID, MERGED, EASE}]
    found = {model: recall[model].fill_null(0).to_numpy() for model in [MERGED, *alone]}
    best = max(alone, key=lambda model: found[model].mean())
    gain = paired_difference(found[MERGED], found[best], SEED)
    print(f"\nrecall@{k} of the merge less {best}: {gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]")


def main() -> None:
    parser = argparse.ArgumentParser(description="Each source, their merge and EASE on real data and a world.")
    parser.add_argument("folder", type=Path, help="where the real data lies")
    parser.add_argument("--profile", choices=["fast", "best"], default="fast")
    parser.add_argument("--k", type=int, nargs="+", default=[20, 200])
    parser.add_argument("--only", nargs="+", choices=list(SETS))
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    for name in asked.only or SETS:
        with tempfile.TemporaryDirectory() as home:
            for split, parts in SETS[name](asked.folder, Path(home)).items():
                for k in asked.k:
                    report(split, measure(parts, k, asked.profile, asked.threads), k)


if __name__ == "__main__":
    main()
