"""A backfill of many as-ofs from the UI, two runs at a time: every run ends well, and none meets a lock.

`python -m benchmarks.backfill [--as-ofs 30] [--users 200] [--at-once 2] [--port 3078] [--keep FOLDER]`. A run that
fails, or an as-of without lists in the published file, is exit code 1.
"""

import argparse
import re
import sys
import time
from datetime import date, timedelta
from pathlib import Path

from benchmarks.homes import kept_or_temporary, must, print_table, reading, recs
from benchmarks.month import Daemon, daemon
from recs_platform.contracts.home import Home

HISTORY_DAYS = 30
SECONDS_MAX = 3600
COLUMNS = ["as-ofs", "at once", "s", "succeeded", "failed", "as-ofs with lists"]
_REPOSITORY = {"repositoryLocationName": "recs_platform.definitions", "repositoryName": "__repository__"}
_ADD = """mutation($r:RepositorySelector!,$k:String!){addDynamicPartition(repositorySelector:$r,
partitionsDefName:"as_of",partitionKey:$k){__typename ... on PythonError{message}}}"""
_LAUNCH = """mutation($p:LaunchBackfillParams!){launchPartitionBackfill(backfillParams:$p){__typename
... on LaunchBackfillSuccess{backfillId} ... on PythonError{message}}}"""
_STATUS = """query($b:String!){partitionBackfillOrError(backfillId:$b){... on PartitionBackfill{status error{message}
runs(limit:200){id status tags{key value}}}}}"""
_LIMIT = re.compile(r"(?<=\n        limit: )1\n")
_BUSY = ("REQUESTED", "CANCELING")
_ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


def main(arguments: list[str] | None = None) -> None:
    """Lay a history, backfill its last days, print how it ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--as-ofs", type=int, default=30)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--port", type=int, default=3078)
    parser.add_argument("--keep", type=Path, default=None)
    given = parser.parse_args(arguments)
    with kept_or_temporary(given.keep) as folder:
        home = folder / "home"
        keys = _lay(home, as_ofs=given.as_ofs, users=given.users, at_once=given.at_once)
        started = time.monotonic()
        with daemon(home, given.port) as asked:
            runs = _backfill(asked, keys)
            failed = [run for run in runs if run["status"] != "SUCCESS"]
            for run in failed:
                print(run["id"], asked.why_failed(run["id"]), sep=": ")
        built = _with_lists(home) & set(keys)
    seconds = round(time.monotonic() - started)
    print_table(COLUMNS, [[len(keys), given.at_once, seconds, len(runs) - len(failed), len(failed), len(built)]])
    sys.exit(bool(failed) or len(built) < len(keys))


def _lay(home: Path, *, as_ofs: int, users: int, at_once: int) -> list[str]:
    """A home with a world ingested, whose daemon runs so many of a backfill at once; the keys of its last days."""
    must(recs(home, "init"), "recs init")
    must(recs(home, "simulate", "--users", str(users), "--days", str(HISTORY_DAYS + as_ofs)), "recs simulate")
    must(recs(home, "ingest"), "recs ingest")
    file = home / "dagster" / "dagster.yaml"
    changed, found = _LIMIT.subn(f"{at_once}\n", file.read_text())
    if found != 1:
        sys.exit(f"{file} does not limit backfills as expected")
    file.write_text(changed)
    # By the name of its first file: some events of a world are dated wrongly.
    first = min(path.stem[-8:] for path in (Home(home).landing / "world").glob("events-*.parquet"))
    ends = [date.fromisoformat(first) + timedelta(days=HISTORY_DAYS + number + 1) for number in range(as_ofs)]
    return [f"{end}" for end in ends]


def _backfill(asked: Daemon, keys: list[str]) -> list[dict[str, str]]:
    """Launch it as the UI does, and wait until all its runs have ended; the runs."""
    for key in keys:
        added = asked.ask(_ADD, r=_REPOSITORY, k=key)["addDynamicPartition"]
        if added["__typename"] != "AddDynamicPartitionSuccess":
            sys.exit(f"{key} cannot be added: {added}")
    selector = {"partitionSetName": "build_partition_set", "repositorySelector": _REPOSITORY}
    launched = asked.ask(_LAUNCH, p={"selector": selector, "partitionNames": keys})["launchPartitionBackfill"]
    if launched["__typename"] != "LaunchBackfillSuccess":
        sys.exit(f"the backfill cannot be launched: {launched}")
    started = time.monotonic()
    while time.monotonic() - started < SECONDS_MAX:
        time.sleep(5)
        found = asked.ask(_STATUS, b=launched["backfillId"])["partitionBackfillOrError"]
        runs = found["runs"]
        if found["status"] not in _BUSY and len(runs) == len(keys) and all(run["status"] in _ENDED for run in runs):
            return runs
        print(f"{sum(run['status'] in _ENDED for run in runs)} of {len(keys)} runs have ended", flush=True)
    sys.exit(f"the backfill did not end within {SECONDS_MAX} s")


def _with_lists(home: Path) -> set[str]:
    with reading(home) as con:
        return {
            f"{row[0]:%Y-%m-%d}" for row in con.execute("select distinct as_of from recommendations.lists").fetchall()
        }


if __name__ == "__main__":
    main()
