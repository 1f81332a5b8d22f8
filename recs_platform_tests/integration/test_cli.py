"""`recs` as people type it: exit codes, one line for an error, one object for --json, nothing half-written."""

import csv
import gzip
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import IO

import click
import polars as pl
import pytest
import typer

from recs_platform.cli import app
from recs_platform.pipeline.platform import Platform
from recs_platform.stages.releases import (
    ReleaseOrigin,
    ReleaseRows,
    current_release,
    pinned_release,
    read_release,
    read_short_lists,
    seal_release,
)
from recs_platform_tests.homes import Built, CommandLine, as_of_tables, ask, copy_home

USAGE, COULD_NOT = 2, 1


def _commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _commands(command.commands[name], (*path, name))
    else:
        yield path


COMMANDS = list(_commands(typer.main.get_command(app)))


def _one_line(err: str) -> str:
    """The error, which is one line without a traceback."""
    assert "Traceback" not in err
    said = [line for line in err.splitlines() if line.startswith("recs: ")]
    assert len(said) == 1, err
    assert err.strip().splitlines()[-1] == said[0]
    return said[0]


def test_every_command_shows_an_example(recs: CommandLine, tmp_path: Path) -> None:
    for command in COMMANDS:
        code, out, _ = recs(tmp_path / "home", *command, "--help")
        assert code == 0, command
        assert f"recs {' '.join(command)}" in " ".join(out.split()).partition("Example")[2], command
    assert not (tmp_path / "home").exists()


def test_the_version_is_said(recs: CommandLine, tmp_path: Path) -> None:
    code, out, _ = recs(tmp_path, "--version")
    assert (code, out) == (0, "recs_platform 0.1.0\n")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("land", "no-such-source", "."), USAGE, "movielens"),
        (("land", "contract", "no/such/path"), USAGE, "no/such/path"),
        (("run", "--as-of", "yesterday"), USAGE, "yesterday"),
        (("backfill", "--from", "2024-02-01", "--to", "2024-01-01"), USAGE, "2024-01-01"),
        (("backfill", "--from", "2024-01-01", "--to", "2024-02-01", "--every", "soon"), USAGE, "soon"),
        (("evaluate", "--as-of", "2024-13-01"), USAGE, "2024-13-01"),
        (("sql",), USAGE, "--model"),
        (("sql", "--model", "features.user_features"), USAGE, "--as-of"),
        (("sql", "--model", "features.no_such", "--as-of", "2024-01-01"), USAGE, "features.no_such"),
        (("benchmark", "retrieval", "--train", "no.parquet", "--test", "no.parquet"), USAGE, "no.parquet"),
        (("simulate", "--users", "3"), USAGE, "users"),
        (("recommend", "u1"), COULD_NOT, "recs run"),
        (("explain", "u1", "i1"), COULD_NOT, "recs run"),
        (("sql", "select 1"), COULD_NOT, "recs run"),
        (("publish",), COULD_NOT, "recs run"),
        (("export", "x.duckdb"), COULD_NOT, "recs run"),
        (("releases", "show", "2024-01-01-abc"), COULD_NOT, "2024-01-01-abc"),
        (("releases", "rollback", "2024-01-01-abc"), COULD_NOT, "2024-01-01-abc"),
        (("releases", "diff", "a", "b"), COULD_NOT, "a"),
        (("evaluate", "--as-of", "2024-01-01"), COULD_NOT, "recs land"),
        (("forget", "u1"), COULD_NOT, "nothing was changed"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_an_error_is_one_line_and_its_exit_code(
    recs: CommandLine, new_home: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    found, out, err = recs(new_home, *arguments)
    assert found == code, err
    assert says in _one_line(err)
    assert out == ""


@pytest.mark.parametrize(
    "arguments", [("no-such",), ("run", "--no-such"), ("recommend",), ("recommend", "u", "-k", "0")]
)
def test_what_cannot_be_parsed_is_2(recs: CommandLine, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, _, err = recs(tmp_path / "home", *arguments)
    assert code == USAGE
    assert "Traceback" not in err


def test_a_setting_that_is_wrong_is_2_and_named(
    recs: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECS_K", "many")
    code, _, err = recs(tmp_path / "home", "status")
    assert code == USAGE
    assert "RECS_K" in _one_line(err)


def test_an_empty_lake_is_said(recs: CommandLine, tmp_path: Path) -> None:
    code, _, err = recs(tmp_path / "home", "run")
    assert code == COULD_NOT
    assert "recs land" in _one_line(err)


@pytest.mark.parametrize(
    "arguments", [("run", "--as-of", "1990-01-01"), ("backfill", "--from", "1990-01-01", "--to", "1990-01-02")]
)
def test_an_as_of_before_the_first_event_writes_nothing(
    recs: CommandLine, taken_in: Platform, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    platform = copy_home(taken_in, tmp_path / "home")
    code, _, err = recs(platform.home.root, *arguments)
    assert code == COULD_NOT
    assert "1990-01-01" in _one_line(err)
    assert as_of_tables(platform) == {}
    assert not platform.home.analytics.exists()


@pytest.mark.parametrize("command", [("run", "--as-of"), ("backfill", "--to", "1990-01-01", "--from")])
def test_files_that_stay_in_landing_are_told_of(
    recs: CommandLine, taken_in: Platform, tmp_path: Path, command: tuple[str, ...]
) -> None:
    platform = copy_home(taken_in, tmp_path / "home")
    folder = platform.home.landing / "contract"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(7):
        (folder / f"stock-{number}.csv").write_text("x\n")
    _, _, err = recs(platform.home.root, *command, "1990-01-01")
    told = [line for line in err.splitlines() if "left in landing" in line]
    assert told[0].startswith("left in landing: contract/stock-0.csv: source 'contract' reads")
    assert told[-1] == "2 more files are left in landing: `recs status` names them"
    assert len(told) == 6


def test_init_may_be_repeated_and_keeps_what_was_edited(recs: CommandLine, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert recs(home, "init")[0] == 0
    settings = home / "recs.toml"
    settings.write_text(settings.read_text().replace("# k = 10 ", "k = 12 "))
    assert recs(home, "init")[:2] == (0, f"already there: {home}\n")
    assert "k = 12" in settings.read_text()
    assert all((home / name).is_dir() for name in ("landing", "lake", "artifacts", "published", "locks", "dagster"))


def test_simulate_adds_files_that_status_counts_and_ingest_takes_in(recs: CommandLine, tmp_path: Path) -> None:
    home = tmp_path / "home"
    code, _, _ = recs(home, "simulate", "--users", "30", "--items", "50", "--days", "8", "--events", "1500")
    assert code == 0
    files = list((home / "landing" / "world").iterdir())
    assert json.loads(recs(home, "status", "--json")[1])["files_waiting_in_landing"] == len(files)
    code, out, _ = recs(home, "ingest")
    assert code == 0
    assert "events" in out
    status = json.loads(recs(home, "status", "--json")[1])
    assert status["files_waiting_in_landing"] == 0
    assert status["stuck_runs"] == []
    assert status["release"] is None
    assert (status["quality"], status["failed_checks"]) == (None, [])
    assert "nothing has been released" in status["not_measured"]
    assert status["sources"]["world"]["last_ingested_at"].count("T") == 1


def test_land_says_what_it_would_copy_then_copies_once(recs: CommandLine, tmp_path: Path) -> None:
    home, mine = tmp_path / "home", tmp_path / "mine"
    mine.mkdir()
    (mine / "events.csv").write_text("user_id,item_id,event_type,occurred_at\nu1,i1,click,2024-01-01T00:00:00Z\n")
    landed = home / "landing" / "contract" / "events.csv"
    assert recs(home, "land", "contract", str(mine), "--dry-run")[1].startswith("would copy 1 file")
    assert not landed.exists()
    assert recs(home, "land", "contract", str(mine))[1].startswith("copied 1 file")
    assert landed.read_bytes() == (mine / "events.csv").read_bytes()
    assert recs(home, "land", "contract", str(mine))[1].startswith("copied 0 files, 1 already there")


def test_a_list_as_json_has_exactly_the_promised_shape(recs: CommandLine, built: Built) -> None:
    user = ask(built.platform, "select min(user_id) as u from recommendations.current")["u"].item()
    code, out, _ = recs(built.platform.home.root, "recommend", user, "-k", "3", "--json")
    found = json.loads(out)
    assert code == 0
    assert out.count("\n") == 1
    assert list(found) == ["user_id", "as_of", "release_id", "expires_at", "items"]
    assert (found["user_id"], found["as_of"]) == (user, "2024-01-31")
    assert [item["rank"] for item in found["items"]] == [1, 2, 3]
    assert {tuple(item) for item in found["items"]} == {("rank", "item_id", "score", "reason", "sources")}


def test_a_list_for_people_has_titles_and_numbers_as_people_read_them(recs: CommandLine, built: Built) -> None:
    row = ask(built.platform, "from recommendations.current where rank = 1 order by user_id limit 1").row(0, named=True)
    item = f"item_id = '{row['item_id']}' and title is not null"
    title = ask(built.platform, f"select title from raw.items where {item} order by title limit 1")["title"].item()
    code, out, _ = recs(built.platform.home.root, "recommend", row["user_id"])
    assert code == 0
    assert out.splitlines()[0].startswith(
        f"{row['user_id']}: 10 items of release {row['release_id']}, as of 2024-01-31"
    )
    assert out.splitlines()[1].split() == ["rank", "title", "item_id", "score", "reason", "sources"]
    assert out.splitlines()[3].startswith(f"1     {title}")
    assert str(row["score"]) not in out
    assert not re.search(r"\d\.\d{6}", out)


def test_releases_are_compared_and_listed_for_people(recs: CommandLine, built: Built) -> None:
    home, release = built.platform.home.root, current_release(built.platform.home).version
    code, out, _ = recs(home, "releases", "diff", release, release)
    assert code == 0
    assert "changed_share  0.0 %" in out
    assert "no item is in more or fewer lists than before" in out
    code, out, _ = recs(home, "releases", "list")
    assert code == 0
    assert not re.search(r"\d\.\d{6}|\+00:00", out)


def test_an_unknown_user_is_1(recs: CommandLine, built: Built) -> None:
    for arguments in (("recommend", "nobody"), ("explain", "nobody", "nothing"), ("explain", "nobody")):
        code, out, err = recs(built.platform.home.root, *arguments)
        assert (code, out) == (COULD_NOT, "")
        assert "nobody" in _one_line(err)


def test_explain_tells_what_the_list_says(recs: CommandLine, built: Built) -> None:
    row = ask(built.platform, "from recommendations.current where rank = 1 order by user_id limit 1").row(0, named=True)
    code, out, err = recs(built.platform.home.root, "explain", row["user_id"], row["item_id"], "--json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["rank"], found["reason"], found["release_id"]) == (1, row["reason"], row["release_id"])


def test_explain_prints_the_same_for_people(recs: CommandLine, built: Built) -> None:
    row = ask(built.platform, "from recommendations.current where rank = 1 order by user_id limit 1").row(0, named=True)
    code, out, _ = recs(built.platform.home.root, "explain", row["user_id"], row["item_id"])
    assert code == 0
    assert f"reason: {row['reason']}" in out
    assert f" ({row['item_id']})" in out
    assert "contribution" in out
    assert not re.search(r"\d\.\d{6}", out)


def test_explain_without_an_item_shows_all_that_is_known_of_a_user(
    recs: CommandLine, built: Built, tmp_path: Path
) -> None:
    home = copy_home(built.platform, tmp_path / "home").home
    user = str(ask(built.platform, "select mode(user_id) from raw.events where event_type = 'click'").item())
    code, out, _ = recs(home.root, "explain", user, "--json")
    found = json.loads(out)
    assert code == 0
    mine = f"where user_id = '{user}' order by all"
    counts = ask(built.platform, f"select event_type, item_id from raw.events {mine}").rows()
    assert sorted((event["event_type"], event["item_id"]) for event in found["events"]) == counts
    listed = ask(built.platform, f"select rank, item_id, reason from recommendations.current {mine}").rows()
    assert [(item["rank"], item["item_id"], item["reason"]) for item in found["items"]] == listed
    segments = ask(built.platform, f"select segmentation, segment_id from segments.segment_members {mine}").rows()
    assert sorted((row["segmentation"], row["segment_id"]) for row in found["segments"]) == segments
    assert {row["rank"] for row in found["contributions"]} <= {rank for rank, *_ in listed}
    assert found["contributions"]
    assert {(row["rank"], row["item_id"]) for row in found["contributions"]} <= {
        (rank, item) for rank, item, _ in listed
    }
    code, out, _ = recs(home.root, "explain", user)
    told = [f"segment ({row['segmentation']}): {row['segment_name']}" for row in found["segments"]]
    assert [line for line in out.splitlines() if line.startswith("segment")] == told
    page = Path(out.splitlines()[-1])
    assert (code, page.parent, page.stat().st_mode & 0o777) == (0, home.user_pages, 0o600)
    assert user not in page.name
    assert all(text in page.read_text() for text in (user, listed[0][1], 'href="../index.html">All reports</a>'))


def test_explain_says_that_an_item_was_consumed(recs: CommandLine, built: Built) -> None:
    user, item = ask(
        built.platform, "select user_id, item_id from raw.events where event_type = 'click' order by all limit 1"
    ).row(0)
    code, out, _ = recs(built.platform.home.root, "explain", user, item, "--json")
    assert code == 0
    assert json.loads(out)["answer"].startswith("not recommended: the user's")


def test_sql_answers_in_three_forms(recs: CommandLine, built: Built) -> None:
    home, query = built.platform.home.root, "select 1 as a, [1, 2] as b, 'x,y' as t"
    assert recs(home, "sql", query)[1].split() == ["a", "b", "t", "-", "------", "---", "1", "[1,", "2]", "x,y"]
    rows = list(csv.reader(io.StringIO(recs(home, "sql", query, "--format", "csv")[1])))
    assert rows == [["a", "b", "t"], ["1", "[1, 2]", "x,y"]]
    assert json.loads(recs(home, "sql", query, "--format", "json")[1]) == {
        "columns": ["a", "b", "t"],
        "rows": [{"a": 1, "b": [1, 2], "t": "x,y"}],
    }


@pytest.mark.parametrize(
    "query", ["selec 1", "from no_such_table", "create table t as select 1", "drop table raw.items"]
)
def test_sql_that_is_wrong_or_would_write_is_2(recs: CommandLine, built: Built, query: str) -> None:
    code, _, err = recs(built.platform.home.root, "sql", query)
    assert code == USAGE
    assert _one_line(err)


def test_a_model_is_computed_as_of_any_date_and_not_stored(recs: CommandLine, built: Built) -> None:
    platform = built.platform
    before = as_of_tables(platform)
    code, out, _ = recs(
        platform.home.root, "sql", "--model", "features.user_features", "--as-of", "2024-01-15", "--format", "json"
    )
    assert code == 0
    assert {row["as_of"] for row in json.loads(out)["rows"]} == {"2024-01-15 00:00:00+00:00"}
    assert as_of_tables(platform) == before


def test_export_is_a_file_of_its_own(recs: CommandLine, built: Built, tmp_path: Path) -> None:
    import duckdb

    target = tmp_path / "mine.duckdb"
    code, out, _ = recs(built.platform.home.root, "export", str(target))
    assert (code, out) == (0, f"{target}\n")
    with duckdb.connect(str(target), read_only=True) as con:
        row = con.execute("select count(*) from recommendations.current").fetchone()
    assert row == (ask(built.platform, "from recommendations.current").height,)


def test_rolling_back_changes_what_is_current_and_latest_takes_it_back(
    recs: CommandLine, built: Built, tmp_path: Path
) -> None:
    platform = copy_home(built.platform, tmp_path / "home")
    home = platform.home
    newest, older = current_release(home).version, _seal_older(platform)

    def current() -> set[str]:
        return set(ask(platform, "select distinct release_id from recommendations.current")["release_id"])

    assert current_release(home).version == newest
    assert recs(home.root, "releases", "rollback", older)[:2] == (0, f"current release: {older}\n")
    assert current() == {older}
    listed = json.loads(recs(home.root, "releases", "list", "--json")[1])["releases"]
    assert [(each["release_id"], each["is_current"], each["is_pinned"]) for each in listed] == [
        (newest, False, False),
        (older, True, True),
    ]
    assert json.loads(recs(home.root, "releases", "diff", older, newest, "--json")[1])["users_added"] == 1
    assert json.loads(recs(home.root, "releases", "show", older)[1])["version"] == older
    assert recs(home.root, "releases", "rollback", "latest")[0] == 0
    assert current() == {newest}
    assert recs(home.root, "releases", "pin")[:2] == (0, f"current release: {newest}\n")
    assert pinned_release(home) == newest


def _seal_older(platform: Platform) -> str:
    """The same lists a day earlier, less one user."""
    home = platform.home
    release = current_release(home)
    as_of = release.as_of - timedelta(days=1)
    lists = read_release(home, release.version).with_columns(pl.lit(as_of).dt.cast_time_unit("us").alias("as_of"))
    return seal_release(
        home,
        ReleaseRows(
            lists.filter(pl.col("user_id") != lists["user_id"].min()),
            read_short_lists(home, release.version).clear(),
        ),
        ReleaseOrigin(as_of=as_of, known_at=release.known_at, data_version="other", seed=7, ranker_version="other"),
        content_hash="0" * 32,
        sealed_at=release.sealed_at,
    ).version


_COMMAND = "from recs_platform.cli import command; command()"


def _process(
    home: Path, code: str, *arguments: str, stdout: int | IO[str] = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "RECS_HOME": str(home)},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "code"), [(("land", "nope", "."), 2), (("recommend", "u1"), 1), (("status", "--json"), 0)]
)
def test_a_process_of_its_own_ends_with_the_same_code(new_home: Path, arguments: tuple[str, ...], code: int) -> None:
    done = _process(new_home, _COMMAND, *arguments)
    assert done.returncode == code, done.stderr
    if code:
        assert done.stdout == ""
        assert done.stderr.startswith("recs: ")
        assert done.stderr.count("\n") == 1
    else:
        assert json.loads(done.stdout)["release"] is None


def test_a_quick_end_comes_after_what_is_registered_for_the_end(new_home: Path) -> None:
    code = (
        "import atexit, threading, time, recs_platform.cli as cli\n"
        "def main():\n"
        "    atexit.register(print, 'registered')\n"
        "    threading.Thread(target=lambda: (time.sleep(0.2), print('a thread'))).start()\n"
        "    raise SystemExit(3)\n"
        "cli.main = main\n"
        "cli.command()"
    )
    done = _process(new_home, code)
    assert (done.returncode, done.stdout) == (3, "a thread\nregistered\n"), done.stderr


def test_what_cannot_be_written_is_no_success(new_home: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = _process(new_home, _COMMAND, "--version", stdout=full)
    assert done.returncode != 0
    assert "No space left on device" in done.stderr


def test_a_fault_of_our_own_is_a_traceback(new_home: Path) -> None:
    done = _process(new_home, "import recs_platform.cli as cli\ncli.main = lambda: 1 / 0\ncli.command()")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


def test_what_a_command_creates_is_its_owners_alone(recs: CommandLine, tmp_path: Path) -> None:
    home, before = tmp_path / "home", os.umask(0o022)
    try:
        assert recs(home, "init")[0] == 0
    finally:
        os.umask(before)
    made = [home, *home.rglob("*")]
    assert [str(path) for path in made if path.stat().st_mode & 0o077] == []


def test_files_cut_off_on_the_way_are_left_out_by_name_and_the_whole_ones_land(
    recs: CommandLine, tmp_path: Path
) -> None:
    home, mine = tmp_path / "home", tmp_path / "mine"
    mine.mkdir()
    rows = pl.DataFrame({"user_id": ["u1"], "item_id": ["i1"], "event_type": ["view"], "occurred_at": ["2024-01-01"]})
    rows.write_csv(mine / "events-0.csv")
    rows.write_parquet(mine / "events-1.parquet")
    (mine / "events-2.csv.gz").write_bytes(gzip.compress(rows.write_csv().encode())[:-9])
    whole = (mine / "events-1.parquet").read_bytes()
    (mine / "events-1.parquet").write_bytes(whole[: len(whole) // 2])
    code, out, err = recs(home, "land", "contract", str(mine))
    assert code == 0, err
    told = out + err
    for name in ("events-1.parquet", "events-2.csv.gz"):
        assert f"{name}: it is cut or damaged" in told
    assert [path.name for path in (home / "landing" / "contract").iterdir()] == ["events-0.csv"]
    (mine / "events-0.csv").unlink()
    code, out, err = recs(home, "land", "contract", str(mine))
    assert code == USAGE
    assert err.startswith("recs: ")
    assert "events-1.parquet: it is cut or damaged" in err


def test_keys_are_listed_as_one_object_without_what_is_secret(recs: CommandLine, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert recs(home, "init")[0] == 0
    code, token, _ = recs(home, "keys", "create", "shop", "--scope", "read")
    assert code == 0
    code, out, _ = recs(home, "keys", "list", "--json")
    key = json.loads(out)["keys"][0]
    assert (code, key["name"], key["scopes"], key["revoked_at"]) == (0, "shop", ["read"], None)
    assert set(key) == {"key_id", "name", "scopes", "created_at", "revoked_at"}
    assert token.strip().rpartition("_")[2] not in out
