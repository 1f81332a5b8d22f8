"""From a stranger's files to contract rows: what each row must be is written beside it."""

import gzip
import io
import zipfile
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pytest

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.home import Home
from recs_platform.stages.events.profiling.proposal import propose, write_source
from recs_platform_tests.unit.stages.events.profiling.exports import Taken, write


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


def at(*parts):
    return datetime(*parts, tzinfo=UTC)


def test_a_shops_wide_file_feeds_events_and_items_in_german(home, tmp_path):
    folder = write(
        tmp_path / "shop",
        **{
            "ereignisse_2024-07.csv": (
                "Kundennr;Artikelnr;Artikelbezeichnung;Aktion;Zeitpunkt;Betrag\n"
                "007;A1;Stuhl;Seitenaufruf;31.07.2024 14:05;\n"
                "007;A1;Stuhl, rot;Kauf;31.12.2024 14:05;1.234,56 €\n"
            ),
            "kunden.csv": "Kundennr;Registriert am;Einwilligung\n007;01.02.2023;nein\n008;01.02.2023;ja\n",
        },
    )
    taken = Taken(home, folder, "Europe/Berlin")
    assert taken.rows("events", "user_id", "item_id", "event_type", "occurred_at", "value") == [
        ("007", "A1", "purchase", at(2024, 12, 31, 13, 5), 1234.56),  # winter: one hour ahead of UTC
        ("007", "A1", "view", at(2024, 7, 31, 12, 5), None),  # summer: two hours
    ]
    assert taken.rows("items", "item_id", "title") == [("A1", "Stuhl, rot")]
    assert taken.rows("users", "user_id", "signed_up_at", "consent_personalization") == [
        ("007", at(2023, 1, 31, 23), False),
        ("008", at(2023, 1, 31, 23), True),
    ]
    assert taken.rejected == 0


def test_days_and_clocks_in_two_columns_are_one_instant(home, tmp_path):
    folder = write(
        tmp_path / "e",
        **{"aufrufe.csv": "Nutzer;Artikel;Datum;Uhrzeit\nu1;a1;05.02.2024;09:30\nu2;a1;06.02.2024;10:00\n"},
    )
    assert Taken(home, folder).rows("events", "event_type", "occurred_at") == [
        ("view", at(2024, 2, 5, 9, 30)),
        ("view", at(2024, 2, 6, 10)),
    ]


def test_a_news_sites_nested_parts_in_milliseconds(home, tmp_path):
    line = (
        '{{"visitor": "v1", "article": {{"id": "n{0}"}}, "event": "{1}", "ts": 170674560{0}000, "scroll_depth": {2}}}\n'
    )
    folder = write(
        tmp_path / "news",
        **{
            "clicks/date=2024-02-01/part-0.jsonl.gz": gzip.compress(
                (line.format(1, "PageView", 50) + line.format(2, "Article Shared", "null")).encode()
            ),
            "clicks/date=2024-02-01/_SUCCESS": "",
            "clicks/date=2024-02-02/part-0.jsonl.gz": gzip.compress(line.format(3, "popup", 90).encode()),
        },
    )
    taken = Taken(home, folder)
    assert taken.rows("events", "item_id", "event_type", "occurred_at", "scroll_fraction") == [
        ("n1", "view", at(2024, 2, 1, 0, 0, 1), 0.5),
        ("n2", "share", at(2024, 2, 1, 0, 0, 2), None),
    ]
    assert taken.rejected == 1
    assert any("'popup'" in guess for guess in taken.proposal.guesses)


def test_files_of_other_columns_feed_one_table_together(home, tmp_path):
    enrolments = io.BytesIO()
    pl.DataFrame(
        {"student_id": [1.0, 2.0], "course_id": [7, 8], "enrolled_at": [at(2024, 1, 1, 10), at(2024, 1, 2)]}
    ).write_parquet(enrolments)
    folder = write(
        tmp_path / "course",
        **{
            "enrolments.parquet": enrolments.getvalue(),
            "ratings.csv": "student_id,course_id,rating,created\n1,7,10,1/25/2024 3:05 PM\n2,8,4,1/26/2024 9:00 AM\n",
            "courses.tsv": "course_id\tname\tlevel\n7\tKnots\thard\n8\tSails\teasy\n",
        },
    )
    taken = Taken(home, folder)
    assert taken.rows("events", "user_id", "item_id", "event_type", "occurred_at", "value") == [
        ("1", "7", "rating", at(2024, 1, 25, 15, 5), 5.0),
        ("1", "7", "subscribe", at(2024, 1, 1, 10), None),
        ("2", "8", "rating", at(2024, 1, 26, 9), 2.0),
        ("2", "8", "subscribe", at(2024, 1, 2), None),
    ]
    assert taken.rows("items", "item_id", "title", "attributes") == [
        ("7", "Knots", '{"level":"hard"}'),
        ("8", "Sails", '{"level":"easy"}'),
    ]


def test_a_catalogue_of_its_own_is_not_replaced_by_titles_of_events(home, tmp_path):
    folder = write(
        tmp_path / "shop",
        **{
            "orders.csv": "customer,sku,title,created_at\nu1,s1,Old name,2024-01-01\n",
            "products.csv": "sku,title,price\ns1,New name,3\n",
        },
    )
    taken = Taken(home, folder)
    assert taken.rows("items", "title", "price") == [("New name", 3.0)]
    assert taken.rows("events", "event_type") == [("purchase",)]


def test_a_value_that_cannot_be_read_goes_on_as_it_came_and_is_refused_by_name(home, tmp_path):
    good = "".join(f"u{n},i{n},view,{n:02d}/02/2024 10:00\n" for n in range(13, 28))
    folder = write(
        tmp_path / "e", **{"log.csv": f"user,item,action,time\n{good}u1,i1,view,soon\nu1,i1,glance,14/02/2024 10:00\n"}
    )
    taken = Taken(home, folder)
    assert taken.rows("quarantine", "reason_code", "line_number") == [
        ("bad_occurred_at", 17),
        ("unknown_event_type", 18),
    ]


def test_identities_consents_and_tags_are_told_from_events(tmp_path):
    folder = write(
        tmp_path / "p",
        **{
            "logins.csv": "device_id,user_id,timestamp\nd1,u1,2024-01-01T10:00:00Z\n",
            "consents.csv": "customer,purpose,granted,changed\nu1,personalization,no,2024-01-01\n",
            "tags.csv": "userId,movieId,tag,timestamp\n1,2,funny,1706745600\n",
            "stock.csv": "warehouse,shelf\nw,1\n",
        },
    )
    found = {each.group.match: [fed.table for fed in each.fed] for each in propose("p", folder).understood}
    assert found["logins.csv"] == ["identities"]
    assert found["tags.csv"] == ["item_tags"]
    assert found["stock.csv"] == []


def test_a_slash_date_that_may_be_either_is_a_guess_that_is_told(tmp_path):
    folder = write(tmp_path / "e", **{"log.csv": "user,item,action,time\nu1,i1,view,05/02/2024 10:00\n"})
    assert any("day or month" in guess for guess in propose("x", folder).guesses)


def test_everything_that_was_guessed_is_listed(tmp_path):
    folder = write(
        tmp_path / "e",
        **{
            "aktionen.csv": "Kunde;Artikel;Aktion;Zeit\nk1;A1;Kauf;05.02.2024 12:00\nk1;A1;view;25.02.2024 12:00\n",
            "artikel.csv": "Artikel;Titel;Eingang\nA1;Hammer;05.01.2024\n",
            "klicks.csv": "user,item,action,time\nu1,i1,click,1706745600000\n",
        },
    )
    assert propose("x", folder).guesses == [
        "aktionen.csv: columns are parted by ';'",
        "artikel.csv: columns are parted by ';'",
        "aktionen.csv: events.event_type: 'kauf' is taken for purchase",
        "aktionen.csv: events.occurred_at: the day comes first, as '25.02.2024 12:00' tells",
        "aktionen.csv: events.occurred_at: clocks are taken to be in UTC",
        "artikel.csv: items.attributes: kept as texts, for no column is theirs: Eingang",
        "artikel.csv: items.attributes: instants that are not taken for published_at: Eingang",
        "klicks.csv: events.occurred_at: numbers count milliseconds since 1970",
    ]


def test_a_word_for_no_id_is_rejected_by_its_name_and_not_as_missing(home, tmp_path):
    folder = write(
        tmp_path / "e",
        **{
            "log.csv": (
                "user,item,title,action,time\nu1,null,Nothing,view,2024-02-05T10:00:00Z\n"
                "guest,i1,Lamp,view,2024-02-05T10:00:00Z\nu1,i1,Lamp,view,2024-02-05T11:00:00Z\n"
            )
        },
    )
    taken = Taken(home, folder)
    assert taken.rows("quarantine", "reason_code") == [("placeholder_item_id",), ("placeholder_user_id",)]
    assert taken.rows("items", "item_id", "title") == [("i1", "Lamp")]


def test_what_cannot_be_understood_is_told_by_file(tmp_path):
    folder = write(
        tmp_path / "e", **{"stock.csv": "shelf,count\n1,2\n", "u.data.csv": "1,2,5,881250949\n", "notes.md": "x"}
    )
    with pytest.raises(UsageError, match=r"stock.csv: no column names a user or an item; it has shelf, count") as error:
        propose("x", folder)
    assert "add a header line" in str(error.value)
    with pytest.raises(UsageError, match="did you mean 'Europe/Berlin'"):
        propose("x", folder, "Europe/Berlni")


def test_a_source_is_written_over_only_by_force(home, tmp_path):
    proposal = propose("x", write(tmp_path / "e", **{"log.csv": "user,item,action,time\nu1,i1,view,2024-01-01\n"}))
    target = home.sources / "x"
    write_source(proposal, target, force=False)
    (target / "events.sql").write_text("mine")
    with pytest.raises(UsageError, match="--force"):
        write_source(proposal, target, force=False)
    assert (target / "events.sql").read_text() == "mine"
    write_source(proposal, target, force=True)
    assert "raw_records" in (target / "events.sql").read_text()
    assert [path.name for path in home.sources.iterdir()] == ["x"]


def test_an_item_within_another_object_is_an_item(home, tmp_path):
    folder = write(
        tmp_path / "dump",
        **{
            "clicks.jsonl": (
                '{"visitor": "v1", "action": "pageview", "ts": 1709287200000, "article": {"articleId": "n1"}, '
                '"device": {"type": "phone", "os": "x"}, "geo": {"country": "DE"}}\n'
                '{"visitor": "v2", "action": "share", "ts": 1709287201000, "article": {"articleId": "n2"}, '
                '"device": {"type": "desktop", "os": "x"}, "geo": {"country": "AT"}}\n'
            )
        },
    )
    assert Taken(home, folder).rows("events", "user_id", "item_id", "event_type", "device", "country") == [
        ("v1", "n1", "view", "phone", "DE"),
        ("v2", "n2", "share", "desktop", "AT"),
    ]


def test_a_log_that_names_no_item_is_told_and_not_taken_for_profiles(tmp_path):
    folder = write(tmp_path / "log", **{"log.csv": "visitor,action,ts,country\nv,view,2024-01-01,DE\n"})
    with pytest.raises(UsageError, match="no column names an item"):
        propose("log", folder)


def test_learners_and_courses_without_ids_in_their_names(home, tmp_path):
    content = "learner\tcourse\tevent\twhen\n7\t9\tLesson Started\t02/14/2024 01:05:00 PM\n"
    folder = write(tmp_path / "academy", **{"activity.tsv": content})
    assert Taken(home, folder).rows("events", "user_id", "item_id", "event_type") == [("7", "9", "play")]


def test_a_zip_inside_a_zip_is_told(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("log.csv", "user,item,action,time\nu1,i1,view,2024-01-01\n")
        archive.writestr("old.csv.zip", b"PK")
    proposal = propose("x", write(tmp_path / "e", **{"all.zip": packed.getvalue()}))
    assert proposal.left_out == (
        ("all/old.csv.zip", "it is a zip inside a zip; unpack the outer one and give its folder"),
    )


def test_a_line_end_in_a_header_stays_within_its_comment(home, tmp_path):
    content = 'user,item,action,time,"note\n) select 1; --"\nu1,i1,view,2024-01-01,x\n'
    taken = Taken(home, write(tmp_path / "e", **{"log.csv": content}))
    assert taken.rows("events", "user_id", "item_id") == [("u1", "i1")]
    assert "not used: note\\n) select 1; --." in taken.proposal.files["events.sql"]


def test_a_source_whose_sql_would_not_run_is_not_written(home, tmp_path):
    proposal = propose("x", write(tmp_path / "e", **{"log.csv": "user,item,action,time\nu1,i1,view,2024-01-01\n"}))
    write_source(proposal, home.sources / "x", force=False)
    kept = (home.sources / "x" / "events.sql").read_text()
    broken = replace(proposal, files={**proposal.files, "events.sql": "select nothing from raw_records\n"})
    with pytest.raises(UsageError, match=r"no source was written, .*: events.sql:1: .*nothing"):
        write_source(broken, home.sources / "x", force=True)
    assert (home.sources / "x" / "events.sql").read_text() == kept
    assert [path.name for path in home.sources.iterdir()] == ["x"]


def test_an_instant_beyond_the_calendar_does_not_stop_a_proposal(home, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    at = pa.array([1_709_287_200_000_000, 2**62, 1_709_287_201_000_000], pa.timestamp("us"))
    (tmp_path / "far").mkdir()
    table = pa.table([["u", "v", "w"], ["i", "j", "k"], ["view"] * 3, at], names=["user", "item", "action", "ts"])
    pq.write_table(table, tmp_path / "far" / "log.parquet")
    assert Taken(home, tmp_path / "far").rows("events", "user_id", "item_id") == [("u", "i"), ("w", "k")]
