"""Rows erased for good: no file of the table's folder holds them, the log included, whatever its form."""

# deltalake and pyarrow leave types out.
# pyright: reportUnknownMemberType=false

from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from recs_platform.lake.erasure import erase_rows
from recs_platform.lake.tables import Lake

NAME = "raw.events"
GONE = "aa-somebody"


def rows(*users: str) -> pl.DataFrame:
    return pl.DataFrame({"user_id": list(users), "value": [1.0] * len(users)})


def holders(lake: Lake) -> list[str]:
    files = [path for path in lake.path(NAME).rglob("*") if path.is_file()]
    return sorted(
        path.name
        for path in files
        if GONE.encode() in path.read_bytes()
        or (path.suffix == ".parquet" and GONE in pl.read_parquet(path).write_json())
    )


@pytest.mark.parametrize("form", ["log", "checkpoint", "checkpoint alone"])
def test_no_file_holds_what_was_erased(tmp_path: Path, form: str) -> None:
    lake = Lake(tmp_path / "lake")
    lake.append(NAME, rows(GONE, "b"))
    lake.append(NAME, rows("c", "d"))
    lake.overwrite(NAME, rows(GONE, "b", "c", "d"))
    if form != "log":
        DeltaTable(lake.path(NAME)).create_checkpoint()
    if form == "checkpoint alone":
        for entry in (lake.path(NAME) / "_delta_log").glob("*[01].json"):
            entry.unlink()
    assert len(holders(lake)) >= 3
    erase_rows(lake, NAME, f"user_id in ('{GONE}')", ["user_id"])
    assert holders(lake) == []
    for fresh in (lake, Lake(tmp_path / "lake")):
        kept = pl.concat([pl.read_parquet(file) for file in fresh.files(NAME)])
        assert sorted(kept["user_id"]) == ["b", "c", "d"]
    lake.append(NAME, rows("e"))
    assert len(lake.files(NAME)) == 2
    erase_rows(lake, NAME, f"user_id in ('{GONE}')", ["user_id"])
    assert len(lake.files(NAME)) == 2
