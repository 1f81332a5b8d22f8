"""A value means the same whatever type a file gives it in, and nothing is rounded or cut on the way."""

import pytest

from recs_platform.contracts.tables import CONSENTS, EVENTS, ITEMS, USERS
from recs_platform.stages.events.macros import prepare_macros
from recs_platform.stages.events.values import contract_value
from recs_platform.warehouse.connection import connect

REFUSED = object()


@pytest.fixture(scope="module")
def con():
    with connect(memory_limit_gb=1, threads=1) as found:
        prepare_macros(found)
        yield found


def read(con, contract, name, sql):
    """The value of a column that a file gives as the SQL `sql`; REFUSED where there is one that does not fit."""
    (column,) = [column for column in contract.columns if column.name == name]
    physical = con.execute(f"select typeof({sql})").fetchall()[0][0]
    value = contract_value(column, physical)
    typed, is_misfit = con.execute(
        f"select {value.typed}::varchar, g.{name} is not null and {value.typed} is null "
        f"from (select {value.given} as {name} from (select {sql} as {name}) as s) as g"
    ).fetchall()[0]
    return REFUSED if is_misfit else typed


@pytest.mark.parametrize("sql", ["'42'", "' 42 '", "42", "42.0::double", "42.0::float", "42.00::decimal(9,2)", "'42.0'",
                                 "42::hugeint", "42::utinyint", """'"42"'::json""", "'42'::blob"])  # fmt: skip
def test_one_person_in_every_format(con, sql):
    assert read(con, EVENTS, "user_id", sql) == "42"


@pytest.mark.parametrize(
    "sql",
    ["[1, 2]", "{'a': 1}", "map {'a': 1}", "true", "42.5::double", "1e16::double", "'1e+16'",
     "'[1, 2]'", """'{"a": 1}'""",
     "'1.5e-7'", "'infinity'::double", "42.5::decimal(9,1)"],
)  # fmt: skip
def test_what_is_no_id_is_refused(con, sql):
    assert read(con, EVENTS, "item_id", sql) is REFUSED


@pytest.mark.parametrize("sql", ["null", "''", "'  '", "'\u00a0'", "'nan'::double"])
def test_what_is_no_value_is_missing(con, sql):
    assert read(con, EVENTS, "user_id", sql) is None


@pytest.mark.parametrize("name", ["event_id", "session_id", "request_id"])
@pytest.mark.parametrize("text", ["", "(not set)", "undefined", "00000000-0000-0000-0000-000000000000"])
def test_a_placeholder_is_no_value_of_an_id_that_an_event_need_not_have(con, name, text):
    assert read(con, EVENTS, name, f"'{text}'") is None


@pytest.mark.parametrize(
    "text", ["007", "-5", "a,b", 'say "hi"', "😀", "x'; drop table events; --", "[draft] title", "1e5"]
)
def test_ids_stay_as_they_came(con, text):
    assert read(con, EVENTS, "item_id", "'" + text.replace("'", "''") + "'") == text


@pytest.mark.parametrize("sql", ["1.5::double", "'1.5'", "1.5::decimal(3,1)", "'1.0000001'", "true", "'nan'::double",
                                 "3e9::double", "'first'", "[1]"])  # fmt: skip
def test_a_position_is_neither_rounded_nor_cut(con, sql):
    assert read(con, EVENTS, "position", sql) is REFUSED


@pytest.mark.parametrize("sql", ["2", "'2'", "2.0::double", "'2.0'", "' 2'", "2::decimal(9,3)", "2::ubigint"])
def test_whole_positions(con, sql):
    assert read(con, EVENTS, "position", sql) == "2"


@pytest.mark.parametrize("sql", ["true", "1", "1.0::double", "'Granted'", "' YES'", "'1'"])
def test_consent_that_was_given(con, sql):
    assert read(con, CONSENTS, "granted", sql) == "true"


@pytest.mark.parametrize("sql", ["false", "0", "0.0::double", "'DENIED'", "'opt_out '", "'0'"])
def test_consent_that_was_refused(con, sql):
    assert read(con, CONSENTS, "granted", sql) == "false"


@pytest.mark.parametrize("sql", ["'nan'::double", "'maybe'", "2", "[true]", "'nan'", "{'a': true}"])
def test_consent_that_cannot_be_read_is_refused_aloud(con, sql):
    assert read(con, CONSENTS, "granted", sql) is REFUSED
    assert read(con, USERS, "consent_personalization", sql) is REFUSED


@pytest.mark.parametrize(
    "sql",
    ["timestamp '2024-02-29 12:00'", "timestamp_s '2024-02-29 12:00:00'", "timestamp_ms '2024-02-29 12:00:00'",
     "timestamp_ns '2024-02-29 12:00:00'", "timestamptz '2024-02-29 13:00:00+01'", "'2024-02-29T13:00 +0100'"],
)  # fmt: skip
def test_instants_of_every_type(con, sql):
    assert read(con, EVENTS, "occurred_at", sql) == "2024-02-29 12:00:00+00"


@pytest.mark.parametrize("sql", ["1709208000", "1709208000.0::double", "'infinity'::timestamp", "'-infinity'::date",
                                 "time '12:00'", "[1]", "true", "'290000-01-01 00:00:00'::timestamp"])  # fmt: skip
def test_what_is_no_instant(con, sql):
    assert read(con, EVENTS, "occurred_at", sql) is REFUSED


@pytest.mark.parametrize("sql", ["'a| b |c'", "['a', ' b ', 'c', '']", """'["a", " b", "c"]'""", "'|a|b||c|'"])
def test_blanks_and_nothing_in_a_list_go(con, sql):
    assert read(con, ITEMS, "tags", sql) == "[a, b, c]"


@pytest.mark.parametrize("sql", ["{'a': 1}", "map {'a': 1}", """'{"a":1}'""", """'{"a":1}'::json"""])
def test_structs_and_maps_are_json(con, sql):
    assert read(con, ITEMS, "attributes", sql) == '{"a":1}'


def test_codes_are_compared_without_case(con):
    assert read(con, EVENTS, "event_type", "' View'") == "view"
    assert read(con, CONSENTS, "purpose", "'PERSONALIZATION '") == "personalization"


@pytest.mark.parametrize("sql", ["true", "[1.5]", "'1,5'", "'1.234,56'", "date '2024-01-01'"])
def test_what_is_no_number(con, sql):
    assert read(con, EVENTS, "value", sql) is REFUSED
