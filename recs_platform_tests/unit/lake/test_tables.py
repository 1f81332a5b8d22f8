"""Delta tables: what is written is what is read, one partition never touches another, and nobody's write is lost."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import unquote

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from deltalake.exceptions import CommitFailedError
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import Busy, ContractError, NotReady, UsageError
from recs_platform.lake import tables
from recs_platform.lake.column_types import INSTANT
from recs_platform.lake.schemas import stored_schema
from recs_platform.lake.tables import Lake
from recs_platform_tests.unit.lake.children import AS_OF, column

NAME = "features.user_features"


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "lake")


def rows(*users: str, as_of: datetime = AS_OF, **extra: list[object]) -> pa.Table:
    return pa.table(
        {c.AS_OF: pa.array([as_of] * len(users), INSTANT), c.USER_ID: pa.array(users, pa.string()), **extra}
    )


def users(lake: Lake, as_of: datetime | None = None, version: int | None = None) -> list[str]:
    files = lake.files(NAME, version=version, as_of=as_of)
    return sorted(user for file in files for user in pq.ParquetFile(file).read([c.USER_ID]).column(0).to_pylist())


def test_an_absent_table_is_not_ready_and_says_what_to_run(lake):
    for read in (lake.version, lake.files, lake.arrow_schema, lake.history, lake.vacuum):
        with pytest.raises(NotReady, match=r"features.user_features has not been built .*`recs run`"):
            read(NAME)
    with pytest.raises(NotReady, match="`recs ingest`"):
        lake.version("raw.events")
    assert not lake.exists(NAME)
    assert lake.names() == []
    assert lake.as_ofs(NAME) == []
    assert lake.transaction_version(NAME, "ingest") == -1


def test_appends_add_up_and_old_versions_stay_readable(lake):
    assert lake.append(NAME, rows("a")) == 0
    assert lake.append(NAME, rows("b", "c")) == 1
    assert users(lake) == ["a", "b", "c"]
    assert users(lake, version=0) == ["a"]
    assert [commit["version"] for commit in lake.history(NAME)] == [1, 0]
    lake.append("raw.events", rows("a"))
    assert lake.names() == [NAME, "raw.events"]


def test_tables_frames_and_streams_are_stored_as_the_same_types(lake):
    table = rows("a", tags=pa.array([["x"]], pa.list_(pa.string())), n=pa.array([1], pa.int64()))
    frame = pl.DataFrame(table).with_columns(pl.col("n").cast(pl.UInt32), pl.col(c.USER_ID).cast(pl.Categorical))
    lake.overwrite("a.table", table)
    lake.overwrite("a.frame", frame)
    lake.overwrite("a.stream", table.to_reader())
    assert lake.arrow_schema("a.table") == lake.arrow_schema("a.frame") == lake.arrow_schema("a.stream") == table.schema
    for name in ("a.table", "a.frame"):
        lake.append(name, frame)
        lake.append(name, table)
        assert column(lake, name, c.USER_ID) == ["a"] * 3


def test_types_are_stored_nullable_plain_signed_and_in_utc_microseconds():
    berlin = pa.timestamp("ns", "Europe/Berlin")
    odd = pa.schema([
        pa.field("s", pa.large_string(), nullable=False), ("l", pa.large_list(pa.large_string())), ("u", pa.uint32()),
        ("d", pa.dictionary(pa.int8(), pa.large_string())), ("t", berlin), ("r", pa.struct([("t", berlin)])),
    ])  # fmt: skip
    plain = pa.schema([
        ("s", pa.string()), ("l", pa.list_(pa.string())), ("u", pa.int64()), ("d", pa.string()), ("t", INSTANT),
        ("r", pa.struct([("t", INSTANT)])),
    ])  # fmt: skip
    assert stored_schema(odd).equals(plain)
    assert stored_schema(plain).equals(plain)


def test_a_value_too_large_for_its_stored_type_is_refused(lake):
    with pytest.raises(ContractError, match="does not fit"):
        lake.append(NAME, rows("a", n=pa.array([2**64 - 1], pa.uint64())))
    with pytest.raises(ContractError, match=r"\['n'\] hold only nulls"):
        lake.append(NAME, rows("a", n=pa.nulls(1)))
    assert not lake.exists(NAME)


def test_one_as_of_is_replaced_and_the_others_are_left_alone(lake):
    later = AS_OF + timedelta(days=1)
    lake.overwrite_as_of(NAME, rows("a", "b"), AS_OF)
    lake.overwrite_as_of(NAME, rows("c", as_of=later), later)
    lake.overwrite_as_of(NAME, pl.DataFrame(rows("d")), AS_OF)
    assert users(lake, AS_OF) == ["d"]
    assert users(lake, later) == ["c"]
    assert lake.as_ofs(NAME) == [AS_OF, later]
    lake.overwrite_as_of(NAME, rows(), AS_OF)
    assert lake.as_ofs(NAME) == [later]
    assert lake.files(NAME, as_of=AS_OF) == []
    assert users(lake) == ["c"]


def test_files_before_an_instant_are_those_of_earlier_as_ofs(lake):
    for days, user in enumerate("abc"):
        instant = AS_OF + timedelta(days=days)
        lake.overwrite_as_of(NAME, rows(user, as_of=instant), instant)
    earlier = [lake.files(NAME, before=AS_OF + timedelta(days=days)) for days in range(3)]
    assert [len(files) for files in earlier] == [0, 1, 2]
    assert earlier[2] == sorted(lake.files(NAME, as_of=AS_OF) + lake.files(NAME, as_of=AS_OF + timedelta(days=1)))
    assert len(lake.files(NAME, before=AS_OF + timedelta(days=2, microseconds=1))) == 3


@settings(max_examples=12, deadline=None)
@given(offsets=st.sets(st.integers(0, 3 * 86_400_000_000), min_size=2, max_size=4), minutes=st.integers(-720, 720))
def test_instants_are_told_apart_to_the_microsecond_in_any_zone(tmp_path_factory, offsets, minutes):
    lake = Lake(tmp_path_factory.mktemp("lake"))
    instants = [AS_OF + timedelta(microseconds=offset) for offset in sorted(offsets)]
    for number, instant in enumerate(instants):
        elsewhere = instant.astimezone(timezone(timedelta(minutes=minutes)))
        lake.overwrite_as_of(NAME, rows("old", as_of=instant), elsewhere)
        lake.overwrite_as_of(NAME, rows(f"u{number}", as_of=instant), elsewhere)
    assert lake.as_ofs(NAME) == instants
    assert [users(lake, instant) for instant in instants] == [[f"u{number}"] for number in range(len(instants))]


def test_rows_of_another_as_of_are_refused_and_change_nothing(lake):
    lake.overwrite_as_of(NAME, rows("a"), AS_OF)
    mixed = pa.concat_tables([rows("b"), rows("c", as_of=AS_OF + timedelta(microseconds=1))]).combine_chunks()
    with pytest.raises(ContractError, match=r"every row needs as_of 2017-02-21 .* to 2017-02-21 00:00:00\.000001"):
        lake.overwrite_as_of(NAME, mixed.to_reader(), AS_OF)
    unknown = pa.table({c.AS_OF: pa.array([None], INSTANT), c.USER_ID: ["b"]})
    with pytest.raises(ContractError, match="empty ones"):
        lake.overwrite_as_of(NAME, unknown, AS_OF)
    with pytest.raises(ContractError, match="need a column 'as_of'"):
        lake.overwrite_as_of(NAME, rows("b").drop_columns(c.AS_OF), AS_OF)
    with pytest.raises(ContractError, match="no time zone"):
        lake.overwrite_as_of(NAME, rows("b"), AS_OF.replace(tzinfo=None))
    assert users(lake) == ["a"]
    assert lake.version(NAME) == 0


@pytest.mark.parametrize("write", ["append", "overwrite", "overwrite_as_of"])
def test_a_table_made_of_no_rows_has_its_columns(lake, write):
    stream = pa.RecordBatchReader.from_batches(rows().schema, [])
    options = (AS_OF,) if write == "overwrite_as_of" else ()
    assert getattr(lake, write)(NAME, stream, *options) == 0
    assert lake.arrow_schema(NAME) == rows().schema
    assert lake.files(NAME) == []
    lake.overwrite_as_of(NAME, rows("a"), AS_OF)
    assert users(lake) == ["a"]


def test_a_new_column_joins_and_a_lost_or_changed_one_is_refused(lake):
    lake.overwrite_as_of(NAME, rows("a"), AS_OF)
    later = AS_OF + timedelta(days=1)
    lake.overwrite_as_of(NAME, rows("b", as_of=later, recency_days=[1.5]), later)
    assert set(lake.arrow_schema(NAME).names) == {c.AS_OF, c.USER_ID, "recency_days"}
    with pytest.raises(ContractError, match=r"features.user_features: .*lack column 'recency_days'.*build every as_of"):
        lake.overwrite_as_of(NAME, rows("c"), AS_OF)
    with pytest.raises(ContractError, match="column 'recency_days' is string in the rows to write and double in"):
        lake.append(NAME, rows("c", recency_days=["x"]))
    assert users(lake) == ["a", "b"]
    lake.overwrite(NAME, rows("c", recency_days=["x"]).drop_columns(c.AS_OF))
    assert lake.arrow_schema(NAME).names == [c.USER_ID, "recency_days"]


def test_columns_are_matched_by_name(lake):
    lake.append(NAME, rows("a", x=["x"], y=["y"]))
    lake.append(NAME, rows("b", y=["y"], x=["x"]))
    assert set(column(lake, NAME, "x")) == {"x"}


def test_overwriting_the_whole_table_may_change_its_partitions(lake):
    for partition_by in ([c.AS_OF], [], [c.USER_ID]):
        lake.overwrite(NAME, rows("a"), partition_by=partition_by)
        assert [f"{name}=" in lake.files(NAME)[0] for name in partition_by] == [True] * len(partition_by)


def test_a_stream_that_breaks_raises_its_own_error_and_changes_nothing(lake):
    lake.append(NAME, rows("a"))

    def broken():
        yield rows("b").to_batches()[0]
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        lake.append(NAME, pa.RecordBatchReader.from_batches(rows().schema, broken()))
    assert users(lake) == ["a"]
    assert lake.version(NAME) == 0


def test_a_stream_is_taken_one_batch_at_a_time(lake):
    half = pa.array(["x" * 100] * 5_000)
    before, held, count = pa.total_allocated_bytes(), [], 80

    def batches():
        for _ in range(count):
            held.append(pa.total_allocated_bytes() - before)
            yield pa.record_batch({"text": pa.concat_arrays([half, half])})

    lake.append(NAME, pa.RecordBatchReader.from_batches(pa.schema([("text", pa.string())]), batches()))
    assert len(held) == count
    assert max(held) < count / 3 * 2 * half.nbytes


def test_transactions_are_remembered_whatever_happens_to_the_table(lake):
    lake.append(NAME, rows("a"), transaction=("ingest", 4))
    assert lake.transaction_version(NAME, "ingest") == 4
    assert lake.transaction_version(NAME, "other") == -1
    lake.overwrite(NAME, rows("b"), transaction=("ingest", 5))
    lake.overwrite(NAME, rows("c"))
    lake.delete(NAME, "user_id = 'c'")
    lake.vacuum(NAME, retention_hours=0)
    assert lake.transaction_version(NAME, "ingest") == 5


def test_deleted_rows_are_gone_from_disk_after_a_vacuum_without_retention(lake):
    lake.append(NAME, rows("a", "b"))
    (before,) = lake.files(NAME)
    assert lake.delete(NAME, "user_id = 'nobody'") == 0
    assert lake.delete(NAME, "user_id = 'a'") == 1
    assert users(lake) == ["b"]
    assert lake.vacuum(NAME) == []
    assert lake.vacuum(NAME, retention_hours=0) == [Path(before).name]
    assert not Path(before).exists()
    assert users(lake) == ["b"]


def test_files_exist_whatever_the_folder_is_called(tmp_path):
    lake = Lake(tmp_path / "my données #1" / "lake")
    lake.overwrite_as_of(NAME, rows("a"), AS_OF)
    lake.flush(NAME, 0)
    (file,) = lake.files(NAME)
    assert Path(file).is_absolute()
    assert Path(file).is_file()
    assert "as_of=2017-02-21 00:00:00" in unquote(file)
    with pytest.raises(UsageError, match="'%'"):
        Lake(tmp_path / "100%")


def test_files_and_as_ofs_come_from_the_log_alone(lake):
    lake.overwrite_as_of(NAME, rows("a"), AS_OF)
    for file in lake.files(NAME):
        Path(file).unlink()
    assert lake.as_ofs(NAME) == [AS_OF]
    assert len(lake.files(NAME, as_of=AS_OF)) == 1


def test_rows_at_hand_are_written_again_after_another_program_won(lake, monkeypatch):
    monkeypatch.setattr(tables, "_FIRST_PAUSE_SECONDS", 0.0)
    lost: list[int] = []

    def unlucky(*args, **options):
        if len(lost) < losses:
            lost.append(1)
            raise CommitFailedError
        write_deltalake(*args, **options)

    monkeypatch.setattr(tables, "write_deltalake", unlucky)
    losses = 3
    lake.append(NAME, rows("a"))
    assert users(lake) == ["a"]
    losses = 1_000
    with pytest.raises(Busy, match=r"another program keeps changing features.user_features"):
        lake.append(NAME, rows("b"))
    with pytest.raises(Busy, match=r"another program changed features.user_features"):
        lake.append(NAME, rows("b").to_reader())
    assert users(lake) == ["a"]


def test_two_processes_writing_at_once_both_succeed(lake, start):
    count = 6
    children = [start("replace", lake.root, hour, count) for hour in (0, 0, 1)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    every = [f"u{row}" for row in range(count)]
    assert users(lake, AS_OF) == every
    assert users(lake, AS_OF + timedelta(hours=1)) == every
    assert lake.version(NAME) == 3 * count - 1
    assert lake.as_ofs(NAME) == [AS_OF, datetime(2017, 2, 21, 1, tzinfo=UTC)]
