"""EBNeRD records become an impression an article in view and a click an article clicked, nothing else."""

from datetime import UTC, datetime

import polars as pl
import pytest

from recs_platform_tests.contracts.sources.landed import Landed

AT = datetime(2023, 2, 27, 3, 23, 27)  # noqa: DTZ001 - as in the files, which name no zone

SCHEMA = {
    "impression_id": pl.UInt32,
    "article_id": pl.Int32,
    "impression_time": pl.Datetime("us"),
    "device_type": pl.Int8,
    "article_ids_inview": pl.List(pl.Int32),
    "article_ids_clicked": pl.List(pl.Int32),
    "user_id": pl.UInt32,
    "is_sso_user": pl.Boolean,
    "gender": pl.Float64,
    "postcode": pl.Int8,
    "age": pl.Int8,
    "is_subscriber": pl.Boolean,
    "session_id": pl.UInt32,
    "next_read_time": pl.Float32,
    "next_scroll_percentage": pl.Float32,
}
ROWS = [
    (9, None, AT, 2, [101, 102, 103], [102], 7, True, 0, 2, 40, True, 70, 8.0, 25.0),
    (10, 102, AT.replace(hour=4), 1, [104, 101], [104, 101], 7, True, 1, None, 50, False, 71, 9.0, 100.0),
    (11, None, AT, 0, [105, 105], [], 8, False, None, None, None, None, 72, 3.0, 50.0),
    (12, None, AT.replace(hour=2), 3, [], [], 8, False, None, None, None, None, 72, None, None),
    (13, None, AT, 9, [106, None], [107], 9, None, 2, None, None, None, None, -1.0, None),
    (14, None, None, 1, [108], None, None, None, None, None, None, None, None, None, None),
]


def written(folder, rows=ROWS, schema=SCHEMA):
    (folder / "raw").mkdir()
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(folder / "raw" / "behaviors.parquet")
    return folder / "raw"


@pytest.fixture(scope="module")
def landed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ebnerd")
    raw = written(folder)
    (raw / "history.parquet").write_bytes(b"never read")
    pl.DataFrame(
        {
            "article_id": [101, 102],
            "title": ["One", None],
            "subtitle": ["Sub", None],
            "body": ["Body", None],
            "category_str": ["nyheder", None],
            "topics": [["Politik", "EU"], None],
            "published_time": [AT, None],
            "premium": [True, None],
            "article_type": ["article_default", None],
            "total_pageviews": [1000, None],
        },
    ).write_parquet(raw / "articles.parquet")
    landed = Landed(folder / "home", "ebnerd")
    assert [name for name, _ in landed.land(raw).ignored] == ["history.parquet"]
    landed.ingest()
    return landed


def test_rows_in_view_are_impressions_and_rows_clicked_are_clicks(landed):
    inview = sum(len(row[4]) for row in ROWS)
    clicked = sum(len(row[5] or []) for row in ROWS)
    # Rejected: an article that is none, a negative time, a record of nobody at no time, one without articles.
    rejected = 1 + 1 + 1
    ledger = landed.ledger()
    assert ledger["events"] == (6, inview + clicked + 1, inview + clicked - rejected, rejected + 1, 0)
    assert ledger["users"] == (6, 3, 3, 0, 0)
    assert ledger["items"] == (2, 2, 2, 0, 0)
    assert landed.rejected() == [
        (4, "events", "no_contract_row"),
        (5, "events", "missing_item_id"),
        (5, "events", "out_of_range_dwell_seconds"),
        (6, "events", "missing_user_id"),
    ]


def test_places_and_times_of_what_was_in_view(landed):
    rows = landed.rows(
        "events",
        "event_id, user_id, item_id, position, device, session_id, request_id, occurred_at",
        "event_id",
    )
    request = ("7", "70", "ebnerd-9")
    at = AT.replace(tzinfo=UTC)
    assert [(row[1], row[5], row[6]) for row in rows if row[6] == "ebnerd-9"] == [request] * (3 + 1)
    assert {row[0]: (row[2], row[3], row[4], row[7]) for row in rows if row[6] == "ebnerd-9"} == {
        "ebnerd-9-impression-1": ("101", 1, "mobile", at),
        "ebnerd-9-impression-2": ("102", 2, "mobile", at),
        "ebnerd-9-impression-3": ("103", 3, "mobile", at),
        "ebnerd-9-click-1": ("102", 2, "mobile", at),
    }
    assert {row[4] for row in rows if row[6] == "ebnerd-11"} == {None}
    assert {row[4] for row in rows if row[6] == "ebnerd-13"} == {"9"}
    # An article twice in view is two impressions.
    assert sum(row[2] == "105" for row in rows) == 2


def test_the_next_page_belongs_to_a_click_that_was_alone(landed):
    clicks = landed.rows("events", "event_type, event_id, dwell_seconds, scroll_fraction", "event_id")
    assert [row[1:] for row in clicks if row[0] == "click"] == [
        ("ebnerd-10-click-1", None, None),
        ("ebnerd-10-click-2", None, None),
        ("ebnerd-9-click-1", 8.0, 25 / 100),
    ]
    assert {row[2:] for row in clicks if row[0] == "impression"} == {(None, None)}


def test_a_user_is_what_their_latest_record_says(landed):
    columns = "user_id, age_band, gender, subscription, attributes"
    assert landed.rows("users", columns, "user_id") == [
        ("7", "50-59", "female", "none", '{"is_sso_user":true,"postcode_type":null}'),
        ("8", None, None, None, '{"is_sso_user":false,"postcode_type":null}'),
        ("9", None, "2", None, '{"is_sso_user":null,"postcode_type":null}'),
    ]


def test_articles_become_items_without_what_was_counted_later(landed):
    columns = "item_id, title, body, category, tags, language, published_at, attributes"
    first, second = landed.rows("items", columns, "item_id")
    assert first == (
        "101", "One", "Sub\nBody", "nyheder", ["Politik", "EU"], "da", AT.replace(tzinfo=UTC),
        '{"premium":true,"article_type":"article_default"}',
    )  # fmt: skip
    assert second[:3] == ("102", None, None)


def test_a_test_set_without_clicks_gives_its_impressions(tmp_path):
    kept = ["impression_id", "impression_time", "article_ids_inview", "user_id"]
    rows = [tuple(row[list(SCHEMA).index(name)] for name in kept) for row in ROWS[:2]]
    raw = written(tmp_path, rows, {name: SCHEMA[name] for name in kept})
    landed = Landed(tmp_path / "home", "ebnerd")
    landed.land(raw)
    landed.ingest()
    assert landed.ledger()["events"] == (2, 3 + 2, 3 + 2, 0, 0)
    assert landed.rows("events", "distinct event_type") == [("impression",)]
