"""Speed and memory, each figure beside a floor or a peer measured in the same run. Quality is measured elsewhere.

`python -m benchmarks.run [--scale 1.0] [--only PART …]` (`make bench`) prints a Markdown table of measurements
and one of the promises on speed and memory among them.
"""

import argparse
import multiprocessing
import os
import platform
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.homes import kept_or_temporary, print_table
from benchmarks.parts_compiled import compiled_forest
from benchmarks.parts_data import features, ingest_jsonl, ingest_parquet, orchestration, world
from benchmarks.parts_features import all_features, all_segments
from benchmarks.parts_ingestion import bad_jsonl, bad_parquet, clean_jsonl, clean_parquet, nothing_new
from benchmarks.parts_models import forest, rerank, retrieve
from benchmarks.parts_pipeline import pipeline
from benchmarks.parts_retrieval import retrieval_best, retrieval_fast
from benchmarks.parts_search import approximate_search, exact_search
from benchmarks.parts_serving import serving
from benchmarks.promises import Speed, kept_speeds
from benchmarks.timing import Row

# Each part with the home it works in.
PARTS = {
    "world": (world, "world"),
    "ingest_parquet": (ingest_parquet, "world"),
    "ingest_jsonl": (ingest_jsonl, "jsonl"),
    "clean_parquet": (clean_parquet, "clean_parquet"),
    "bad_parquet": (bad_parquet, "bad_parquet"),
    "clean_jsonl": (clean_jsonl, "clean_jsonl"),
    "bad_jsonl": (bad_jsonl, "bad_jsonl"),
    "nothing_new": (nothing_new, "nothing_new"),
    "features": (features, "world"),
    "all_features": (all_features, "log"),
    "all_segments": (all_segments, "log"),
    "retrieve": (retrieve, "world"),
    "exact_search": (exact_search, "world"),
    "approximate_search": (approximate_search, "world"),
    "retrieval_fast": (retrieval_fast, "split"),
    "retrieval_best": (retrieval_best, "split"),
    "forest": (forest, "world"),
    "compiled_forest": (compiled_forest, "world"),
    "rerank": (rerank, "world"),
    "orchestration": (orchestration, "run"),
    "serving": (serving, "serving"),
    "pipeline": (pipeline, "pipeline"),
}
# Peaks are in 1,000,000 KiB.
GB_IN_GIB = 1e6 * 1024 / 2**30
COLUMNS = ["what", "seconds", "a second", "beside", "its seconds", "times that", "peak GB", "recall", "its recall"]
ALONE = {
    "features": ["world", "ingest_parquet"],
    "ingest_jsonl": ["world", "ingest_parquet"],
    "ingest_parquet": ["world"],
    "all_segments": ["all_features"],
}


def measure(part: str, folder: Path, scale: float) -> tuple[list[Row], float]:
    """Rows of one part and the peak memory of this process, in GB."""
    action, home = PARTS[part]
    os.environ["RECS_HOME"] = str(folder / home)
    rows = action(folder, scale)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return rows, peak / (1e9 if sys.platform == "darwin" else 1e6)


def cells(row: Row, peak: float) -> list[object]:
    what = f"{row.what}, {row.told}" if row.told else row.what
    rate = f"{row.amount / row.seconds:,.0f} {row.unit}" if row.amount > 1 else ""
    beside = None if row.beside_seconds is None else f"{row.beside_seconds:.2f}"
    ratio = f"{row.seconds / row.beside_seconds:.2f}" if row.beside_seconds else ""
    held = peak if row.peak_gib is None else row.peak_gib / GB_IN_GIB
    return [what, f"{row.seconds:.2f}", rate, row.beside, beside, ratio, f"{held:.2f}", row.recall, row.beside_recall]


def speed(row: Row, peak: float) -> Speed:
    """What promises look at."""
    held = peak * GB_IN_GIB if row.peak_gib is None else row.peak_gib
    return Speed(row.seconds, row.amount, held, row.beside_seconds, row.recall)


def chosen(only: list[str] | None) -> list[str]:
    """The parts asked for, with those whose files they read, in order."""
    if only is None:
        return list(PARTS)
    wanted = {name for part in only for name in [part, *ALONE.get(part, [])]}
    return [name for name in PARTS if name in wanted]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the platform beside floors and peers.")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the default sizes, at least 0.02")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), metavar="PART", help=", ".join(PARTS))
    options = parser.parse_args()
    started = time.monotonic()
    table: list[list[object]] = []
    speeds: dict[str, Speed] = {}
    fresh = multiprocessing.get_context("spawn")
    with kept_or_temporary(None) as folder:
        for part in chosen(options.only):
            print(f"measuring {part}", file=sys.stderr, flush=True)
            with ProcessPoolExecutor(1, mp_context=fresh) as alone:
                rows, peak = alone.submit(measure, part, folder, options.scale).result()
            table += [cells(row, peak) for row in rows]
            speeds |= {row.what: speed(row, peak) for row in rows}
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, scale {options.scale:g}\n")
    print_table(COLUMNS, table)
    promises = kept_speeds(speeds)
    if promises:
        print("\n")
        print_table(
            ["promise", "asked", "measured", "kept"], [[*told, "yes" if kept else "NO"] for *told, kept in promises]
        )
    print(f"\nmeasured in {time.monotonic() - started:.0f} s; peak memory is of the part's own process or command")


if __name__ == "__main__":
    main()
