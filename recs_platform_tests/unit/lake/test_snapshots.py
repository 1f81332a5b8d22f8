"""A table that nobody changed is opened once; whoever changes it, the next reader sees what it is now."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from recs_platform.lake import snapshots
from recs_platform.lake.protocol import open_table
from recs_platform.lake.snapshots import Snapshots
from recs_platform.lake.tables import Lake
from recs_platform_tests.unit.lake.children import column

NAME = "features.some"


def rows(*users: str) -> pa.Table:
    return pa.table({"user_id": list(users)})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake")
    lake.append(NAME, rows("a"))
    return lake


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """The version asked for at each opening; nothing is held from before."""
    found: list[int | None] = []

    def open_and_note(folder: Path, name: str, version: int | None = None) -> DeltaTable:
        found.append(version)
        return open_table(folder, name, version)

    monkeypatch.setattr(snapshots, "open_table", open_and_note)
    return found


def test_a_table_that_stays_is_opened_once_whatever_is_asked(lake: Lake, opened: list[int | None]) -> None:
    held = Snapshots()
    table = held.read(lake.path(NAME), NAME)
    assert held.read(lake.path(NAME), NAME) is held.read(lake.path(NAME), NAME, 0) is table
    assert opened == [None]


def test_each_version_is_opened_once_and_stays_what_it_was(lake: Lake, opened: list[int | None]) -> None:
    lake.append(NAME, rows("b"))
    opened.clear()
    held = Snapshots()
    found = [held.read(lake.path(NAME), NAME, version).version() for version in (0, 1, 0, None, 1)]
    assert found == [0, 1, 0, 1, 1]
    assert opened == [0, 1, None]


def test_a_commit_of_another_program_is_seen(lake: Lake) -> None:
    assert column(lake, NAME, "user_id") == ["a"]
    for user in ("b", "c"):
        write_deltalake(lake.path(NAME), rows(user), mode="append")
    assert lake.version(NAME) == 2
    assert sorted(map(str, column(lake, NAME, "user_id"))) == ["a", "b", "c"]
    assert len(lake.files(NAME, version=0)) == 1


def test_a_table_that_was_removed_is_absent_and_one_made_anew_is_another(lake: Lake) -> None:
    before = lake.files(NAME)
    shutil.rmtree(lake.path(NAME))
    assert not lake.exists(NAME)
    lake.append(NAME, rows("z"))
    assert lake.version(NAME) == 0
    assert column(lake, NAME, "user_id") == ["z"]
    assert lake.files(NAME, version=0) != before


def test_a_version_whose_log_entry_a_checkpoint_replaced_is_read_each_time(
    lake: Lake, opened: list[int | None]
) -> None:
    DeltaTable(lake.path(NAME)).create_checkpoint()
    (lake.path(NAME) / "_delta_log" / f"{0:020d}.json").unlink()
    assert [Snapshots().read(lake.path(NAME), NAME).version() for _ in range(2)] == [0, 0]
    assert opened == [None, None]


def test_what_was_not_used_for_long_is_let_go(lake: Lake, opened: list[int | None]) -> None:
    for user in ("b", "c"):
        lake.append(NAME, rows(user))
    opened.clear()
    held = Snapshots(kept=2)
    for version in (0, 1, 0, 2, 0, 1):
        held.read(lake.path(NAME), NAME, version)
    assert opened == [0, 1, 2, 1]
