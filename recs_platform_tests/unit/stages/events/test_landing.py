import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.home import Home
from recs_platform.lake.tables import Lake
from recs_platform.stages.events import content_hashes, land, load_sources, look_into_landing, pending
from recs_platform_tests.contracts.sources.landed import Landed

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
    assert report.ignored == (("README.txt", "source 'movielens' ignores it"),)
    assert report.markers == (".hidden.csv",)
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
    assert sorted(file.source_file for file in found) == ["movielens/deep/movies.csv", "movielens/ratings.csv"]


def test_links_odd_names_and_what_is_no_file_are_refused_by_name(home, raw):
    folder = home.landing / "movielens"
    folder.mkdir(parents=True)
    (folder / "ratings.csv").symlink_to(raw / "ratings.csv")
    (folder / "linked").symlink_to(raw / "deep")
    (folder / "a\nb").mkdir()
    (folder / "a\nb" / "tags.csv").write_text("x")
    os.mkfifo(folder / "movies.csv")
    found = look_into_landing(home, SOURCES)
    assert found.files == ()
    assert [(name, reason.split(";")[0]) for name, reason in found.rejected] == [
        ("movielens/a\nb/tags.csv", "its name holds control characters"),
        ("movielens/movies.csv", "it is no regular file"),
        ("movielens/ratings.csv", "it is a symbolic link"),
    ]


def test_a_file_changed_a_moment_ago_settles_unless_it_stayed_as_it_was(home, raw):
    land(home, SOURCES["movielens"], raw / "ratings.csv", dry_run=False)
    landed_file = home.landing / "movielens" / "ratings.csv"
    before = datetime.fromtimestamp(landed_file.stat().st_mtime, UTC)
    young = look_into_landing(home, SOURCES, changed_before=before - timedelta(seconds=1))
    assert (young.files, list(young.settling)) == ((), ["movielens/ratings.csv"])
    again = look_into_landing(home, SOURCES, changed_before=before - timedelta(seconds=1), quiet=young.settling)
    assert [file.source_file for file in again.files] == ["movielens/ratings.csv"]
    landed_file.write_text("userId,movieId,rating,timestamp\n1,2,3,4\n")
    grown = look_into_landing(home, SOURCES, changed_before=before - timedelta(seconds=1), quiet=young.settling)
    assert grown.files == ()
    assert look_into_landing(home, SOURCES, changed_before=before + timedelta(days=1)).files


def test_a_landed_copy_keeps_the_time_of_its_original(home, raw):
    os.utime(raw / "ratings.csv", (1_000_000_000, 1_000_000_000))
    land(home, SOURCES["movielens"], raw / "ratings.csv", dry_run=False)
    assert (home.landing / "movielens" / "ratings.csv").stat().st_mtime == 1_000_000_000


def test_hashes_are_remembered_until_a_file_changes(home, raw, monkeypatch):
    land(home, SOURCES["movielens"], raw, dry_run=False)
    first = look_into_landing(home, SOURCES)
    read: list[Path] = []
    monkeypatch.setattr(content_hashes, "content_hash", lambda path: read.append(path) or "new")
    assert look_into_landing(home, SOURCES) == first
    assert read == []
    (home.landing / "movielens" / "ratings.csv").write_text("other")
    changed = look_into_landing(home, SOURCES)
    assert [path.name for path in read] == ["ratings.csv"]
    assert [file.file_hash for file in changed.files if file.path.name == "ratings.csv"] == ["new"]
    (home.temporary / "landing_hashes.json").write_text("{")
    assert len(look_into_landing(home, SOURCES).files) == len(first.files)


def test_a_file_that_cannot_be_opened_is_refused_and_the_others_are_not(home, raw, monkeypatch):
    land(home, SOURCES["movielens"], raw, dry_run=False)

    def refuse(path):
        if path.name == "ratings.csv":
            raise PermissionError(13, "Permission denied")
        return "hash"

    monkeypatch.setattr(content_hashes, "content_hash", refuse)
    found = look_into_landing(home, SOURCES)
    assert found.rejected == (("movielens/ratings.csv", "cannot be read: Permission denied"),)
    assert [file.source_file for file in found.files] == ["movielens/deep/movies.csv"]


@pytest.mark.parametrize("at_once", [True, False])
def test_parts_are_taken_in_as_they_came_in_one_ingestion_or_two(tmp_path, at_once):
    """The tenth part comes after the second, whatever the letters of its name."""
    landed = Landed(tmp_path, "contract")
    folder = landed.home.landing / "contract"
    folder.mkdir(parents=True)
    for number in (2, 10):
        (folder / f"items.{number}.csv").write_text(f"item_id,title\ni,part {number}\n")
        if not at_once:
            landed.ingest()
    landed.ingest()
    assert landed.rows("items", "title") == [("part 10",)]


def test_what_was_written_last_counts_whatever_the_names(tmp_path):
    landed = Landed(tmp_path, "contract")
    folder = landed.home.landing / "contract"
    folder.mkdir(parents=True)
    for seconds, name in enumerate(("items.z.csv", "items.a.csv"), start=1):
        (folder / name).write_text(f"item_id,title\ni,{name}\n")
        os.utime(folder / name, (seconds, seconds))
    landed.ingest()
    assert landed.rows("items", "title") == [("items.a.csv",)]
