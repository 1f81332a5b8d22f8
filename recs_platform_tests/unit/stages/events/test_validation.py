from datetime import UTC, datetime
from functools import cache

import pytest

from recs_platform.contracts.errors import ModelError
from recs_platform.contracts.tables import EVENTS, ITEMS, USERS, EventType
from recs_platform.stages.events.macros import prepare_macros
from recs_platform.stages.events.privacy import Privacy
from recs_platform.stages.events.pseudonyms import prepare, pseudonym
from recs_platform.stages.events.validation import Origin, accepted_select, checked_select
from recs_platform.warehouse.connection import connect

NOW = datetime(2024, 3, 1, tzinfo=UTC)
GOOD = {
    "user_id": "u", "item_id": "i", "event_type": "view", "occurred_at": "2024-02-29T12:00:00Z", "position": "1",
    "propensity": "1", "scroll_fraction": "0", "dwell_seconds": "0", "value": "-1.5",
}  # fmt: skip


def checked(contract, row, columns="reason_code", now=NOW):
    """The row as ingestion sees it; every value is text, as from a csv."""
    return _asked(contract, row, now, columns, lambda sql, yields: checked_select(contract, sql, yields, now))


def stored(contract, row, columns, now=NOW, privacy=Privacy()):  # noqa: B008 - frozen
    """The row as it is stored."""
    origin = Origin("shop", "abc", now)

    def accepted(sql, yields):
        return accepted_select(contract, checked_select(contract, sql, yields, now), yields, origin, privacy)

    return _asked(contract, row, now, columns, accepted)


def _asked(contract, row, now, columns, select):
    values = ", ".join(f"{'null' if v is None else chr(39) + v + chr(39)}::varchar as {k}" for k, v in row.items())
    sql = f"select 1::bigint as line_number, {values}"
    yields = {"line_number": "BIGINT", **dict.fromkeys(row, "VARCHAR")}
    return _prepared().execute(f"select {columns} from ({select(sql, yields)})").fetchall()[0]


@cache
def _prepared():
    con = connect(memory_limit_gb=1, threads=1)
    prepare_macros(con)
    prepare(con, b"key")
    return con


def test_a_row_at_the_edges_of_every_range_is_valid():
    assert checked(EVENTS, GOOD) == (None,)
    assert checked(EVENTS, GOOD | {"scroll_fraction": "1", "propensity": "1e-9"}) == (None,)


@pytest.mark.parametrize("kind", list(EventType))
def test_every_event_type_of_the_contract_is_known(kind):
    assert checked(EVENTS, GOOD | {"event_type": str(kind)}) == (None,)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"user_id": ""}, "missing_user_id"),
        ({"item_id": None}, "missing_item_id"),
        ({"event_type": None}, "missing_event_type"),
        ({"event_type": "Viewed"}, "unknown_event_type"),
        ({"occurred_at": ""}, "missing_occurred_at"),
        ({"occurred_at": "yesterday"}, "bad_occurred_at"),
        ({"occurred_at": "1989-12-31 23:59:59"}, "bad_occurred_at"),
        ({"occurred_at": "2024-03-02 00:00:01"}, "bad_occurred_at"),
        ({"position": "0"}, "out_of_range_position"),
        ({"position": "first"}, "bad_position"),
        ({"propensity": "0"}, "out_of_range_propensity"),
        ({"propensity": "1.01"}, "out_of_range_propensity"),
        ({"propensity": "nan"}, "out_of_range_propensity"),
        ({"scroll_fraction": "-0.1"}, "out_of_range_scroll_fraction"),
        ({"scroll_fraction": "1.5"}, "out_of_range_scroll_fraction"),
        ({"dwell_seconds": "-1"}, "out_of_range_dwell_seconds"),
        ({"dwell_seconds": "inf"}, "out_of_range_dwell_seconds"),
        ({"value": "nan"}, "out_of_range_value"),
        ({"value": "five"}, "bad_value"),
        ({"ingested_at": "2024-03-01 00:00:01"}, "out_of_range_ingested_at"),
    ],
)
def test_each_fault_has_its_own_code(wrong, code):
    assert checked(EVENTS, GOOD | wrong) == (code,)


def test_a_day_ahead_is_let_in_for_clocks_that_differ():
    assert checked(EVENTS, GOOD | {"occurred_at": "2024-03-02 00:00:00"}) == (None,)


def test_ingested_at_is_the_sources_own_else_the_landing_instant():
    early = datetime(2024, 2, 1, tzinfo=UTC)
    seen = "(epoch_us(ingested_at))"
    assert stored(EVENTS, GOOD, seen) == (NOW.timestamp() * 1_000_000,)
    assert stored(EVENTS, GOOD | {"ingested_at": early.isoformat()}, seen) == (early.timestamp() * 1_000_000,)


def test_an_event_without_an_id_is_known_by_its_content_and_not_by_when_it_was_learned_of():
    (one,) = stored(EVENTS, GOOD, "event_id")
    assert stored(EVENTS, GOOD, "event_id", now=datetime(2025, 1, 1, tzinfo=UTC)) == (one,)
    assert stored(EVENTS, GOOD | {"position": "2"}, "event_id") != (one,)
    assert stored(EVENTS, GOOD | {"position": None}, "event_id") != (one,)
    assert stored(EVENTS, GOOD | {"event_id": "mine"}, "event_id") == ("mine",)


@pytest.mark.parametrize(("text", "tags"), [('["a", "b|c"]', ["a", "b|c"]), ("a|b", ["a", "b"]), ("", None)])
def test_lists_come_as_json_or_separated_by_bars(text, tags):
    assert checked(ITEMS, {"item_id": "i", "tags": text}, "reason_code, tags") == (None, tags)


def test_attributes_that_are_no_json_and_a_list_that_is_none_are_refused():
    assert checked(ITEMS, {"item_id": "i", "attributes": "{year: 1}"}) == ("bad_attributes",)
    assert checked(ITEMS, {"item_id": "i", "tags": "[a"}) == ("bad_tags",)


def test_sql_that_gives_a_column_of_no_contract_is_an_error_not_a_loss():
    with pytest.raises(ModelError, match="colour"):
        checked_select(ITEMS, "", {"line_number": "BIGINT", "colour": "VARCHAR"}, NOW)


def test_ids_of_over_512_characters_are_refused():
    assert checked(EVENTS, GOOD | {"user_id": "é" * 512}) == (None,)
    assert checked(EVENTS, GOOD | {"user_id": "u" * 513}) == ("too_long_user_id",)
    assert checked(EVENTS, GOOD | {"request_id": "r" * 513}) == ("too_long_request_id",)


def test_with_a_key_the_user_is_a_pseudonym_also_within_the_content_key():
    key = Privacy(key=b"key")
    plain, hidden = (stored(EVENTS, GOOD, "user_id, event_id", privacy=how) for how in (Privacy(), key))
    assert hidden[0] == pseudonym(b"key", "u")
    assert hidden[1] != plain[1]


def test_only_allowed_attributes_are_stored():
    user = {"user_id": "u", "attributes": '{"plan": "gold", "salary": 7}'}
    assert stored(USERS, user, "attributes", privacy=Privacy(None, ("plan",)))[0] == '{"plan":"gold"}'
    assert stored(USERS, user, "attributes", privacy=Privacy(None, ())) == (None,)
