"""Real data through the real CLI, then checks of what was published. The data stays where it lies.

Two sets go through the whole graph, two through ingestion alone. `python -m benchmarks.real_data FOLDER [--keep
HOME_PARENT]`; a check that fails ends it with exit code 1, an NDCG criterion that does not hold is said aloud and does
not.
"""

import argparse
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.homes import kept_or_temporary, print_table, reading, recs
from benchmarks.promises import DATA_SETS, KNOWN_USERS, MADE, METRICS, PROMISES, DataSet, K

MARGIN = 0.05
WINDOWS_MIN = 12
NEW_ITEMS = "_with_new_items"
LEDGER_PROMISES = (
    "the ledger balances",
    "events are what the ledger accepted",
    "quarantine holds what the ledger refused",
)
IMPRESSIONS = "select count(*) from raw.events where event_type = 'impression'"
CLICKS = "select count(*) from raw.events where event_type = 'click'"
REFUSED = ("select coalesce(sum(rows_quarantined), 0)::bigint from raw.ingestions", 0)
TAKEN_IN_ALONE = (
    DataSet(
        "ebnerd",
        "ebnerd_mini",
        "",
        {
            "records": ("select raw_records from raw.ingestions where contract_table = 'events'", 1_046),
            "impressions": (IMPRESSIONS, 10_848),
            "clicks": (CLICKS, 1_047),
            "events": ("select count(*) from raw.events", 10_848 + 1_047),
            "users": ("select count(*) from raw.users", 38),
            "rows refused": REFUSED,
        },
    ),
    DataSet(
        "open_bandit",
        "open_bandit",
        "",
        {
            "impressions": (IMPRESSIONS, 4 * 10_000),
            "clicks": (CLICKS, 46 + 46 + 69 + 46),
            "impressions with propensity and a place from 1": (
                f"{IMPRESSIONS} and propensity > 0 and position between 1 and 3",
                4 * 10_000,
            ),
            "items": ("select count(*) from raw.items", 34 + 46),
            "rows refused": REFUSED,
        },
    ),
)


@dataclass
class Tally:
    """Checks so far, each said as it is made, and criteria, which are said but not counted."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    criteria: list[str] = field(default_factory=list)

    def check(self, name: str, ok: bool, detail: object = "") -> None:
        print(f"  {'ok    ' if ok else 'FAILED'} {name}{f': {detail}' if detail != '' else ''}", flush=True)
        if ok:
            self.passed += 1
        else:
            self.failed.append(name)


def try_data_set(data: DataSet, folder: Path, home: Path, tally: Tally) -> None:
    """Land, run and verify one data set in a home of its own."""
    if _done(data, folder, home, tally, ["run"]):
        with reading(home) as con:
            verify(data, con, tally)


def try_ingestion(data: DataSet, folder: Path, home: Path, tally: Tally) -> None:
    """Land and take in one data set in a home of its own; verify counts and ledger, and make no list."""
    if _done(data, folder, home, tally, ["ingest"], ["publish"]):
        with reading(home) as con:
            keep(data, {name: PROMISES[name] for name in LEDGER_PROMISES}, con, tally)


def _done(data: DataSet, folder: Path, home: Path, tally: Tally, *commands: list[str]) -> bool:
    """Whether a fresh home was made, the data landed, and the commands left with 0."""
    print(f"\n=== {data.source}: {folder} → {home}", flush=True)
    if home.exists():
        tally.check(f"{data.source}: a fresh home", ok=False, detail=f"{home} exists already")
        return False
    started = time.monotonic()
    for command in (["init"], ["land", data.source, str(folder)], *commands):
        done = recs(home, *command, follow=lambda line: print(f"  {data.source} | {line}", flush=True))
        tally.check(f"{data.source}: recs {command[0]}", done.code == 0, f"{done.seconds:.1f} s, exit code {done.code}")
        if done.code != 0:
            return False
    print(f"  {data.source}: {time.monotonic() - started:.1f} s from raw files to what is published", flush=True)
    return True


def verify(data: DataSet, con: duckdb.DuckDBPyConnection, tally: Tally) -> None:
    """Promises, known counts, the protocol, and the NDCG criteria."""
    users = _number(con, f"{MADE} select count(*) from ({KNOWN_USERS})")
    tally.check(f"{data.source}: there are known users", users > 0, users)
    keep(data, PROMISES, con, tally)
    rows = con.execute(METRICS).fetchall()
    protocols = {row[0]: row[7] for row in rows if not row[0].endswith(NEW_ITEMS)}
    tally.check(f"{data.source}: protocol {data.protocol}", set(protocols) == {data.protocol}, protocols)
    if data.protocol == "global":
        windows = protocols.get(data.protocol) or 0
        tally.check(f"{data.source}: at least {WINDOWS_MIN} windows", windows >= WINDOWS_MIN, windows)
    print_table(["protocol", "model", f"metric@{K}", "value", "low", "high", "users", "windows"], [*map(list, rows)])
    found = {(row[1], row[2]): row for row in rows if row[0] == data.protocol}
    tally.criteria += criteria(data.source, found)


def keep(data: DataSet, promises: Mapping[str, str], con: duckdb.DuckDBPyConnection, tally: Tally) -> None:
    """Promises, each a count of rows that break it, and known counts."""
    for name, query in promises.items():
        broken = _number(con, query)
        tally.check(f"{data.source}: {name}", broken == 0, f"{broken} break it" if broken else "")
    for name, (query, expected) in data.counts.items():
        found = _number(con, query)
        tally.check(f"{data.source}: {expected:,} {name}", found == expected, f"{found:,}")


def criteria(source: str, found: Mapping[tuple[str, str], tuple[Any, ...]]) -> list[str]:
    """One line a criterion on NDCG, said aloud."""
    best = max((row[3], name) for (name, metric), row in found.items() if metric == "ndcg" and name != "final")
    lines: list[str] = []
    for metric, rival, limit in (
        ("ndcg_minus_popularity", "popularity", 0.0),
        ("ndcg_minus_best_source", f"best source ({best[1]})", -MARGIN * best[0]),
    ):
        row = found[("final", metric)]
        holds = "HOLDS" if row[4] > limit else "DOES NOT HOLD"
        lines.append(
            f"{holds}: {source} NDCG@{K} final - {rival} = {row[3]:+.4f}, lower bound {row[4]:+.4f} > {limit:+.4f}"
        )
        print(f"  >>> {lines[-1]}", flush=True)
    return lines


def _number(con: duckdb.DuckDBPyConnection, query: str) -> int:
    row = con.execute(query).fetchone()
    return int(row[0] or 0) if row else 0


def main() -> None:
    parser = argparse.ArgumentParser(description="Real data through the platform, and checks of what comes out.")
    parser.add_argument("folder", type=Path, help="holds ml-latest-small/, deskdrop/, ebnerd_mini/ and open_bandit/")
    parser.add_argument("--keep", type=Path, metavar="HOME_PARENT", help="make the homes here and leave them")
    options = parser.parse_args()
    tally = Tally()
    with kept_or_temporary(options.keep) as parent:
        for data in (*DATA_SETS, *TAKEN_IN_ALONE):
            folder = options.folder / data.folder
            if folder.is_dir():
                try_it = try_ingestion if data in TAKEN_IN_ALONE else try_data_set
                try_it(data, folder, parent / data.source, tally)
            else:
                tally.check(f"{data.source}: data", ok=False, detail=f"no folder {folder}")
    print("\nNDCG criteria (said, not counted):", *(tally.criteria or ["none measured"]), sep="\n  ")
    for name in tally.failed:
        print(f"FAILED {name}")
    print(f"{tally.passed} passed, {len(tally.failed)} failed", flush=True)
    sys.exit(1 if tally.failed else 0)


if __name__ == "__main__":
    main()
