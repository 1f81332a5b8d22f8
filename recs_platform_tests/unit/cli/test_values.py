"""What a query gives is what is printed: every DuckDB type in every form, nothing lost, and it parses."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recs_platform.cli.show import put_frame, put_rows
from recs_platform.cli.values import cell, csv_line, json_text, shown
from recs_platform.warehouse.answers import Answer, read_answer, unique_names
from recs_platform_tests.connections import shared_connection

Ask = Callable[[str], Answer]


@pytest.fixture
def ask() -> Ask:
    return lambda sql: read_answer(shared_connection().sql(sql))


def _strict(text: str) -> Any:
    """Parsed as the standard says, which knows no NaN."""
    return json.loads(text, parse_constant=pytest.fail)


def _printed(answer: Answer, form: str, capsys: pytest.CaptureFixture[str]) -> str:
    put_rows(answer.columns, answer.rows, form)
    return capsys.readouterr().out


def test_every_type_of_duckdb_is_strict_json_with_its_extremes(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    found = _strict(_printed(ask("from test_all_types()"), "json", capsys))
    low, high, missing = found["rows"]
    assert len(found["columns"]) == len(low)
    assert set(missing.values()) == {None}
    assert (low["hugeint"], high["uhugeint"]) == (-(2**127), 2**128 - 1)
    assert high["bignum"] == int(float("1.7976931348623157e308"))
    assert high["ubigint"] == 2**64 - 1
    assert (high["date"], high["time"], high["time_tz"]) == ("5881580-07-10", "24:00:00", "24:00:00-15:59:59")
    assert high["timestamp_ns"] == "2262-04-11 23:47:16.854775806"
    assert high["interval"] == "83 years 3 months 999 days 00:16:39.999999"
    assert high["blob"] == "\\x00\\x00\\x00a"
    assert (high["small_enum"], high["bit"], high["uuid"][:8]) == ("GOOSE", "10101", "ffffffff")
    assert high["double_array"] == [42.0, None, None, None, None, -42.0]
    assert high["struct_of_arrays"]["a"] == [42, 999, None, None, -42]
    assert high["map"] == {"key1": "🦆🦆🦆🦆🦆🦆", "key2": "goose"}
    assert (low["union"], high["union"]) == ("Frank", 5)
    assert high["list_of_fixed_int_array"] == [[4, 5, 6], [None, 2, 3], [4, 5, 6]]


def test_decimals_keep_every_digit(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    printed = _printed(ask("select dec38_10 as d from test_all_types() limit 1 offset 1"), "json", capsys)
    assert '"d": 9999999999999999999999999999.9999999999' in printed


@pytest.mark.parametrize("form", ["csv", "table"])
def test_every_type_has_a_cell_in_one_line(ask: Ask, capsys: pytest.CaptureFixture[str], form: str) -> None:
    answer = ask("from test_all_types()")
    printed = _printed(answer, form, capsys)
    if form == "table":
        assert len(printed.splitlines()) == 2 + 3
        return
    header, low, high, missing = csv.reader(io.StringIO(printed))
    assert header == list(answer.columns)
    assert set(missing) == {""}
    cells = dict(zip(header, high, strict=True))
    assert (cells["hugeint"], cells["bool"], cells["interval"]) == (
        str(2**127 - 1),
        "true",
        "83 years 3 months 999 days 00:16:39.999999",
    )
    nested = [name for name in header if "array" in name or name in {"struct", "map"}]
    assert len(nested) > 10
    for name in nested:
        _strict(cells[name])
        _strict(dict(zip(header, low, strict=True))[name])


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("{'a': interval '1 month 2 days', 'b': [1.5::decimal(4, 2)]}", {"a": "1 month 2 days", "b": [1.5]}),
        ("map {['a']: {'x': 2::hugeint}}", {'["a"]': {"x": 2}}),
        ("map {1: 'one', 2: null}", {"1": "one", "2": None}),
        ("union_value(k := interval '1 month')", "1 month"),
        ("[union_value(n := 7)]", [7]),
        ("row(1, 'a')", "(1, a)"),
        ("null", None),
        ("'infinity'::timestamptz", "infinity"),
        ("timestamptz '2020-01-01 12:00:00.5+02'", "2020-01-01 10:00:00.5+00:00"),
        ("'nan'::float", None),
        ("0.1::float", 0.1),
        ("date '0044-03-15 (BC)'", "0044-03-15 (BC)"),
        ("'[1, NaN]'::varchar", "[1, NaN]"),
        ("array_value('a', null)", ["a", None]),
        ("1::variant", "1"),
        ("{'a\"b': 1}", {'a"b': 1}),
    ],
)
def test_nested_and_odd_values(ask: Ask, capsys: pytest.CaptureFixture[str], sql: str, value: object) -> None:
    found = _strict(_printed(ask(f"select {sql} as v"), "json", capsys))
    assert found["rows"] == [{"v": value}]


@pytest.mark.parametrize(
    "sql", ["describe select 1 as a", "explain select 1", "pragma version", "summarize select 1 as a"]
)
def test_statements_that_are_no_select_have_rows_too(ask: Ask, sql: str) -> None:
    assert ask(sql).rows


def test_columns_of_one_name_all_keep_their_values(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    answer = ask("select 1 as a, 2 as a, 3 as a_1, 4 as a from range(2)")
    found = _strict(_printed(answer, "json", capsys))
    assert [sorted(row.values()) for row in found["rows"]] == [[1, 2, 3, 4]] * 2
    assert list(csv.reader(io.StringIO(_printed(answer, "csv", capsys))))[1] == ["1", "2", "3", "4"]


@given(st.lists(st.sampled_from(["a", "a_1", "a_2", "b"])))
def test_unique_names_are_unique_and_keep_the_first(names: list[str]) -> None:
    unique = unique_names(names)
    assert len(set(unique)) == len(names)
    for name in set(names):
        assert unique[names.index(name)] == name


def test_the_order_of_the_query_is_kept(ask: Ask) -> None:
    rows = ask("select i from range(100_000) as t(i) order by hash(i), i").rows
    assert rows == ask("select i from (select i, hash(i) as h from range(100_000) as t(i)) order by h, i").rows
    assert rows != sorted(rows)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals(allow_nan=True),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_whatever_is_written_is_strict_json(value: object) -> None:
    text = json_text(value)
    _strict(text)
    assert "\n" not in text


@given(st.lists(st.none() | st.text(st.characters(codec="utf-8")) | st.integers(), min_size=1))
def test_a_record_of_csv_is_read_back(values: list[object]) -> None:
    (back,) = csv.reader(io.StringIO(csv_line(values) + "\n", newline=""))
    assert back == ["" if value is None else str(value) for value in values]


@given(VALUES)
def test_a_cell_of_a_table_is_one_line(value: object) -> None:
    assert len(shown(value).splitlines()) <= 1


def test_missing_and_empty_differ_in_csv_and_a_lone_missing_value_is_still_a_record() -> None:
    assert csv_line([None, ""]) == ',""'
    assert csv_line([None]) == '""'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2020, 1, 1, tzinfo=UTC), '"2020-01-01 00:00:00+00:00"'),
        (date(2020, 1, 1), '"2020-01-01"'),
        (timedelta(days=1, seconds=1), '"1 day, 0:00:01"'),
        (Decimal("1E+3"), "1000"),
        (Decimal("NaN"), "null"),
        (float("-inf"), "null"),
        (np.float64("nan"), "null"),
        (np.float32(0.5), "0.5"),
        (np.int64(2**40), str(2**40)),
        (b"\xff\\", '"\\\\xFF\\\\x5C"'),
        ((1, (2,)), "[1, [2]]"),
        ({1.5: "x", None: "y"}, '{"1.5": "x", "null": "y"}'),
        (2**200, str(2**200)),
    ],
)
def test_values_of_python_and_of_other_libraries(value: object, text: str) -> None:
    assert json_text(value) == text


def test_a_frame_with_structs_durations_and_bytes_is_written_in_every_form(capsys: pytest.CaptureFixture[str]) -> None:
    frame = pl.DataFrame(
        {
            "s": [{"a": [1, None]}, None],
            "d": [timedelta(days=40), None],
            "b": [b"\x00a", None],
            "f": [float("nan"), 1e300],
            "big": pl.Series([2**100, None], dtype=pl.Int128),
        }
    )
    put_frame(frame, "json")
    first, _ = _strict(capsys.readouterr().out)["rows"]
    assert (first["s"], first["b"], first["f"], first["big"]) == ({"a": [1, None]}, "\\x00a", None, 2**100)
    for form in ("csv", "table"):
        put_frame(frame, form)
        assert "[1, null]" in capsys.readouterr().out.replace('""', '"')


def test_cells_for_people_are_short_but_whole_numbers_are_whole() -> None:
    assert [shown(value) for value in (0.1234567, 2_500_000.0, 1e300, True, ["a", "b"])] == [
        "0.123457", "2500000.0", "1e+300", "true", '["a", "b"]',
    ]  # fmt: skip
    assert cell(0.1234567) == "0.1234567"
