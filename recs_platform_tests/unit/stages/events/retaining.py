"""A home with events of known days, for the tests of retention; run as a program it retains, to be killed at it."""

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from recs_platform.contracts.home import Home
from recs_platform.contracts.tables import (
    EVENT_FLAGS,
    EVENTS,
    INGESTIONS,
    QUARANTINE,
    REMOVALS,
    TableContract,
)
from recs_platform.lake.column_types import polars_schema
from recs_platform.lake.tables import Lake
from recs_platform.stages.events import removals, retention
from recs_platform.stages.events.content_hashes import content_hash
from recs_platform.stages.events.retention import RetentionReport, retain
from recs_platform_tests.connections import shared_connection

NOW = datetime(2020, 2, 1, 15, 30, tzinfo=UTC)
INGESTED = datetime(2020, 1, 31, tzinfo=UTC)


def day(number: float) -> datetime:
    """Midnight of a day of January 2020, 1.5 is noon of the first."""
    return datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=number - 1)


def frame(contract: TableContract, rows: Sequence[dict[str, object]]) -> pl.DataFrame:
    schema = polars_schema(contract.columns)
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


class RetainedHome:
    """A home whose raw tables are written as ingestion would."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root)
        self.lake = Lake(self.home.lake)

    def take_in(
        self,
        name: str,
        events: Sequence[tuple[str, float]],
        *,
        quarantined: int = 0,
        duplicates: int = 0,
        ingested: datetime = INGESTED,
        tables: Sequence[str] = ("events",),
    ) -> str:
        """Land a file with these (event_id, day) and put them into the lake; returns its hash."""
        path = self.land(name, {"name": name, "events": events})
        digest, source = content_hash(path), name.split("/", maxsplit=1)[0]
        rows = [
            {
                "event_id": event, "file_hash": digest, "user_id": "u1", "item_id": "i1", "event_type": "click",
                "occurred_at": day(number), "ingested_at": ingested, "event_date": day(number).date(), "source": source,
            }
            for event, number in events
        ]  # fmt: skip
        rejected = [
            {
                "file_hash": digest,
                "line_number": line,
                "contract_table": "events",
                "payload": "x",
                "ingested_at": ingested,
            }
            for line in range(quarantined)
        ]
        ledger = [
            {
                "file_hash": digest, "source_file": name, "source": source, "contract_table": table,
                "rows_read": (len(events) + quarantined + duplicates) * (table == "events"),
                "rows_accepted": len(events) * (table == "events"),
                "rows_quarantined": quarantined * (table == "events"),
                "rows_duplicate": duplicates * (table == "events"), "attributes_dropped": 0, "ingested_at": ingested,
            }
            for table in tables
        ]  # fmt: skip
        for contract, found in ((EVENTS, rows), (QUARANTINE, rejected), (INGESTIONS, ledger)):
            self.lake.append(contract.name, frame(contract, found))
        return digest

    def land(self, name: str, content: object) -> Path:
        path = self.home.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
        return path

    def flag(self, *events: str) -> None:
        rows = [{"event_id": event, "rule": "dwell", "score": 9.0, "flagged_at": INGESTED} for event in events]
        self.lake.append(EVENT_FLAGS.name, frame(EVENT_FLAGS, rows))

    def retain(self, days: int, now: datetime = NOW) -> RetentionReport:
        return retain(self.home, self.lake, shared_connection(), retention_days=days, now=now, progress=lambda _: None)

    def rows(self, contract: TableContract) -> pl.DataFrame:
        files = self.lake.files(contract.name) if self.lake.exists(contract.name) else []
        return pl.concat([pl.read_parquet(files)]) if files else frame(contract, [])

    def ids(self, contract: TableContract = EVENTS) -> list[str]:
        return sorted(self.rows(contract)["event_id"])

    def removals(self) -> dict[tuple[str, str], int]:
        found = self.rows(REMOVALS)
        return {(row["file_hash"], row["contract_table"]): row["rows_removed"] for row in found.iter_rows(named=True)}

    def landed(self) -> list[str]:
        return sorted(
            path.relative_to(self.home.landing).as_posix() for path in self.home.landing.rglob("*") if path.is_file()
        )

    def versions(self) -> dict[str, int]:
        return {name: self.lake.version(name) for name in self.lake.names()}

    def stored_files(self) -> dict[str, set[str]]:
        """Parquet files that lie in each table's folder."""
        return {
            name: {str(path) for path in self.lake.path(name).rglob("*.parquet") if "_delta_log" not in path.parts}
            for name in self.lake.names()
        }


def kill_at(step: int) -> None:
    """Let this process be killed at its `step`-th change of the disk from now: odd before a change, even after it."""
    done = 0

    def deadly(change: Callable[..., object]) -> Callable[..., object]:
        def changing(*arguments: object, **options: object) -> object:
            nonlocal done
            done += 1
            if done == step:
                os.kill(os.getpid(), signal.SIGKILL)
            result = change(*arguments, **options)
            done += 1
            if done == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return changing

    for owner, names in (
        (Lake, ("delete", "overwrite", "vacuum", "flush")),
        (retention, ("flush_tree",)),
        (removals, ("flush",)),
        (Path, ("unlink", "write_text", "replace")),
    ):
        for name in names:
            setattr(owner, name, deadly(getattr(owner, name)))


def main() -> None:
    """For each line `step days root`, retain in a fork that is killed at that step, and say how the fork ended.

    A fork has everything imported already; nothing that starts threads, no connection either, runs before it.
    """
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        step, days, root = line.split(maxsplit=2)
        pid = os.fork()
        if pid == 0:
            kill_at(int(step))
            RetainedHome(Path(root.strip())).retain(int(days))
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
