"""Segment calls become events, profiles, identities and consents; what is none of them is rejected by name."""

import json
from datetime import UTC, datetime

import pytest

from recs_platform_tests.contracts.sources.landed import FIXTURES, Landed

CALLS = FIXTURES / "segment" / "calls.jsonl"
RECORDS = len(CALLS.read_text().splitlines())


@pytest.fixture(scope="module")
def landed(tmp_path_factory):
    landed = Landed(tmp_path_factory.mktemp("segment") / "home", "segment")
    landed.land(CALLS)
    landed.ingest()
    return landed


def test_every_call_is_accounted_for(landed):
    pages, list_viewed, order, singles = 2, 3, 2, 10
    accepted = pages + list_viewed + order + singles
    no_event, bad_event, unreadable, twice = 3, 5, 2, 2
    assert landed.ledger() == {
        "events": (
            RECORDS,
            accepted + no_event + bad_event + unreadable + twice,
            accepted,
            no_event + bad_event + unreadable,
            twice,
        ),
        "users": (RECORDS, 4, 2, 1, 1),
        "identities": (RECORDS, 4, 3, 1, 0),
        "consents": (RECORDS, 3, 2, 1, 0),
    }


def test_refused_calls_have_their_line_and_reason(landed):
    assert landed.rejected() == [
        (1, "events", "no_contract_row"),  # a page that names no item
        (9, "events", "bad_value"),  # the third product of the order
        (15, "events", "unknown_event_type"),  # Product Removed
        (16, "events", "missing_item_id"),  # Signed Up
        (20, "events", "bad_occurred_at"),
        (21, "events", "missing_item_id"),  # a list of no products
        (25, "events", "no_contract_row"),  # an identify call with one id and no traits
        (27, "users", "bad_signed_up_at"),
        (29, "identities", "missing_anonymous_id"),
        (30, "events", "no_contract_row"),  # a group call
        (32, "consents", "bad_granted"),
        (33, "events", "bad_properties"),
        (34, "events", "bad_json"),
    ]


def test_names_of_the_spec_become_event_types(landed):
    rows = landed.rows("events", "event_id, user_id, item_id, event_type, value", "occurred_at, event_id")
    assert rows[:-1] == [
        ("m16", "a2", "p1", "view", None),
        ("m02", "a1", "p1", "view", None),
        ("m03", "u1", "77", "view", None),
        ("m04-1", "a1", "p1", "impression", None),
        ("m04-2", "a1", "p2", "impression", None),
        ("m04-3", "a1", "p3", "impression", None),
        ("m05", "a1", "p2", "click", None),
        ("m06", "u1", "p2", "view", None),
        ("m07", "u1", "p2", "cart_add", None),
        ("m08-1", "u1", "p2", "purchase", round(19.99 * 3, 2)),
        ("m08-2", "u1", "p3", "purchase", 20.0 * 1),
        ("m09", "u1", "p5", "bookmark", None),
        ("m10", "u1", "p5", "share", None),
        ("m11", "u1", "p5", "rating", 4.5),
        ("m12", "u1", "v1", "play", None),
        ("m13", "u1", "p5", "like", None),
    ]
    assert rows[-1][1:] == ("a2", "p9", "view", None)


def test_a_list_gives_places_and_one_request(landed):
    rows = landed.rows("events", "item_id, position, request_id", "event_id")
    assert [row for row in rows if row[2]] == [("p1", 4, "m04"), ("p2", 2, "m04"), ("p3", 6, "m04")]
    assert ("p2", 5, None) in rows
    # The second played of a video and the place of a viewed product are no place in a list.
    assert ("v1", None, None) in rows


def test_context_gives_device_place_and_reading(landed):
    rows = {
        row[0]: row[1:]
        for row in landed.rows(
            "events",
            "event_id, device, os, country, region, referrer, session_id, dwell_seconds, scroll_fraction",
        )
    }
    assert rows["m02"] == ("mobile", "ios", "Norway", "Oslo", "https://search.example/", None, None, None)
    assert rows["m03"] == ("mobile", "android", *[None] * 6)
    assert rows["m06"] == (*[None] * 5, "s1", 2.5, 0.5)


def test_the_clock_is_the_spec_s_timestamp_and_the_platform_says_when_it_learned_of_it(landed):
    rows = dict(landed.rows("events", "event_id, occurred_at::varchar"))
    assert rows["m16"] == "2024-02-01 09:15:00+00"
    assert landed.rows("events", "count(distinct ingested_at), min(ingested_at)::varchar") == [
        (1, "2024-03-01 00:00:00+00")
    ]


def test_traits_add_up_and_the_rest_are_attributes(landed):
    columns = "user_id, signed_up_at::varchar, country, age_band, gender, subscription, attributes"
    anonymous, known = landed.rows("users", columns, "user_id")
    assert anonymous == ("a4", None, None, "25-34", None, None, None)
    assert known[:-1] == ("u1", "2023-05-01 00:00:00+00", "NO", "25-34", "f", "paid")
    assert json.loads(known[-1]) == {"address": {"country": "NO", "city": "Oslo"}, "email": "one@example.com"}


def test_identify_and_alias_join_ids_from_their_instant_on(landed):
    assert landed.rows("identities", "anonymous_id, user_id, valid_from::varchar") == [
        ("a1", "u1", "2024-02-01 10:04:30+00"),
        ("a3", "u1", "2024-02-02 08:00:00+00"),
        ("old-u1", "u1", "2024-02-02 09:00:00+00"),
    ]


def test_consent_is_read_from_traits_and_from_any_call_s_context(landed):
    assert landed.rows("consents", "user_id, purpose, granted, occurred_at", "occurred_at") == [
        ("u1", "personalization", True, datetime(2024, 2, 1, 10, 20, tzinfo=UTC)),
        ("u1", "personalization", False, datetime(2024, 2, 3, tzinfo=UTC)),
    ]


def test_the_same_calls_from_another_tracker_add_nothing(tmp_path):
    landed = Landed(tmp_path / "home", "segment")
    landed.land(CALLS)
    landed.ingest()
    before = landed.rows("events", "count(*)")
    others = tmp_path / "others.ndjson"
    others.write_text("\n".join(CALLS.read_text().splitlines()[1:14]))
    landed.land(others)
    report = landed.ingest()
    assert landed.rows("events", "count(*)") == before
    # 13 calls: the list has 3 products, the order 3 of which one is rejected.
    assert (report.totals["events"].rows_duplicate, report.totals["events"].rows_quarantined) == (13 + 2 + 2 - 1, 1)


@pytest.mark.parametrize(
    ("age", "band"), [(17, "under 18"), (18, "18-24"), (24.5, "18-24"), ("44", "35-44"), (54, "45-54"), (55, "55+")]
)
def test_ages_become_bands(tmp_path, age, band):
    call = {"type": "identify", "userId": "u", "timestamp": "2024-02-01T00:00:00Z", "traits": {"age": age}}
    (tmp_path / "calls.json").write_text(json.dumps(call))
    landed = Landed(tmp_path / "home", "segment")
    landed.land(tmp_path / "calls.json")
    landed.ingest()
    assert landed.rows("users", "age_band") == [(band,)]
