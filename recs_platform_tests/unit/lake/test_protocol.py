"""Tables that another program has altered are refused by name: their files are not their rows."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from recs_platform.contracts.errors import ContractError
from recs_platform.lake.adoption import fits
from recs_platform.lake.column_types import INSTANT
from recs_platform.lake.tables import Lake
from recs_platform_tests.unit.lake.children import AS_OF

NAME = "features.user_features"
ROWS = pa.table({"as_of": pa.array([AS_OF], INSTANT), "user_id": ["a"]})
VECTORS = {
    "minReaderVersion": 3,
    "minWriterVersion": 7,
    "readerFeatures": ["deletionVectors"],
    "writerFeatures": ["deletionVectors"],
}
MAPPED = {**VECTORS, "readerFeatures": ["columnMapping"], "writerFeatures": ["columnMapping"]}
MAPPED_BY_PROPERTY = {"minReaderVersion": 2, "minWriterVersion": 5}
UNKNOWN = {**VECTORS, "readerFeatures": ["typeWidening"], "writerFeatures": ["typeWidening"]}
NAIVE = pa.timestamp("us")

READS: dict[str, Callable[[Lake, Path], object]] = {
    "files": lambda lake, _: lake.files(NAME),
    "files of an as_of": lambda lake, _: lake.files(NAME, as_of=AS_OF),
    "files of a version": lambda lake, _: lake.files(NAME, version=1),
    "version": lambda lake, _: lake.version(NAME),
    "columns": lambda lake, _: lake.arrow_schema(NAME),
    "as_ofs": lambda lake, _: lake.as_ofs(NAME),
    "history": lambda lake, _: lake.history(NAME),
    "transactions": lambda lake, _: lake.transaction_version(NAME, "ingest"),
    "append": lambda lake, _: lake.append(NAME, ROWS),
    "overwrite": lambda lake, _: lake.overwrite(NAME, ROWS),
    "overwrite an as_of": lambda lake, _: lake.overwrite_as_of(NAME, ROWS, AS_OF),
    "delete": lambda lake, _: lake.delete(NAME, "user_id = 'a'"),
    "vacuum": lambda lake, _: lake.vacuum(NAME),
    "adopt": lambda lake, file: lake.adopt(NAME, [file], prefix="x-"),
    "adopt in place": lambda lake, file: lake.adopt(NAME, [file], prefix="x-", replace=True),
    "fits": lambda lake, file: fits(lake.path(NAME), NAME, [file]),
}


def altered(tmp_path: Path, protocol: dict[str, Any], mode: str | None = None) -> Lake:
    """A lake whose one table another program gave a protocol, in a commit of its own."""
    lake = Lake(tmp_path / "lake")
    lake.append(NAME, ROWS)
    log = lake.path(NAME) / "_delta_log"
    first = [json.loads(line) for line in (log / f"{0:020d}.json").read_text().splitlines()]
    actions: list[dict[str, Any]] = [{"protocol": protocol}]
    if mode is not None:
        (described,) = (action for action in first if "metaData" in action)
        schema = json.loads(described["metaData"]["schemaString"])
        for number, field in enumerate(schema["fields"], start=1):
            field["metadata"] = {"delta.columnMapping.id": number, "delta.columnMapping.physicalName": f"col-{number}"}
        described["metaData"]["schemaString"] = json.dumps(schema)
        described["metaData"]["configuration"] = {
            "delta.columnMapping.mode": mode,
            "delta.columnMapping.maxColumnId": "2",
        }
        actions.append(described)
    (log / f"{1:020d}.json").write_text("".join(json.dumps(action) + "\n" for action in actions))
    return lake


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize(
    ("protocol", "mode", "feature"),
    [
        (VECTORS, None, "deletionVectors: its files still hold rows that were deleted"),
        (MAPPED, "name", "columnMapping: its files name columns otherwise"),
        (MAPPED_BY_PROPERTY, "id", "columnMapping: its files name columns otherwise"),
        (UNKNOWN, None, "typeWidening: unknown to this version"),
    ],
)
def test_every_use_of_an_altered_table_is_refused_by_name(
    tmp_path: Path,
    read: Callable[[Lake, Path], object],
    protocol: dict[str, Any],
    mode: str | None,
    feature: str,
) -> None:
    lake, file = altered(tmp_path, protocol, mode), tmp_path / "rows.parquet"
    pq.write_table(ROWS, file)
    with pytest.raises(ContractError, match=rf"{NAME}: .* features {feature}.*DROP FEATURE\), or remove its folder"):
        read(lake, file)
    assert not list(lake.path(NAME).glob("x-*"))
    assert lake.files(NAME, version=0), "a version from before the change is what its files are"


def test_a_table_that_delta_rs_refuses_is_named_too(tmp_path: Path) -> None:
    lake = altered(tmp_path, {**VECTORS, "readerFeatures": ["novelty"], "writerFeatures": ["novelty"]})
    with pytest.raises(ContractError, match=r"features.user_features: .* cannot be opened as a Delta table: .*novelty"):
        lake.files(NAME)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([None], NAIVE),
        pa.array([[]], pa.list_(NAIVE)),
        pa.array([{"at": None}], pa.struct([("at", NAIVE)])),
        pa.array([None], pa.map_(pa.string(), NAIVE)),
        pa.array([None], NAIVE).dictionary_encode(),
    ],
    ids=["plain", "list", "struct", "map", "dictionary"],
)
def test_timestamps_without_a_zone_never_enter(tmp_path: Path, column: pa.Array) -> None:
    lake, rows, file = Lake(tmp_path / "lake"), ROWS.append_column("seen_at", column), tmp_path / "rows.parquet"
    pq.write_table(ROWS.append_column("seen_at", pa.array([None], NAIVE)), file)
    for write in (
        lambda: lake.append(NAME, rows),
        lambda: lake.append(NAME, rows.to_reader()),
        lambda: lake.overwrite(NAME, rows),
        lambda: lake.overwrite_as_of(NAME, rows, AS_OF),
        lambda: lake.adopt(NAME, [file], prefix="x-"),
    ):
        with pytest.raises(ContractError, match=rf"{NAME}: timestamps in columns \['seen_at'\] have no time zone"):
            write()
    assert not lake.exists(NAME)


def test_a_table_with_such_timestamps_from_an_older_home_is_still_read(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    write_deltalake(lake.path(NAME), ROWS.append_column("seen_at", pa.array([None], NAIVE)))
    assert DeltaTable(lake.path(NAME)).protocol().reader_features == ["timestampNtz"]
    assert len(lake.files(NAME)) == 1
    assert lake.arrow_schema(NAME).field("seen_at").type == NAIVE


def test_what_is_written_needs_reader_1_and_writer_2(tmp_path: Path) -> None:
    lake, file = Lake(tmp_path / "lake"), tmp_path / "rows.parquet"
    pq.write_table(ROWS, file)
    lake.append("a.appended", ROWS)
    lake.overwrite_as_of("a.replaced", ROWS, AS_OF)
    lake.adopt("a.adopted", [file], prefix="x-")
    for name in lake.names():
        protocol = DeltaTable(lake.path(name)).protocol()
        assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 2), name


def test_a_damaged_log_is_told_in_one_line_and_not_taken_for_another_program(tmp_path: Path):
    lake = Lake(tmp_path)
    lake.append(NAME, ROWS)
    log = next((lake.path(NAME) / "_delta_log").glob("*.json"))
    log.write_bytes(log.read_bytes()[:100])
    with pytest.raises(
        ContractError, match=r"cannot be opened as a Delta table: .*remove its folder and build"
    ) as told:
        lake.files(NAME)
    assert "\n" not in str(told.value)
    assert "DROP FEATURE" not in str(told.value)
