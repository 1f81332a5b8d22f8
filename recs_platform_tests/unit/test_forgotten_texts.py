"""One person out of texts and of Dagster's record of runs, however their ids are spelled and however many they are."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from markupsafe import escape

from recs_platform.contracts.home import RELEASE_PAGE, Home
from recs_platform.pipeline.forgetting.texts import erase_texts
from recs_platform.stages.events.people import Person


def erase(home: Home, *ids: str) -> dict[str, int]:
    found: dict[str, int] = {}
    erase_texts(home, Person(ids), found.__setitem__, dry_run=False)
    return found


@pytest.mark.parametrize("user", ["1423", "o'neil@example.com", 'say "hello"', "ann&bob@x.org", "plain-user"])
def test_no_page_shows_what_they_consumed(tmp_path: Path, user: str) -> None:
    home = Home(tmp_path)
    for name in ("2024-01-01", "2024-01-02"):
        (home.reports / name).mkdir(parents=True)
        (home.reports / name / RELEASE_PAGE).write_text(f"<h2>User {escape(user)}</h2>a film")
        (home.reports / name / "bias.html").write_text(f"<td>{escape(user)}</td>")
    erase(home, user)
    assert list(home.reports.glob(f"*/{RELEASE_PAGE}")) == []
    left = (home.reports / "2024-01-01" / "bias.html").read_text()
    assert (str(escape(user)) in left) == (user == "1423")  # a short number stands for anything


def test_two_thousand_ids_are_taken_out_of_a_database_at_once(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.dagster.mkdir(parents=True)
    ids = [f"cookie-{n:05}" for n in range(2000)]
    with closing(sqlite3.connect(home.dagster / "runs.db")) as con:
        con.execute("create table events (event text)")
        con.executemany("insert into events values (?)", [(f"no list for {ids[1999]}",), ("of nobody",)])
        con.commit()
    erase(home, *ids)
    with closing(sqlite3.connect(home.dagster / "runs.db")) as con:
        assert con.execute("select event from events").fetchall() == [("no list for (forgotten)",), ("of nobody",)]
