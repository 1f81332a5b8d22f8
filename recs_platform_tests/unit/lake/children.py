"""What the tests of this room run in other processes, to be killed there: `python children.py NAME ARGUMENT...`."""

import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import BATCH_TABLES
from recs_platform.lake.artifacts import write_artifact
from recs_platform.lake.batches import next_number, open_batch, recover
from recs_platform.lake.locks import exclusive
from recs_platform.lake.tables import Lake

INSTANT = pa.timestamp("us", "UTC")
CONTRACTS = {contract.name: contract for contract in BATCH_TABLES}
AS_OF = datetime(2017, 2, 21, tzinfo=UTC)


def column(lake: Lake, name: str, wanted: str) -> list[object]:
    """One column of every row of a table, in no order."""
    files = lake.files(name) if lake.exists(name) else []
    return [value for file in files for value in pq.ParquetFile(file).read([wanted]).column(0).to_pylist()]


def batch_tables(number: int) -> dict[str, pa.Table]:
    """A made-up file's share of the raw tables: `number` decides every row and count."""
    accepted, quarantined = 1 + number % 4, number % 3
    file_hash = f"file{number}"
    days = [date(2017, 1, 1) + timedelta(days=(number + row) % 3) for row in range(accepted)]
    events = {c.EVENT_ID: [f"{number}-{row}" for row in range(accepted)], c.FILE_HASH: [file_hash] * accepted}
    ledger = {c.FILE_HASH: [file_hash], c.ROWS_ACCEPTED: [accepted], c.ROWS_QUARANTINED: [quarantined]}
    return {
        "events": pa.table({**events, c.EVENT_DATE: pa.array(days, pa.date32())}),
        "quarantine": pa.table({c.FILE_HASH: pa.array([file_hash] * quarantined, pa.string())}),
        "item_tags": pa.table({c.ITEM_ID: [f"item{number}"], c.FILE_HASH: [file_hash]}),
        "users": pa.table({c.USER_ID: [f"user{user}" for user in range(number + 1)]}),
        "ingestions": pa.table(ledger),
    }


def write_batch(root: Path, lake: Lake, tables: dict[str, pa.Table]) -> int:
    number = next_number(lake)
    with open_batch(root / "batches", number) as folder:
        for name, table in tables.items():
            pq.write_table(table, folder / f"{name}.parquet")
    return number


def ingest(root: str) -> None:
    """Ingest files that are not in the ledger yet, one a batch, until killed."""
    home, lake = Path(root), Lake(Path(root) / "lake")
    while True:
        with exclusive(home / "locks" / "ingest"):
            recover(home / "batches", lake, CONTRACTS)
            taken = set(column(lake, "raw.ingestions", c.FILE_HASH))
            write_batch(home, lake, batch_tables(next(n for n in range(10_000) if f"file{n}" not in taken)))
            recover(home / "batches", lake, CONTRACTS)


def ingest_again_and_again(root: str) -> None:
    """For each line read, say the pid of a new process that ingests, and `gone` once it was killed.

    A fork has everything imported already, so that killing it a moment later hits it at work.
    """
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            ingest(root)
        say(str(pid))
        os.waitpid(pid, 0)
        say("gone")


def hold(path: str) -> None:
    """Hold a lock until killed."""
    with exclusive(Path(path)):
        say("held")
        time.sleep(60)


def replace(root: str, hour: str, count: str) -> None:
    """Replace one as-of partition `count` times, each time by one row more."""
    as_of, lake = AS_OF + timedelta(hours=int(hour)), Lake(Path(root))
    for rows in range(1, int(count) + 1):
        table = pa.table({c.AS_OF: pa.array([as_of] * rows, INSTANT), c.USER_ID: [f"u{row}" for row in range(rows)]})
        lake.overwrite_as_of("features.user_features", table.to_reader() if rows % 2 else table, as_of)


def half_artifact(root: str, name: str, version: str) -> None:
    """Begin an artifact and wait to be killed in the middle of it."""
    with write_artifact(Path(root), name, version) as folder:
        (folder / "half").write_text("half")
        say("writing")
        time.sleep(60)


class WithoutPandas:
    """pyarrow imports pandas to look at its first Python list: two seconds in which nothing worth killing happens."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> None:
    sys.meta_path.insert(0, WithoutPandas())
    say("ready")
    children = {child.__name__: child for child in (ingest_again_and_again, hold, replace, half_artifact)}
    children[arguments[0]](*arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
