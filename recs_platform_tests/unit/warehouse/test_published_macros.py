"""Macros of the analysts' file answer from its lists, and are there only where what they read is."""

import duckdb
import pytest

from recs_platform.warehouse.published_macros import MACROS, write_macros


@pytest.fixture
def con(tmp_path):
    with duckdb.connect() as con:
        con.execute(f"attach '{tmp_path / 'made.duckdb'}' as a")
        con.execute("set TimeZone = 'UTC'; create schema a.recommendations; create schema a.marts")
        con.execute("""create table a.recommendations.releases as from (values
            ('r1', '2024-01-01'::timestamptz, '2024-01-01'::timestamptz),
            ('r2', '2024-01-02'::timestamptz, '2024-01-02'::timestamptz),
            ('r2b', '2024-01-02'::timestamptz, '2024-01-03'::timestamptz)) as t(release_id, as_of, sealed_at)""")
        con.execute("create table a.recommendations.in_force (since timestamptz, release_id text)")
        con.execute("""create view a.recommendations.lists as
            select release_id, as_of, 'u' as user_id, 1 as rank, 'item of ' || release_id as item_id, 1.0 as score,
                'why' as reason from a.recommendations.releases""")
        yield con


def test_a_list_on_a_day_is_that_of_the_last_release_as_of_it(con):
    write_macros(con)
    asked = "select item_id from a.recommendations.list_on('u', {})"
    con.execute("use a")
    for day, item in (("'2024-01-01'", "item of r1"), ("date '2024-01-05'", "item of r2b"), ("'2023-12-31'", None)):
        found = con.execute(asked.format(day)).fetchone()
        assert (None if found is None else found[0]) == item
    assert con.execute("from recommendations.lists_with('item of r1')").fetchall()[0][2:] == (1, 1.0)


def test_once_it_is_kept_what_was_in_force_as_the_day_ended_counts(con):
    write_macros(con)
    con.execute("""use a; insert into recommendations.in_force values
        ('2024-01-03 08:00:00+00', 'r2b'), ('2024-01-04 09:00:00+00', 'r1'), ('2024-01-04 23:59:59+00', 'r2')""")
    for day, release in (
        ("'2024-01-01'", "r1"),
        ("'2024-01-02'", "r2b"),
        ("'2024-01-03'", "r2b"),
        ("'2024-01-04'", "r2"),
        ("date '2024-02-01'", "r2"),
    ):
        found = con.execute(f"select release_id from recommendations.list_on('u', {day})").fetchall()
        assert found == [(release,)], day


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_a_day_begins_at_midnight_utc_wherever_the_analyst_is(con, zone):
    write_macros(con)
    con.execute(f"use a; set TimeZone = '{zone}'")
    for day, release in (
        ("'2024-01-01'", "r1"),
        ("date '2024-01-01'", "r1"),
        ("timestamp '2024-01-01 23:59:59'", "r1"),
        ("timestamptz '2024-01-02 08:00:00+09'", "r1"),
        ("timestamptz '2024-01-02 09:00:00+09'", "r2b"),
        ("'2024-01-02'", "r2b"),
    ):
        found = con.execute(f"select release_id from recommendations.list_on('u', {day})").fetchall()
        assert found == [(release,)], day


def test_a_macro_is_there_only_where_its_tables_are_and_says_what_it_answers(con):
    query = "select function_name, comment from duckdb_functions() where database_name = 'a' and schema_name <> 'main'"
    write_macros(con)
    assert {name for name, _ in con.execute(query).fetchall()} == {"list_on", "lists_with"}
    con.execute("drop view a.recommendations.lists")
    write_macros(con)
    assert con.execute(query).fetchall() == []
    con.execute(
        "create table a.marts.list_changes (release_id text, user_id text, item_id text, change text, "
        "rank_before int, rank int); create view a.recommendations.lists as select 'r1' as release_id, "
        "now() as as_of, 'u' as user_id, 1 as rank, 'i' as item_id, 1.0 as score, 'why' as reason"
    )
    write_macros(con)
    assert {tuple(row) for row in con.execute(query).fetchall()} == {
        (macro.name.split(".")[1], macro.description) for macro in MACROS
    }
