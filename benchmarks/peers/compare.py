"""The platform beside peers on one made-up log: each sees what was before an instant and lists ten items for everybody.

`python -m benchmarks.peers.compare [--events 1000000] [--rectools FOLDER]` prints seconds, peak memory and NDCG@10 of
each on the last 14 days: full catalogue ranked, what a user consumed before left out. Whoever wins is printed.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl

from benchmarks.homes import kept_or_temporary, print_table
from recs_platform.cli.pipeline_benchmark.results import RunCost
from recs_platform.cli.pipeline_benchmark.runs import apart, run_once
from recs_platform.contracts import columns as c
from recs_platform.contracts.home import Home
from recs_platform.evaluation.metrics import user_metrics
from recs_platform.world.log import FIRST_DAY, write_log

HORIZON = timedelta(days=14)
DAYS, K = 60, 10
# A person who writes a script makes lists; the platform's run also judges, describes and publishes them.
NOT_FOR_LISTS = ("reports.", "marts", "marts.", "segments.", "releases.", "evaluation")
LIKED = """
with known as (
    select distinct user_id, item_id from read_parquet($events)
    where occurred_at < $as_of and event_type <> 'impression'
)
select distinct user_id, item_id from read_parquet($events)
where occurred_at >= $as_of and occurred_at < $until and event_type <> 'impression'
    and (event_type <> 'rating' or value >= 3)
    and user_id in (select user_id from known)
    and (user_id, item_id) not in (from known)
"""


@dataclass(frozen=True)
class Contender:
    """What one made and what it cost; `note` says what its seconds hold, or why it has none."""

    name: str
    note: str
    seconds: float | None = None
    peak_gib: float | None = None
    lists: pl.DataFrame | None = None


def platform(folder: Path, events: Path, items: Path, as_of: datetime, threads: int) -> list[Contender]:
    """A first `recs run` of an empty home; its steps up to the lists are given apart."""
    home = folder / "home"
    landing = Home(home).landing / "contract"
    landing.mkdir(parents=True)
    Home(home).settings_file.write_text(f"threads = {threads}\nlanding_settle_seconds = 0.0\n")
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        known = f"from read_parquet('{events}') where occurred_at < timestamptz '{as_of.isoformat()}'"
        con.execute(f"copy ({known}) to '{landing / 'events.parquet'}'")
    (landing / "items.parquet").write_bytes(items.read_bytes())
    started = time.monotonic()
    cost: RunCost = apart(run_once, home, "the platform", as_of)
    seconds, peak = time.monotonic() - started, cost.peak_bytes / 2**30
    (made,) = (home / "artifacts" / "releases").glob("*/recommendations.parquet")
    lists = pl.read_parquet(made).select(c.USER_ID, c.ITEM_ID, c.RANK)
    others = sum(step.seconds for step in cost.steps if step.step.startswith(NOT_FOR_LISTS))
    return [
        Contender("recs run", "ingestion to release, reports and analysts' file", seconds, peak, lists),
        Contender(
            "recs run, for lists", "the same less segments, marts, reports, release", seconds - others, peak, lists
        ),
    ]


def peer(name: str, note: str, command: Sequence[object], output: Path) -> Contender:
    """A script in a process of its own; its peak is that of the process or of its largest child."""
    started = time.monotonic()
    with subprocess.Popen(
        ["/usr/bin/env", sys.executable, "-m", *map(str, command)],
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "PYTHONWARNINGS": "ignore"},
    ) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        return Contender(name, f"left with exit code {process.returncode}; what it said is above")
    in_bytes = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    lists = pl.read_parquet(output).select(c.USER_ID, c.ITEM_ID, c.RANK)
    return Contender(name, note, time.monotonic() - started, in_bytes / 2**30, lists)


def held_out(events: Path, as_of: datetime) -> pl.DataFrame:
    """What users with a history chose in the horizon and had not consumed before."""
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        return con.execute(LIKED, {"events": str(events), "as_of": as_of, "until": as_of + HORIZON}).pl()


def popular(events: Path, as_of: datetime, users: pl.Series) -> pl.DataFrame:
    """The ten items most consumed in the last week, the same for all, less what a user consumed: the least to beat."""
    text = """
        with consumed as (select * from read_parquet($events) where occurred_at < $as_of and event_type <> 'impression')
        , top as (
            select item_id, count(*) as n from consumed where occurred_at >= $as_of - interval 7 day
            group by item_id order by n desc, item_id limit 200
        )
        select user_id, item_id, row_number() over (partition by user_id order by n desc, item_id) as rank
        from users cross join top
        where (user_id, item_id) not in (select user_id, item_id from consumed)
        qualify rank <= 10
    """
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        con.execute("create table users as select unnest($1) as user_id", [users.to_list()])
        return con.execute(text, {"events": str(events), "as_of": as_of}).pl()


def ndcg(lists: pl.DataFrame, chosen: pl.DataFrame) -> float:
    values = user_metrics(lists.with_columns(pl.col(c.RANK).cast(pl.Int64)), chosen, K)
    return float(values.filter(pl.col(c.METRIC) == "ndcg")[c.VALUE].to_numpy().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description="The platform beside a hand-written script and RecTools.")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, help="one to 100 events when absent")
    parser.add_argument("--items", type=int, help="one to 200 events when absent")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rectools", type=Path, metavar="FOLDER", help="also RecTools, its environment in this folder")
    parser.add_argument("--minutes", type=float, default=30.0, help="time after which RecTools is ended")
    parser.add_argument("--keep", type=Path, help="folder to work in and leave")
    options = parser.parse_args()
    users, items = options.users or options.events // 100, options.items or options.events // 200
    as_of = datetime.fromisoformat(FIRST_DAY).replace(tzinfo=UTC) + timedelta(days=DAYS) - HORIZON
    key = f"{as_of:%Y-%m-%d}"
    with kept_or_temporary(options.keep) as folder:
        write_log(folder / "log", events=options.events, users=users, items=items, days=DAYS)
        log = (folder / "log" / "events.parquet", folder / "log" / "items.parquet")
        script, said = folder / "by_hand.parquet", ("--as-of", key, "--threads", options.threads)
        found = platform(folder, *log, as_of, options.threads)
        found.append(
            peer(
                "by hand", "one script, lists only", ["benchmarks.peers.pipeline_by_hand", *log, script, *said], script
            )
        )
        if options.rectools:
            output = folder / "rectools.parquet"
            more = ("--environment", options.rectools, "--minutes", options.minutes)
            command = ["benchmarks.peers.rectools_two_stage", log[0], output, *said, *more]
            found.append(peer("RecTools two-stage", "its scores and ranks as features, lists only", command, output))
        chosen = held_out(log[0], as_of)
        known = chosen[c.USER_ID].unique()
        found.append(Contender("popularity", "of the last week", lists=popular(log[0], as_of, known)))
        put(found, chosen, f"{options.events:,} events, {users:,} users, {items:,} items, as of {key}")


def put(found: list[Contender], chosen: pl.DataFrame, sizes: str) -> None:
    """The table, and who is ahead of whom."""
    base = found[0].seconds or 1.0
    rows: list[list[object]] = []
    for each in found:
        cost = ["", "", ""] if each.seconds is None else [f"{each.seconds:.1f}", f"{each.seconds / base:.2f}", ""]
        cost[2] = "" if each.peak_gib is None else f"{each.peak_gib:.2f}"
        quality = None if each.lists is None else ndcg(each.lists, chosen)
        users = "" if each.lists is None else f"{each.lists[c.USER_ID].n_unique():,}"
        rows.append([each.name, *cost, quality, users, each.note])
    print(f"{sizes}; {chosen[c.USER_ID].n_unique():,} users held out; load {os.getloadavg()[0]:.1f}\n")
    print_table(["who", "seconds", "times recs run", "peak GiB", "NDCG@10", "users listed", "what"], rows)


if __name__ == "__main__":
    main()
