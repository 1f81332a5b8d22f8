"""How values are written, told from a sample; the SQL is run, on the sample and on a value that does not fit."""

from datetime import UTC, datetime

import duckdb
import pytest

from recs_platform.stages.events.macros import prepare_macros
from recs_platform.stages.events.profiling.values import read_instant, read_list, read_number, read_truth


@pytest.fixture(scope="module")
def con():
    with duckdb.connect() as found:
        found.execute("set TimeZone = 'UTC'")
        prepare_macros(found)
        yield found


def run(con, reading, value):
    return con.execute(f"select ({reading.sql})::varchar from (select $1::varchar as x)", [value]).fetchone()[0]


AT = datetime(2024, 1, 31, 14, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-31T14:05:00Z",
        "2024-01-31 15:05:00+01:00",
        "2024-01-31 14:05",
        "1706709900",
        "1706709900000",
        "1706709900000000",
        "1706709900000000000",
        "31.01.2024 14:05",
        "31.1.24 14:05",
        "31/01/2024 14:05:00",
        "01/31/2024 2:05 PM",
        "31-01-2024 14:05",
        "2024/01/31 14:05",
        "20240131140500",
        "31-Jan-2024 14:05",
    ],
)
def test_an_instant_is_read_however_it_is_written(con, text):
    reading = read_instant("x", [text], "UTC")
    assert reading is not None
    assert datetime.fromisoformat(run(con, reading, text)) == AT
    assert run(con, reading, "soon") == "soon"


def test_an_instant_that_names_its_zone_keeps_it(con):
    reading = read_instant("x", ["2024-07-31 14:05", "2024-07-31 14:05:00Z"], "Europe/Berlin")
    assert datetime.fromisoformat(run(con, reading, "2024-07-31 14:05")) == datetime(2024, 7, 31, 12, 5, tzinfo=UTC)
    assert datetime.fromisoformat(run(con, reading, "2024-07-31 14:05:00Z")) == datetime(2024, 7, 31, 14, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("texts", "number"),
    [
        (["1.234,56", "12"], 1234.56),
        (["12,5"], 12.5),
        (["1,234.50"], 1234.5),
        (["€ 7,00"], 7),
        (["7.25 USD"], 7.25),
        (["-3"], -3),
    ],
)
def test_a_number_is_read_however_it_is_written(con, texts, number):
    assert float(run(con, read_number("x", texts), texts[0])) == number


@pytest.mark.parametrize(("word", "told"), [("Ja", "true"), ("nein ", "false"), ("oui", "true"), ("yes", "yes")])
def test_words_for_yes_and_no(con, word, told):
    assert run(con, read_truth("x", [word]), word) == told


def test_a_word_that_is_neither_stays_as_it_came(con):
    assert run(con, read_truth("x", ["ja", "nein"]), "vielleicht") == "vielleicht"
    assert read_truth("x", ["ja", "vielleicht"]) is None


@pytest.mark.parametrize(("text", "told"), [("a; b", "a|b"), ("a,b", "a|b"), ("a|b", "a|b"), ('["a"]', '["a"]')])
def test_lists(con, text, told):
    assert run(con, read_list("x", [text]), text) == told
