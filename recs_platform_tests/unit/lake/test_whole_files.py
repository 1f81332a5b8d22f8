"""A Parquet file that is cut off or gone is named, wherever it lies, with what to do about it."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from recs_platform.contracts.errors import ContractError
from recs_platform.lake.tables import Lake
from recs_platform.lake.whole_files import collect_whole, whole_parquet


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1 and half of its rows"])
def test_a_file_that_is_cut_off_is_named_until_it_is_whole(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "rows.parquet"
    file.write_bytes(content)
    with pytest.raises(ContractError, match=r"rows\.parquet is damaged: it ends before its rows do"):
        whole_parquet(file)
    file.write_bytes(b"PAR1 rows PAR1")
    assert whole_parquet(file) == file


@pytest.mark.parametrize(
    ("name", "cure"), [("raw.events", "restore the lake"), ("features.user_features", "remove its folder")]
)
@pytest.mark.parametrize("is_gone", [False, True])
def test_a_file_of_the_lake_is_named_by_whoever_asks_for_it(
    tmp_path: Path, name: str, cure: str, is_gone: bool
) -> None:
    lake = Lake(tmp_path / "lake")
    at = datetime(2020, 1, 1, tzinfo=UTC)
    lake.append(name, pa.table({"as_of": pa.array([at], pa.timestamp("us", "UTC")), "user_id": ["a"]}))
    (file,) = (tmp_path / "lake").rglob("*.parquet")
    copy = file.rename(tmp_path / file.name)
    if not is_gone:
        file.write_bytes(copy.read_bytes()[:-3])
    with pytest.raises(ContractError, match=rf"{file.name} is damaged: .*{cure}") as refused:
        Lake(tmp_path / "lake").files(name)
    assert "\n" not in str(refused.value)


def test_bytes_that_are_not_those_that_were_written_are_named(tmp_path: Path):
    file = tmp_path / "rows.parquet"
    pl.DataFrame({"name": [f"name {number}" for number in range(1000)]}).write_parquet(file, compression="uncompressed")
    damaged = bytearray(file.read_bytes())
    damaged[4:400] = b"x" * 396
    file.write_bytes(damaged)
    with pytest.raises(ContractError, match=r"rows.parquet is damaged: its bytes are not those that were written"):
        collect_whole(pl.scan_parquet(whole_parquet(file)), file)
