"""One file with bad content in landing: the rest goes through, and what is bad is named with its true line."""

import io
import json
import zipfile
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recs_platform.contracts import columns as c
from recs_platform_tests.ingestion.batches import pack
from recs_platform_tests.ingestion.houses import HEADER, csv_line, event, jsonl
from recs_platform_tests.ingestion.lakes import rows_of

LONG_LINE_BYTES = 100_000_000
UNREADABLE = ((None, "unreadable_file"),)


def zipped(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("events.jsonl", content)
    return file.getvalue()


MANY = jsonl(*(f"item{number * 7919 % 1000}" for number in range(5_000)))


def test_a_cut_or_damaged_compressed_file_gives_no_row(house):
    text = MANY.encode()
    packed = {"gz": pack(text, "gz"), "zst": pack(text, "zst"), "zip": zipped(text)}
    files = {
        f"contract/{share}/events.jsonl.{suffix}": content[: int(len(content) * share)]
        for suffix, content in packed.items()
        for share in (0.01, 0.5, 0.999)
    }
    damaged = bytearray(packed["gz"])
    damaged[len(damaged) // 2] ^= 0xFF
    files["contract/damaged/events.jsonl.gz"] = bytes(damaged)
    for name, content in files.items():
        house.put(name, content)
    house.ingest()
    assert house.bad_items() == []
    assert {name: tuple(house.refused_in(name)) for name in files} == dict.fromkeys(files, UNREADABLE)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_after_ragged_rows_and_embedded_newlines_keep_their_numbers(house, end):
    lines = [
        HEADER, csv_line("one", '"two\nlines"'), "short,u1\n", csv_line("two"), "\n", csv_line("long", "a,b,c"),
        csv_line("three", '"a\n\n\nb"'), csv_line("bad").replace("view", "glance"), csv_line("four"),
    ]  # fmt: skip
    house.put("contract/events.csv", "".join(lines).replace("\n", end))
    house.ingest()
    assert house.bad_items() == ["four", "one", "three", "two"]
    assert house.lines() == [4, 7, 8 + 4]


def test_a_line_in_another_encoding_is_refused_alone_in_csv(house):
    house.put("contract/events.csv", (HEADER + csv_line("one") + csv_line("é") + csv_line("two")).encode("latin-1"))
    house.ingest()
    assert house.bad_items() == ["one", "two"]
    assert house.rejected() == [(3, "invalid_encoding")]


def test_a_line_in_another_encoding_is_refused_alone_in_jsonl(house):
    line = json.dumps(event("é"), ensure_ascii=False).encode("latin-1") + b"\n"
    house.put("contract/events.jsonl", jsonl("one").encode() + line + jsonl("two").encode())
    house.ingest()
    assert house.bad_items() == ["one", "two"]
    assert house.lines() == [2]


@pytest.mark.parametrize(("suffix", "text"), [("csv", HEADER + csv_line("one")), ("jsonl", jsonl("one"))])
def test_a_file_in_utf_16_is_read(house, suffix, text):
    house.put(f"contract/events.{suffix}", text.encode("utf-16"))
    house.ingest()
    assert house.bad_items() == ["one"]
    assert not house.rejected()


@pytest.mark.trial
def test_a_hundred_megabytes_in_a_line_of_jsonl_leave_the_rest_alone(house):
    long = json.dumps(event("long", referrer="x" * LONG_LINE_BYTES)) + "\n"
    house.put("contract/events.jsonl", jsonl("one") + long + "{\n" + jsonl("two"))
    house.ingest()
    assert set(house.bad_items()) - {"long"} == {"one", "two"}
    assert set(house.lines()) - {2} == {3}
    assert ("long" in house.items()) != (2 in house.lines())
    assert house.ledger()["contract/events.jsonl"][c.RAW_RECORDS] == 4


@pytest.mark.trial
def test_a_hundred_megabytes_in_a_line_of_csv_leave_the_rest_alone(house):
    long = csv_line("long", "x" * LONG_LINE_BYTES)
    house.put("contract/events.csv", HEADER + csv_line("one") + long + "short,u1\n" + csv_line("two"))
    house.ingest()
    assert set(house.bad_items()) - {"long"} == {"one", "two"}
    assert set(house.lines()) - {3} == {4}
    assert ("long" in house.items()) != (3 in house.lines())
    assert house.ledger()["contract/events.csv"][c.RAW_RECORDS] == 4


def test_a_line_that_is_cut_takes_no_other_line_along(house):
    house.put("contract/events.jsonl", '{"user_id": \n' + jsonl("one") + '{"user_id": "u' + "\n" + jsonl("two"))
    house.ingest()
    assert (house.bad_items(), house.lines()) == (["one", "two"], [1, 3])


def test_the_last_of_a_user_stands_whatever_is_refused_beside(house):
    house.put("contract/users.csv", "user_id,country\nu,PT\n\nu,BR\nshort\n")
    house.ingest()
    assert [row[c.COUNTRY] for row in rows_of(house.root, "users")] == ["BR"]


def test_blank_lines_are_no_records(house):
    house.put("contract/events.jsonl", "\n\n" + jsonl("one") + "  \n\r\n" + "{\n" + jsonl("two") + "\n")
    house.put("contract/events.csv", "\n" + HEADER + "\n" + csv_line("three") + "\r\n\n" + "short,u1\n")
    house.ingest()
    assert house.bad_items() == ["one", "three", "two"]
    assert house.lines() == [6, 7]
    assert [house.ledger()[f"contract/events.{suffix}"][c.RAW_RECORDS] for suffix in ("jsonl", "csv")] == [3, 2]


def test_line_ends_may_be_mixed(house):
    house.put("contract/events.jsonl", jsonl("one") + jsonl("two").replace("\n", "\r\n") + "{\n" + jsonl("three"))
    house.put("contract/events.csv", HEADER + csv_line("four").replace("\n", "\r\n") + csv_line("five") + "short\r\n")
    house.ingest()
    assert house.bad_items() == ["five", "four", "one", "three", "two"]
    assert house.lines() == [3, 4]


def test_an_open_quote_takes_the_lines_after_it_along_and_not_those_before(house):
    house.put("contract/events.csv", HEADER + csv_line("one") + csv_line("two", '"never closed') + csv_line("three"))
    house.ingest()
    assert "three" not in house.items()
    assert house.bad_items() in ([], ["one"])
    assert house.lines() in ([None], [3])


def parquet(columns):
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def typed_events(**columns):
    given = {name: pa.array([value, value], pa.string()) for name, value in event("").items()}
    return parquet(given | {c.ITEM_ID: pa.array(["one", "two"])} | columns)


MIDNIGHT = datetime(2024, 1, 1)  # noqa: DTZ001 - files hold instants without a zone
OTHER_TYPES = {
    "texts for numbers": ({c.VALUE: pa.array(["1.5", "-2"])}, 2, []),
    "a word for a number": ({c.VALUE: pa.array(["1.5", "much"])}, 1, [(2, "bad_value")]),
    "whole numbers for texts": ({c.USER_ID: pa.array([1, 2])}, 2, []),
    "small numbers": ({c.POSITION: pa.array([1, 2], pa.uint8()), c.VALUE: pa.array([1, 2], pa.float32())}, 2, []),
    "dates": ({c.OCCURRED_AT: pa.array([date(2024, 1, 1)] * 2)}, 2, []),
    "naive milliseconds": ({c.OCCURRED_AT: pa.array([MIDNIGHT] * 2, pa.timestamp("ms"))}, 2, []),
    "nanoseconds of a zone": (
        {c.OCCURRED_AT: pa.array([MIDNIGHT.replace(tzinfo=UTC)] * 2, pa.timestamp("ns", "Asia/Tokyo"))}, 2, [],
    ),
    "a dictionary": ({c.EVENT_TYPE: pa.array(["view", "click"]).dictionary_encode()}, 2, []),
    "large texts": ({c.USER_ID: pa.array(["a", "b"], pa.large_string())}, 2, []),
    "numbers for instants": (
        {c.OCCURRED_AT: pa.array([1_704_067_200_000, 1])}, 0, [(1, "bad_occurred_at"), (2, "bad_occurred_at")],
    ),
    "a struct for a number": ({c.VALUE: pa.array([{"a": 1}, {"a": 2}])}, 0, [(1, "bad_value"), (2, "bad_value")]),
    "a list for a number": ({c.POSITION: pa.array([[1], [2]])}, 0, [(1, "bad_position"), (2, "bad_position")]),
    "nothing at all": ({c.USER_ID: pa.nulls(2)}, 0, [(1, "missing_user_id"), (2, "missing_user_id")]),
    "an unknown column": ({"more": pa.array([1, 2])}, 2, []),
}  # fmt: skip


def test_parquet_of_other_types_is_cast_or_refused_by_row(house):
    names = {case: f"contract/{case}/events.parquet" for case in OTHER_TYPES}
    for case, (columns, _, _) in OTHER_TYPES.items():
        # Equal rows of several files would be repeats.
        house.put(names[case], typed_events(referrer=pa.array([case] * 2), **columns))
    house.ingest()
    told = {case: (house.ledger()[name][c.ROWS_ACCEPTED], house.refused_in(name)) for case, name in names.items()}
    assert told == {case: (accepted, rejected) for case, (_, accepted, rejected) in OTHER_TYPES.items()}


@pytest.mark.parametrize("column", [pa.array([[1], [2]]), pa.array([{"a": 1}] * 2), pa.array([b"\xff\x00", b"a"])])
def test_parquet_with_nested_or_binary_values_for_texts_is_accounted_for(house, column):
    house.put("contract/events.parquet", typed_events(device=column))
    house.ingest()
    assert house.ledger()["contract/events.parquet"][c.RAW_RECORDS] == 2
    assert len(house.bad_items()) + len(house.rejected()) == 2


def test_parquet_that_is_cut_or_lacks_a_column_or_is_none_is_refused_whole(house):
    files = {
        "contract/cut/events.parquet": typed_events()[:-40],
        "contract/lacking/events.parquet": parquet({c.ITEM_ID: pa.array(["one"]), c.USER_ID: pa.array(["u1"])}),
        "contract/text/events.parquet": jsonl("one"),
    }
    for name, content in files.items():
        house.put(name, content)
    house.ingest()
    assert house.bad_items() == []
    assert {name: tuple(house.refused_in(name)) for name in files} == dict.fromkeys(files, UNREADABLE)
