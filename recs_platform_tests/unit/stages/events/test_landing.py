from pathlib import Path

import pytest

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.home import Home
from recs_platform.lake.tables import Lake
from recs_platform.stages.events import land, load_sources, pending

SOURCES = load_sources(Path(__file__).parents[4] / "dbt_like_sql" / "sources")


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "raw"
    (folder / "deep").mkdir(parents=True)
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n")
    (folder / "deep" / "movies.csv").write_text("movieId,title,genres\n")
    (folder / "README.txt").write_text("read me")
    (folder / ".hidden.csv").write_text("x")
    return folder


def landed(home):
    return sorted(path.relative_to(home.landing).as_posix() for path in home.landing.rglob("*") if path.is_file())


def test_a_folder_lands_with_its_known_files_and_says_what_it_left(home, raw):
    report = land(home, SOURCES["movielens"], raw, dry_run=False)
    assert report.copied == ("movielens/deep/movies.csv", "movielens/ratings.csv")
    assert report.ignored == ("README.txt",)
    assert landed(home) == list(report.copied)


def test_landing_twice_copies_nothing_twice(home, raw):
    land(home, SOURCES["movielens"], raw, dry_run=False)
    again = land(home, SOURCES["movielens"], raw, dry_run=False)
    assert again.copied == ()
    assert again.already_there == ("movielens/deep/movies.csv", "movielens/ratings.csv")


def test_another_content_under_a_known_name_replaces_nothing(home, raw):
    land(home, SOURCES["movielens"], raw / "ratings.csv", dry_run=False)
    (raw / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,2,3,4\n")
    report = land(home, SOURCES["movielens"], raw / "ratings.csv", dry_run=False)
    assert len(landed(home)) == 2
    assert report.copied[0].endswith("/ratings.csv")
    assert (home.landing / "movielens" / "ratings.csv").read_text().count("\n") == 1


def test_a_dry_run_says_the_same_and_writes_nothing(home, raw):
    report = land(home, SOURCES["movielens"], raw, dry_run=True)
    assert report.copied
    assert not home.landing.exists()


def test_a_missing_path_and_a_folder_with_nothing_known_are_usage_errors(home, raw):
    with pytest.raises(UsageError, match="does not exist"):
        land(home, SOURCES["movielens"], raw / "nowhere", dry_run=False)
    with pytest.raises(UsageError, match=r"expected: users_interactions.csv"):
        land(home, SOURCES["deskdrop"], raw, dry_run=False)


def test_pending_sees_finished_known_files_in_order_and_the_same_content_once(home, raw):
    land(home, SOURCES["movielens"], raw, dry_run=False)
    folder = home.landing / "movielens"
    (folder / "tags.csv.part").write_text("x")
    (folder / ".tags.csv").write_text("x")
    (folder / "z").mkdir()
    (folder / "z" / "ratings.csv").write_text((folder / "ratings.csv").read_text())
    found = pending(home, SOURCES, Lake(home.lake))
    assert [file.source_file for file in found] == ["movielens/deep/movies.csv", "movielens/ratings.csv"]
