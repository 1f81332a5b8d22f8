"""Open Bandit records become impressions with the propensity they were shown with, and clicks."""

import hashlib

import pytest

from recs_platform_tests.contracts.sources.landed import FIXTURES, Landed

RAW = FIXTURES / "open_bandit"
SHOPPER = hashlib.md5(b"aa|bb|cc|dd", usedforsecurity=False).hexdigest()


@pytest.fixture(scope="module")
def landed(tmp_path_factory):
    landed = Landed(tmp_path_factory.mktemp("open_bandit") / "home", "open_bandit")
    landed.land(RAW)
    landed.ingest()
    return landed


def test_every_record_is_accounted_for(landed):
    random, bts, clicked, perhaps_clicked = 7, 1, 3, 1
    read = random + bts + clicked + perhaps_clicked
    # Place 0; a click that is "maybe"; a propensity above 1, of the impression and of its click; nobody.
    rejected = 1 + 1 + 2 + 1
    assert landed.ledger() == {
        "events": (random + bts, read, read - rejected, rejected, 0),
        "items": (2 + 2, 2 + 2, 2, 0, 2),
    }
    assert landed.rejected() == [
        (5, "events", "out_of_range_position"),
        (6, "events", "unknown_event_type"),
        (7, "events", "out_of_range_propensity"),
        (7, "events", "out_of_range_propensity"),
        (8, "events", "missing_user_id"),
    ]


def test_an_event_is_named_by_policy_campaign_and_row(landed):
    columns = "event_id, request_id, user_id, item_id, event_type, position, propensity"
    rows = landed.rows("events", columns, "event_id")
    place = ("open_bandit/bts/men/0", "open_bandit/random/men/0", "open_bandit/random/men/1")
    assert rows[:4] == [
        (place[0], place[0], SHOPPER, "men-3", "impression", 1, 0.01),
        (place[1], place[1], SHOPPER, "men-3", "impression", 1, 0.25),
        (place[2], place[2], SHOPPER, "men-1", "impression", 2, 0.25),
        (f"{place[2]}/click", place[2], SHOPPER, "men-1", "click", 2, 0.25),
    ]
    # Row 2 says what row 1 says: shown and clicked twice.
    assert [row[0].removeprefix("open_bandit/random/men/") for row in rows[4:]] == ["2", "2/click", "4"]


def test_items_are_told_apart_by_campaign(landed):
    assert landed.rows("items", "item_id, category, tags, attributes", "item_id") == [
        ("men-0", None, ["h1", "h2", "h3"], '{"feature_0":-0.5}'),
        ("men-1", None, ["h1", "h4", "h5"], '{"feature_0":0.25}'),
    ]


def test_a_file_without_its_folders_keeps_its_rows_apart_by_content(tmp_path):
    landed = Landed(tmp_path / "home", "open_bandit")
    for policy in ("random", "bts"):
        landed.land(RAW / policy / "men" / "men.csv")
    landed.ingest()
    (read, accepted, duplicate) = (ledger := landed.ledger()["events"])[1], ledger[2], ledger[4]
    # Without the row's number in its name, row 2 is row 1 again: an impression and a click.
    assert (read, duplicate) == (7 + 1 + 3 + 1, 2)
    assert accepted == read - 5 - duplicate
    assert landed.rows("events", "distinct item_id") == [("men-1",), ("men-2",), ("men-3",)]
