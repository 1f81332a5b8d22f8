"""Measurements of `recs benchmark retrieval` on a drawn split, beside plain ALS. Its parts are not measured here."""

import json
from pathlib import Path

from benchmarks.homes import measured_recs
from benchmarks.pairs import ITEMS, USERS, write_split
from benchmarks.peers.als import als_lists
from benchmarks.promises import RETRIEVAL_BEST, RETRIEVAL_FAST
from benchmarks.timing import Row, apart
from recs_platform.cli.house import open_platform
from recs_platform.stages.retrieval.benchmark.profiles import ProfileName

K = 20


def retrieval_fast(folder: Path, scale: float) -> list[Row]:
    return [_command(RETRIEVAL_FAST, "fast", folder, scale)]


def retrieval_best(folder: Path, scale: float) -> list[Row]:
    return [_command(RETRIEVAL_BEST, "best", folder, scale)]


def _command(what: str, profile: ProfileName, folder: Path, scale: float) -> Row:
    """The whole command in a fresh process; the split is drawn, and the peer run, in others."""
    train, test = (folder / f"drawn_{name}.parquet" for name in ("train", "test"))
    pairs = apart(write_split, train, test, scale)
    files = ["--train", str(train), "--test", str(test)]
    ran = measured_recs(
        folder / "split", "benchmark", "retrieval", *files, "--k", str(K), "--profile", profile, "--json"
    )
    als_seconds, als_recall = apart(als_lists, train, test, K, open_platform().settings.threads)
    return Row(
        what,
        ran.seconds,
        pairs,
        "pairs",
        "ALS as implicit sets it, fit and lists only",
        als_seconds,
        told=f"{int(USERS * scale):,} users x {int(ITEMS * scale):,} items",
        peak_gib=ran.peak_gib,
        recall=json.loads(ran.output)["scores"]["merged"]["recall"],
        beside_recall=als_recall,
    )
