"""Random catalogues, masks, indexes and logs, judged by brute force: full answers, true scores, nothing ineligible.

`python -m benchmarks.random_catalogues [--cases 1000] [--seed 7]` prints a table of what was drawn and found; anything
wrong ends it with exit code 1. The suite runs a few of the same cases.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from benchmarks.homes import print_table
from recs_platform_tests.catalogues.offers import Offered, try_offers
from recs_platform_tests.catalogues.searches import KINDS, SHARES, Searched, try_search

COLUMNS = ["index", "eligible", "cases", "faults", "worst recall of a query"]
_FAULTS_SHOWN = 20
Case = tuple[int, Searched, Offered]


def try_case(seed: int) -> Case:
    return seed, try_search(seed), try_offers(seed)


def table(cases: Sequence[Case]) -> list[list[object]]:
    """One row a kind of index and share of eligible items that was drawn."""
    rows: list[list[object]] = []
    for kind in KINDS:
        for _, share in SHARES:
            drawn = [found for _, found, _ in cases if (found.kind, found.share) == (kind, share)]
            faults = sum(len(found.faults) for found in drawn)
            if drawn:
                rows.append([kind, share, len(drawn), faults, min(found.worst_recall for found in drawn)])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Search random catalogues and compare with brute force.")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=7, help="of the first case; the others follow")
    options = parser.parse_args()
    started, cases = time.monotonic(), list[Case]()
    first = options.seed * 1_000_000
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for case in pool.map(try_case, range(first, first + options.cases), chunksize=10):
            cases.append(case)
            if len(cases) % 100 == 0:
                print(f"{len(cases)} cases, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    faults = [f"case {seed}: {fault}" for seed, *both in cases for found in both for fault in found.faults]
    print_table(COLUMNS, table(cases))
    print(
        f"\n{len(cases)} catalogues searched; {sum(offered.candidates for *_, offered in cases):,} candidates of their "
        f"logs, {sum(offered.idle_users for *_, offered in cases):,} users to whom nothing may be offered; "
        f"{len(faults)} faults; {time.monotonic() - started:.0f} s"
    )
    for fault in faults[:_FAULTS_SHOWN]:
        print(f"  {fault}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
