"""What a text means is a function of the text: not of its neighbours, not of the machine, and the same in Python."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.time import parse_instant, read_instant
from recs_platform.stages.events.macros import prepare_macros
from recs_platform.warehouse.connection import connect

NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)

days = st.one_of(
    st.dates().map(lambda day: day.isoformat()),
    st.dates().map(lambda day: day.strftime("%Y%m%d")),
    st.dates().map(lambda day: "{}-W{:02}-{}".format(*day.isocalendar())),
    st.from_regex(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}|[0-9]{4}-[0-9]{3}|[0-9]{4}-?[Ww][0-9]{2}-?[0-9]", fullmatch=True),
)
clocks = st.from_regex(r"(T|t| )[0-2][0-9](:?[0-6][0-9](:?[0-6][0-9]([.,][0-9]{1,9})?)?)?", fullmatch=True)
offsets = st.from_regex(r"( ?(Z|z|UTC|[+-][0-2][0-9](:?[0-6][0-9])?)| Asia/Tokyo)?", fullmatch=True)
instants = st.builds("{}{}{}".format, days, clocks | st.just(""), offsets)


@pytest.fixture(scope="module")
def con():
    with connect(memory_limit_gb=1, threads=1) as found:
        prepare_macros(found)
        yield found


def ask(con, call, *values):
    return con.execute(f"select {call}", list(values)).fetchall()[0][0]


@given(text=instants)
@example(text="0001-01-01T00:00:00+01:00")
@example(text="9999-12-31 24:00")
@example(text="9999-12-31 23:59:59.9999999Z")
@example(text="2020-W53-7")
@example(text="2023-366")
def test_files_and_the_command_line_read_instants_alike(con, text):
    assert ask(con, "instant($1::varchar)", text) == read_instant(text)


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-29T12:00:00Z", "2024-02-29 12:00:00", "2024-02-29T12:00Z", "2024-02-29T12", "2024-02-29t12:00z",
        "20240229T120000Z", "20240229T1200", "2024-060T12:00", "2024060T1200Z", "2024-02-29 12:00 utc",
        "2024-W09-4T12:00Z", "2024W094T12Z",
        "2024-02-29T17:30:00 +0530", "2024-02-29T17:30:00+05:30", "2024-02-29 07:00-05", "2024-02-29 12:00:00 UTC",
        "2024-02-29T12:00:00.000000000Z", "2024-02-29T12:00:00,0", " 2024-02-29T12:00:00Z ", "2024-03-01T00:30+1230",
    ],
)  # fmt: skip
def test_short_forms_of_iso_8601(con, text):
    assert ask(con, "instant($1::varchar)", text) == NOON == parse_instant(text)


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-29 12:00:00 Asia/Tokyo", "2024-02-29 12:00:00 CET", "2024-02-30", "2024-2-29", "29.02.2024", "now",
        "today", "epoch", "infinity", "1709208000", "2024-02-29 12:00:61", "2024-02-29 24:01", "0000-01-01",
        "2024-02-29T12:00+25:00", "2024-02-29 (BC)", "-2024-02-29", "12024-02-29", "٢٠٢٤-02-29", "2024-02", "2024",
    ],
)  # fmt: skip
def test_what_is_no_instant(con, text):
    assert ask(con, "instant($1::varchar)", text) is None
    with pytest.raises(UsageError):
        parse_instant(text)


@pytest.mark.parametrize("before", ["2024-02-29 10:00:00 Asia/Tokyo", "2024-02-29 10:00:00 America/New_York"])
def test_no_row_changes_the_next(con, before):
    rows = con.execute(
        "select instant(t) from (select unnest([$1, '2024-02-29 12:00:00', $1, '2024-02-29 12:00']) as t)", [before]
    ).fetchall()
    assert [row[0] for row in rows] == [None, NOON, None, NOON]


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (1709208000, "s"), ("1709208000", "s"), (1709208000.0, "s"), ("1.709208e9", "s"), ("1709208000.000", "s"),
        (1709208000000, "ms"), (1709208000000000, "us"), (1709208000, "any"), ("1709208000000", "any"),
        (1709208000000000, "any"),
    ],
)  # fmt: skip
def test_epochs_in_the_unit_that_the_source_names(con, value, unit):
    assert ask(con, "epoch_instant($1, $2)", value, unit) == NOON


@pytest.mark.parametrize("value", ["", "abc", None, 10**30, "1e400", "nan", "inf", -(10**15), "99999999999999"])
def test_numbers_that_are_no_instant_in_seconds(con, value):
    assert ask(con, "epoch_instant($1, 's')", value) is None


def test_an_unknown_unit_gives_nothing(con):
    assert ask(con, "epoch_instant(1709208000, 'ns')") is None


def test_clocks_of_a_zone(con):
    assert ask(con, "local_instant(timestamp '2024-02-29 13:00:00', 'Europe/Berlin')") == NOON


def test_a_clock_is_set_right_by_the_receivers(con):
    call = "right_instant($1::varchar, $2::varchar, $3::varchar)"
    assert ask(con, call, "2024-02-29T10:00Z", "2024-02-29T10:05Z", "2024-02-29T12:05Z") == NOON
    # What was sent before it happened, or never, tells nothing of the clock.
    assert ask(con, call, "2024-02-29T10:00Z", "1970-01-01", "2024-02-29T12:05Z") is None
    assert ask(con, call, "2024-02-29T10:00Z", None, "2024-02-29T12:05Z") is None


@pytest.mark.parametrize(
    "text", ["[object Null]", '"undefined"', "#N/A", "\\N", "${userId}", "{{ user.id }}", "%user_id%"]
)
def test_what_was_never_filled_in_is_no_id(con, text):
    assert ask(con, "present($1::varchar)", text) is None


@pytest.mark.parametrize("text", ["undefined", "NULL", "(not set)", " None ", "[object Object]", "NaN", "", " \u00a0",
                                  "00000000-0000-0000-0000-000000000000", "0000000000000000"])  # fmt: skip
def test_placeholders_are_no_id(con, text):
    assert ask(con, "present($1::varchar)", text) is None


@pytest.mark.parametrize("text", ["0", "000", "007", "nullable", "-1", "guest", "ünï", "a b", "😀", "0-0"])
def test_ids_that_look_odd_are_ids(con, text):
    assert ask(con, "present($1::varchar)", f"\t{text}\u00a0") == text


@pytest.mark.parametrize("text", ["guest", "Anonymous", "unknown", "-1", "false", "undefined"])
def test_words_for_nobody_are_no_person(con, text):
    assert ask(con, "person($1::varchar)", text) is None


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("Denied", False), (" OPT_OUT", False), ("0.0", False), ("Granted", True), ("YES ", True), ("maybe", None),
        ("", None), ("nan", None),
    ],
)  # fmt: skip
def test_words_of_consent(con, text, meaning):
    assert ask(con, "truth($1::varchar)", text) is meaning
