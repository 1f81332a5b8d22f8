"""How values are written, told from a sample; the SQL is run, on the sample and on a value that does not fit."""

from datetime import UTC, datetime

import pytest

from recs_platform.stages.events.profiling.values import (
    as_instant,
    is_truth,
    numbers_of,
    read_instant,
    read_list,
    read_number,
    read_truth,
)
from recs_platform_tests.unit.stages.events.profiling.exports import run

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
    ("text", "hour"),  # in July Berlin is two hours ahead of UTC
    [
        ("2024-07-01T10:00:00", 8),
        ("2024-07-01T10", 8),
        ("20240701T1000", 8),
        ("2024-07-01 10:00:00,0", 8),
        ("2024-07-01T10:00:00.000000000", 8),
        ("2024-07-01T10:00:00Z", 10),
        ("2024-07-01 10:00 UTC", 10),
        ("2024-07-01T10:00-05", 15),
        ("20240701T1000 +0200", 8),
        ("2024-07-01 10:00:00+02:00", 8),
    ],
)
@pytest.mark.parametrize(
    "sample",
    [
        ["2024-07-01T10:00:00"],
        ["2024-07-01T10:00:00Z"],
        ["01.07.2024 10:00", "2024-07-01T10:00:00"],
        ["1719820800"],
        ["soon", "2024-07-01T10:00:00"],
    ],
)
def test_what_names_no_zone_is_a_clock_of_the_zone_in_every_form(con, sample, text, hour):
    reading = as_instant("x", sample, "Europe/Berlin")
    assert datetime.fromisoformat(run(con, reading, text)) == datetime(2024, 7, 1, hour, tzinfo=UTC)


def test_a_date_is_the_midnight_of_the_zone(con):
    reading = as_instant("x", ["2024-07-01"], "Europe/Berlin")
    assert datetime.fromisoformat(run(con, reading, "2024-07-01")) == datetime(2024, 6, 30, 22, tzinfo=UTC)


def test_a_column_with_the_day_first_and_the_month_first_is_told_and_not_read(con):
    reading = read_instant("x", ["13/02/2024", "02/14/2024", "05/06/2024"], "UTC")
    assert "'13/02/2024' has the day first and '02/14/2024' the month" in reading.guess
    assert run(con, reading, "05/06/2024") == "05/06/2024"


@pytest.mark.parametrize(
    ("sample", "text", "told"),
    [
        (["12,5", "1.234,56"], "2.50", "2.50"),
        (["12,5", "1.234,56"], "1.5e3", "1.5e3"),
        (["12,5", "1.234,56"], "7", "7"),
        (["1,234.50"], "12,5", "12,5"),
        (["1,234.50"], "2.50", "2.50"),
    ],
)
def test_a_number_written_another_way_goes_on_as_it_came(con, sample, text, told):
    assert run(con, read_number("x", sample), text) == told


def test_numbers_with_commas_for_decimals_and_for_thousands():
    assert numbers_of(["1.234,5", "1,234.5", "12,345,678", "2.50"]) == [1234.5, 1234.5, 12345678, 2.5]


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
    assert read_truth("x", ["vielleicht"]) is None


def test_a_word_that_is_neither_keeps_no_other_from_being_read(con):
    reading = read_truth("x", ["ja", "nein", "keine Angabe"])
    assert [run(con, reading, text) for text in ("ja", "nein", "keine Angabe")] == ["true", "false", "keine Angabe"]
    assert "'keine angabe'" in reading.guess
    assert is_truth(["ja", "nein", "keine Angabe"])
    assert not is_truth(["ja", "keine Angabe"])


@pytest.mark.parametrize(("text", "told"), [("a; b", "a|b"), ("a,b", "a|b"), ("a|b", "a|b"), ('["a"]', '["a"]')])
def test_lists(con, text, told):
    assert run(con, read_list("x", [text]), text) == told
