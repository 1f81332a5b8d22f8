"""Sealed batches: whatever is killed when, every file's rows are in every table once, and the ledger agrees."""

import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.lake.batches import BATCH_ORDER, REPLACES, next_number, open_batch, recover
from recs_platform.lake.locks import exclusive
from recs_platform.lake.tables import Lake
from recs_platform_tests.unit.lake.children import CONTRACTS, batch_tables, column, write_batch

KILLS = 15
LONGEST_LIFE_SECONDS = 0.6


def assert_tables_agree(lake: Lake) -> int:
    """The tables hold what the ledger says, and each file in the ledger is there once; returns how many."""
    files = column(lake, "raw.ingestions", c.FILE_HASH)
    # Files are ingested by number, so a gap would be a batch that was sealed and lost.
    assert sorted(files) == sorted(f"file{number}" for number in range(len(files)))
    expected = [batch_tables(number) for number in range(len(files))]
    for table in ("events", "quarantine", "item_tags"):
        rows = {f"file{number}": tables[table].num_rows for number, tables in enumerate(expected)}
        assert Counter(column(lake, f"raw.{table}", c.FILE_HASH)) == Counter(rows), table
    events = column(lake, "raw.events", c.EVENT_ID)
    assert len(events) == len(set(events))
    users = expected[-1]["users"].column(0).to_pylist() if expected else []
    assert column(lake, "raw.users", c.USER_ID) == users
    return len(files)


def live_and_die(child, seconds: float) -> None:
    """Start an ingesting process, let it live that long, kill it."""
    child.stdin.write("go\n")
    child.stdin.flush()
    pid = int(child.stdout.readline())
    try:
        time.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGKILL)
    assert child.stdout.readline() == "gone\n"


@pytest.mark.trial
def test_killed_at_any_time_nothing_is_lost_or_doubled(tmp_path, start):
    lake, chance = Lake(tmp_path / "lake"), random.Random(7)  # noqa: S311
    child = start("ingest_again_and_again", tmp_path)
    unfinished = 0
    for _ in range(KILLS):
        live_and_die(child, chance.uniform(0, LONGEST_LIFE_SECONDS))
        unfinished += any((tmp_path / "batches").glob("*"))
        with exclusive(tmp_path / "locks" / "ingest", wait=False):
            recover(tmp_path / "batches", lake, CONTRACTS)
            assert not list((tmp_path / "batches").glob("*"))
            taken = assert_tables_agree(lake)
            assert next_number(lake) == taken + 1
    assert unfinished
    assert taken


@dataclass(frozen=True)
class CrashingLake(Lake):
    """A lake whose process dies at the n-th write, just before or just after its commit."""

    crash_at: int = 0
    after: bool = False
    writes: list[str] = field(default_factory=list)

    def adopt(self, name, files, **options):
        return self._crash(name, partial(super().adopt, name, files, **options))

    def _crash(self, name, write):
        self.writes.append(name)
        if len(self.writes) == self.crash_at and not self.after:
            raise InterruptedError
        version = write()
        if len(self.writes) == self.crash_at:
            raise InterruptedError
        return version


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_at_any_table_is_rolled_forward_without_doubling(tmp_path, after):
    lake, root = Lake(tmp_path / "lake"), tmp_path / "batches"
    for number, crash_at in enumerate((1, 2, 3, 4, 5)):
        assert write_batch(tmp_path, lake, batch_tables(number)) == number + 1
        with pytest.raises(InterruptedError):
            recover(root, CrashingLake(lake.root, crash_at, after), CONTRACTS)
        assert recover(root, lake, CONTRACTS) == [number + 1]
        assert recover(root, lake, CONTRACTS) == []
        assert assert_tables_agree(lake) == number + 1


def test_rolling_the_same_batch_forward_twice_writes_nothing(tmp_path):
    lake, root = CrashingLake(tmp_path / "lake"), tmp_path / "batches"
    for _ in range(2):
        with open_batch(root, 1) as folder:
            for name, table in batch_tables(0).items():
                pq.write_table(table, folder / f"{name}.parquet")
        assert recover(root, lake, CONTRACTS) == [1]
    assert lake.writes == [f"raw.{table}" for table in BATCH_ORDER if table in batch_tables(0)]
    assert assert_tables_agree(lake) == 1


def test_batches_roll_forward_in_the_order_of_their_numbers(tmp_path):
    lake = Lake(tmp_path / "lake")
    for number in (10, 9):
        with open_batch(tmp_path, number) as folder:
            for name in ("users", "ingestions"):
                pq.write_table(batch_tables(number)[name], folder / f"{name}.parquet")
    assert recover(tmp_path, lake, CONTRACTS) == [9, 10]
    assert len(column(lake, "raw.users", c.USER_ID)) == 11


def test_the_first_batch_is_number_one_and_no_folder_means_nothing_to_recover(tmp_path):
    lake = Lake(tmp_path / "lake")
    assert next_number(lake) == 1
    assert recover(tmp_path / "batches", lake, CONTRACTS) == []


def test_tables_are_partitioned_as_their_contract_says(tmp_path):
    lake = Lake(tmp_path / "lake")
    write_batch(tmp_path, lake, batch_tables(1))
    by_date = replace(CONTRACTS["raw.events"], partition_by=("event_date",))
    recover(tmp_path / "batches", lake, {**CONTRACTS, "raw.events": by_date})
    assert all("event_date=2017-01-0" in file for file in lake.files("raw.events"))
    assert not any("=" in file for file in lake.files("raw.ingestions"))


def test_an_exception_seals_nothing(tmp_path):
    with pytest.raises(KeyError), open_batch(tmp_path, 1):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("tables", "complaint"), [(("events",), "no ingestions"), (("ingestions", "odd"), "odd.parquet")]
)
def test_a_batch_of_other_files_is_refused(tmp_path, tables, complaint):
    def write() -> None:
        with open_batch(tmp_path, 1) as folder:
            for name in tables:
                pq.write_table(pa.table({"x": [1]}), folder / f"{name}.parquet")

    with pytest.raises(ContractError, match=complaint):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_sealed_batch_is_never_written_again(tmp_path):
    with open_batch(tmp_path, 1) as folder:
        pq.write_table(batch_tables(0)["ingestions"], folder / "ingestions.parquet")
    with pytest.raises(ContractError, match="recover it first"), open_batch(tmp_path, 1):
        pytest.fail("opened again")


def test_several_files_of_a_table_enter_in_one_commit_as_they_are(tmp_path):
    lake, whole = Lake(tmp_path / "lake"), batch_tables(0)
    with open_batch(tmp_path / "batches", 1) as folder:
        for name, table in whole.items():
            pq.write_table(table, folder / f"{name}.parquet")
        pq.write_table(whole["events"], folder / "events-2.parquet")
    assert recover(tmp_path / "batches", lake, CONTRACTS) == [1]
    assert len(column(lake, "raw.events", c.EVENT_ID)) == 2 * whole["events"].num_rows
    assert lake.version("raw.events") == 0


def test_a_batch_may_replace_the_tables_it_holds(tmp_path):
    lake = Lake(tmp_path / "lake")
    for number in (0, 1):
        assert write_batch(tmp_path, lake, batch_tables(number)) == number + 1
        recover(tmp_path / "batches", lake, CONTRACTS)
    with open_batch(tmp_path / "batches", 3) as folder:
        for name in ("events", "ingestions"):
            pq.write_table(batch_tables(7)[name], folder / f"{name}.parquet")
        (folder / REPLACES).touch()
    assert recover(tmp_path / "batches", lake, CONTRACTS) == [3]
    assert set(column(lake, "raw.events", c.FILE_HASH)) == {"file7"}
    assert column(lake, "raw.ingestions", c.FILE_HASH) == ["file7"]
    assert set(column(lake, "raw.quarantine", c.FILE_HASH)) >= {"file1"}
    assert next_number(lake) == 4


def test_a_column_new_to_the_table_is_added_with_the_rows(tmp_path):
    lake = Lake(tmp_path / "lake")
    write_batch(tmp_path, lake, batch_tables(0))
    recover(tmp_path / "batches", lake, CONTRACTS)
    ledger = batch_tables(1)["ingestions"]
    wider = ledger.append_column("extra_count", pa.array([1] * ledger.num_rows))
    write_batch(tmp_path, lake, {"ingestions": wider})
    assert recover(tmp_path / "batches", lake, CONTRACTS) == [2]
    assert "extra_count" in lake.arrow_schema("raw.ingestions").names
    assert len(column(lake, "raw.ingestions", c.FILE_HASH)) == 2
