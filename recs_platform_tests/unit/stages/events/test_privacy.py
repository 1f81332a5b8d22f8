"""The allow-list of attributes: exactly the named top-level keys stay, everything else is dropped and counted."""

import json
from collections.abc import Iterator

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recs_platform.stages.events.privacy import dropped_attributes_sql, kept_attributes_sql

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
KEYS = st.sampled_from(["a", "A", "a.b", "a/b", "a~b", "$", "", "é", "e\u0301", "'", '"', "0", "*a", " a"]) | TEXTS
LEAVES = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))
ALLOWED = st.lists(KEYS.filter(lambda key: key != "*"), max_size=4).map(tuple)


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def minimize(con, text, allowed):
    """(kept text, dropped count) of one value."""
    con.register("given", pl.DataFrame({"x": pl.Series([text], dtype=pl.String)}).to_arrow())
    kept, dropped = kept_attributes_sql("x", allowed), dropped_attributes_sql("x", allowed)
    return con.execute(f"select {kept}, {dropped} from given").fetchall()[0]


@given(st.dictionaries(KEYS, VALUES, max_size=6), ALLOWED, st.booleans())
def test_what_is_kept_is_what_python_would_keep(con, attributes, allowed, ascii_only):
    kept, dropped = minimize(con, json.dumps(attributes, ensure_ascii=ascii_only), allowed)
    expected = {key: value for key, value in attributes.items() if key in allowed}
    assert (None if kept is None else json.loads(kept)) == (expected or None)
    assert dropped == len(attributes) - len(expected)


@given(st.one_of(st.lists(VALUES, max_size=3), LEAVES), ALLOWED)
def test_what_is_no_object_is_dropped_whole(con, value, allowed):
    assert minimize(con, json.dumps(value), allowed) == (None, 0 if value is None else 1)


@given(VALUES)
def test_a_star_keeps_the_text_as_it_is(con, value):
    text = json.dumps(value, indent=1)
    assert minimize(con, text, ("*",)) == (text, 0)
    assert minimize(con, text, ("a", "*")) == (text, 0)


@pytest.mark.parametrize(
    ("text", "allowed", "expected"),
    [
        (None, ("a",), (None, 0)),
        (None, (), (None, 0)),
        ("{}", ("a",), (None, 0)),
        ("{not json", ("a",), (None, 0)),
        ("", ("a",), (None, 0)),
        ('{"a": 1, "b": 2}', (), (None, 2)),
        ('{"a": null}', ("a",), ('{"a":null}', 0)),
        ('{"b": {"a": 1}}', ("a",), (None, 1)),
        ('{"a": {"b": [1, {"c": "ü"}]}, "b": 1}', ("a",), ('{"a":{"b":[1,{"c":"ü"}]}}', 1)),
        ('{"a": 1, "b": 2, "a": 3}', ("a",), ('{"a":1,"a":3}', 1)),
        ('{"a": 1, "b": 2, "a": 3}', ("b",), ('{"b":2}', 2)),
        ('{"\\u0061": 1, "A": 2}', ("a",), ('{"a":1}', 1)),
        ('{"a\\u0000": 1, "a": 2}', ("a",), ('{"a":2}', 1)),
        ('{"a\\u0000": 1, "a": 2}', ("a\0", "\0"), ('{"a\\u0000":1}', 1)),
        ('{"a": 12345678901234567890123}', ("a",), ('{"a":12345678901234567890123}', 0)),
        ('{"\'); drop table t; --": 1}', ("'); drop table t; --",), ('{"\'); drop table t; --":1}', 0)),
    ],
)
def test_by_example(con, text, allowed, expected):
    assert minimize(con, text, allowed) == expected


def test_many_rows_at_once_keep_apart(con):
    rows = [None if number % 7 == 0 else json.dumps({"keep": number, "drop": number}) for number in range(5000)]
    con.register("many", pl.DataFrame({"place": range(5000), "x": rows}).to_arrow())
    kept, dropped = kept_attributes_sql("m.x", ("keep",)), dropped_attributes_sql("m.x", ("keep",))
    found = con.execute(f"select {kept}, {dropped} from many as m order by place").fetchall()
    assert found == [(None, 0) if number % 7 == 0 else (f'{{"keep":{number}}}', 1) for number in range(5000)]
