"""Pushes to a browser's data layer become events, items, identities and consents, whatever their clock counts in."""

import json

import pytest

from recs_platform_tests.contracts.sources.landed import FIXTURES, Landed

PUSHES = FIXTURES / "data_layer" / "pushes.jsonl"
RECORDS = len(PUSHES.read_text().splitlines())


@pytest.fixture(scope="module")
def landed(tmp_path_factory):
    landed = Landed(tmp_path_factory.mktemp("data_layer") / "home", "data_layer")
    landed.land(PUSHES)
    landed.ingest()
    return landed


def test_every_push_is_accounted_for(landed):
    lists, order, singles = 2 + 2, 2, 8
    accepted, order_again, push_again = lists + order + singles, 2, 1
    no_event, bad_event = 4, 4
    assert landed.ledger() == {
        "events": (
            RECORDS,
            accepted + no_event + bad_event + order_again + push_again,
            accepted,
            no_event + bad_event,
            order_again + push_again,
        ),
        "items": (RECORDS, 3, 2, 1, 0),
        "identities": (RECORDS, 2, 1, 1, 0),
        "consents": (RECORDS, 4, 3, 1, 0),
    }


def test_refused_pushes_have_their_line_and_reason(landed):
    assert landed.rejected() == [
        (1, "events", "no_contract_row"),  # the tag manager's own
        (2, "events", "no_contract_row"),  # a page view that names no item
        (3, "events", "no_contract_row"),  # the customary reset
        (17, "events", "unknown_event_type"),
        (18, "events", "bad_scroll_fraction"),
        (19, "events", "bad_occurred_at"),
        (20, "events", "missing_item_id"),
        (21, "items", "bad_price"),
        (25, "events", "no_contract_row"),  # consent by default is nobody's word
        (26, "consents", "bad_granted"),
        (27, "identities", "missing_anonymous_id"),
    ]


def test_pushes_become_events_on_items(landed):
    columns = "user_id, item_id, event_type, position, value, scroll_fraction, strftime(occurred_at, '%M:%S')"
    assert landed.rows("events", columns, "occurred_at, position, event_id") == [
        ("c1", "p1", "impression", 0 + 1, None, None, "00:01"),
        ("c1", "p2", "impression", 1 + 1, None, None, "00:01"),
        ("c1", "p4", "impression", 2, None, None, "00:02"),
        ("c1", "p3", "impression", 11, None, None, "00:02"),
        ("c1", "p2", "click", 0 + 1, None, None, "00:03"),
        ("c1", "p2", "view", None, None, None, "00:04"),
        ("c1", "p2", "scroll", None, None, 90 / 100, "00:05"),
        ("u1", "p2", "cart_add", None, None, None, "00:07"),
        ("u1", "p1", "bookmark", None, None, None, "00:08"),
        ("u1", "p2", "purchase", None, 12.0 * 2, None, "00:09"),
        ("u1", "p1", "purchase", None, 9.99 * 1, None, "00:09"),
        ("u1", "p1", "share", None, None, None, "01:10"),
        ("c2", "p1", "view", None, None, None, "01:11"),
        ("c2", "p5", "view", None, None, None, "01:15"),
    ]


def test_a_session_is_named_by_the_browser_too(landed):
    assert landed.rows("events", "distinct session_id, device", "session_id nulls last, device") == [
        ("c1.1706781600", "mobile"),
        ("c1.1706781600", None),
        ("s9", None),
        (None, None),
    ]


def test_an_item_is_the_latest_word_on_each_of_its_columns(landed):
    assert landed.rows("items", "item_id, title, category, creator, price", "item_id") == [
        ("p1", "Cup", "Kitchen", None, 9.99),
        ("p2", "Deep bowl", None, "Kiln", 12.0),
    ]


def test_a_login_joins_the_browser_to_the_user(landed):
    assert landed.rows("identities", "anonymous_id, user_id, valid_from::varchar") == [
        ("c1", "u1", "2024-02-01 10:00:06+00")
    ]


def test_of_the_two_keys_of_a_consent_a_refusal_counts(landed):
    assert landed.rows("consents", "user_id, purpose, granted", "user_id") == [
        ("c2", "personalization", False),
        ("u1", "personalization", True),
        ("u2", "personalization", False),
    ]


@pytest.mark.parametrize(
    "clock",
    [
        {"timestamp": 1706781600},
        {"timestamp": "1706781600000"},
        {"event_timestamp": 1706781600 * 10**6},
        {"gtm.start": 1706781600 * 10**3},
        {"timestamp": "2024-02-01T11:00:00+01:00"},
        {"timestamp": 1.7067816e9},
    ],
    ids=str,
)
def test_clocks_in_seconds_milliseconds_and_microseconds_agree(tmp_path, clock):
    (tmp_path / "pushes.jsonl").write_text(json.dumps({"event": "like", "item_id": "p", "user_id": "u"} | clock))
    landed = Landed(tmp_path / "home", "data_layer")
    landed.land(tmp_path / "pushes.jsonl")
    landed.ingest()
    assert landed.rows("events", "occurred_at::varchar") == [("2024-02-01 10:00:00+00",)]


@pytest.mark.parametrize("clock", [2**63 - 1, -(2**63), 10**30, 0, "1e400"])
def test_a_clock_that_no_calendar_knows_is_refused(tmp_path, clock):
    push = {"event": "like", "item_id": "p", "user_id": "u", "timestamp": clock}
    (tmp_path / "pushes.jsonl").write_text(json.dumps(push))
    landed = Landed(tmp_path / "home", "data_layer")
    landed.land(tmp_path / "pushes.jsonl")
    landed.ingest()
    assert landed.rejected() == [(1, "events", "bad_occurred_at")]
