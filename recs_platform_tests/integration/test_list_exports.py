"""Lists as files for other systems hold what analysts read, and files nobody asks for any more go."""

import errno
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.setting_groups import RoleSettings
from recs_platform.pipeline import publishing
from recs_platform.warehouse.database_options import DatabaseOptions
from recs_platform.warehouse.list_exports import write_list_exports
from recs_platform.warehouse.publish import PublishReport
from recs_platform_tests.homes import Built, ask, land_contract, platform_at, take_in

FIELDS = ("rank", "item_id", "score", "sources", "reason")


def write(
    built: Built, folder: Path, *formats: str, opted_out: Sequence[str] = (), keep_older: bool = True
) -> dict[str, int]:
    home, gone = built.platform.home, pl.DataFrame({"user_id": opted_out}, schema={"user_id": pl.String})
    return write_list_exports(
        home.analytics,
        folder,
        formats,
        gone,
        DatabaseOptions(1, 1, home.temporary),
        impersonal=("fallback",),
        keep_older=keep_older,
    )


def test_each_user_is_a_line_with_the_list_in_force(built: Built, tmp_path: Path) -> None:
    current = ask(built.platform, "from recommendations.current order by user_id, rank")
    expected = {
        user: [tuple(row[name] for name in FIELDS) for row in rows.to_dicts()]
        for (user,), rows in current.group_by("user_id")
    }
    assert write(built, tmp_path, "parquet", "jsonl") == {"parquet": len(expected), "jsonl": len(expected)}
    lines = [json.loads(line) for line in (tmp_path / "lists.jsonl").read_text().splitlines()]
    table = pl.read_parquet(tmp_path / "lists.parquet").to_dicts()
    for found in (lines, table):
        assert [row["user_id"] for row in found] == sorted(expected)
        assert {row["user_id"]: [tuple(item[name] for name in FIELDS) for item in row["items"]] for row in found} == (
            expected
        )
        assert {(row["surface"], row["release_id"]) for row in found} == {("default", current["release_id"][0])}


def test_what_is_not_asked_for_any_more_goes_and_so_does_what_a_dead_process_left(built: Built, tmp_path: Path) -> None:
    write(built, tmp_path, "parquet", "jsonl")
    (tmp_path / "lists.jsonl.tmp-999999999-0").touch()
    (tmp_path / "mine.jsonl").touch()
    write(built, tmp_path, "jsonl")
    assert sorted(path.name for path in tmp_path.glob("*.jsonl")) == ["lists.jsonl", "mine.jsonl"]
    assert [path.suffix for path in kept(tmp_path)] == [".jsonl"]
    assert write(built, tmp_path) == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == [".kept", "mine.jsonl"]
    assert kept(tmp_path) == []


def kept(folder: Path) -> list[Path]:
    return sorted((folder / ".kept").iterdir())


def test_an_export_of_the_same_rows_is_put_back(built: Built, tmp_path: Path) -> None:
    file = tmp_path / "lists.parquet"
    lines, inode = write(built, tmp_path, "parquet"), file.stat().st_ino
    file.unlink()
    assert write(built, tmp_path, "parquet") == lines
    assert (file.stat().st_ino, len(kept(tmp_path))) == (inode, 1)
    assert write(built, tmp_path, "parquet") == lines  # while it is in place
    assert sorted(path.name for path in tmp_path.iterdir()) == [".kept", "lists.parquet"]


def test_an_export_that_somebody_wrote_to_is_not_put_back(built: Built, tmp_path: Path) -> None:
    write(built, tmp_path, "jsonl")
    file = tmp_path / "lists.jsonl"
    content = file.read_bytes()
    with file.open("ab") as opened:
        opened.write(b"mine")
    write(built, tmp_path, "jsonl")
    assert file.read_bytes() == content


def test_where_the_file_system_has_no_links_none_is_kept_and_exports_are_written(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    lines = write(built, tmp_path, "jsonl")
    content = (tmp_path / "lists.jsonl").read_bytes()
    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "lists.jsonl").unlink()
    assert write(built, tmp_path, "jsonl") == lines
    assert (tmp_path / "lists.jsonl").read_bytes() == content
    other = tmp_path / "other"
    assert write(built, other, "jsonl") == lines
    assert sorted(path.name for path in other.rglob("*")) == [".kept", "lists.jsonl"]


def test_none_is_kept_that_leaves_out_others_or_may_hold_what_was_deleted(built: Built, tmp_path: Path) -> None:
    user = ask(built.platform, "select min(user_id) as user_id from recommendations.current")["user_id"][0]
    write(built, tmp_path, "parquet")
    before = kept(tmp_path)
    write(built, tmp_path, "parquet", opted_out=[user])
    assert len(kept(tmp_path)) == 1
    assert kept(tmp_path) != before
    inode = (tmp_path / "lists.parquet").stat().st_ino
    write(built, tmp_path, "parquet", opted_out=[user], keep_older=False)
    assert (tmp_path / "lists.parquet").stat().st_ino != inode
    assert len(kept(tmp_path)) == 1


def test_who_opted_out_since_the_release_has_no_line_and_who_had_before_keeps_theirs(
    built: Built, tmp_path: Path
) -> None:
    users = ask(
        built.platform,
        "select user_id, bool_and(sources = ['fallback']) as is_fallback from recommendations.current "
        "group by 1 order by 1",
    )
    since, before = (users.filter(is_fallback=value)["user_id"][0] for value in (False, True))
    assert write(built, tmp_path, "parquet", opted_out=[since, before]) == {"parquet": users.height - 1}
    kept = pl.read_parquet(tmp_path / "lists.parquet")["user_id"].to_list()
    assert (since in kept, before in kept) == (False, True)


def test_a_broken_role_leaves_no_lists_of_before(built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The publish fails by the role, yet exports follow it; a person whom the lake says opted out has no line."""
    platform = platform_at(
        tmp_path / "home",
        roles={"analyst": RoleSettings(hide=("raw.userz",))},
        publish={"exports": ["jsonl"]},
    )
    user = ask(built.platform, "select min(user_id) as user_id from recommendations.current")["user_id"][0]
    land_contract(platform, "consents.jsonl", [
        {"user_id": user, "purpose": "personalization", "granted": False, "occurred_at": "2024-01-01T00:00:00Z"}
    ])  # fmt: skip
    take_in(platform)
    platform.home.published.mkdir(parents=True, exist_ok=True)
    os.link(built.platform.home.analytics, platform.home.analytics)
    platform.home.exports.mkdir(parents=True, exist_ok=True)
    (platform.home.exports / "lists.jsonl").write_text(f'{{"user_id": "{user}"}}\n')

    def as_it_is(_: Any, target: Path, **__: Any) -> PublishReport:
        """The file of the built home stands for what was published."""
        return PublishReport(target, "", {}, (), 0)

    monkeypatch.setattr(publishing, "write_file", as_it_is)
    with pytest.raises(UsageError):
        publishing.publish_releases(platform)
    text = (platform.home.exports / "lists.jsonl").read_text()
    assert text
    assert f'"user_id":"{user}"' not in text.replace(" ", "")
