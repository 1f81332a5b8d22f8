"""Lists as files for other systems hold what analysts read, and files nobody asks for any more go."""

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
from recs_platform.warehouse.list_exports import write_list_exports
from recs_platform_tests.homes import Built, ask, land_contract, platform_at, take_in

FIELDS = ("rank", "item_id", "score", "sources", "reason")


def write(built: Built, folder: Path, *formats: str, opted_out: Sequence[str] = ()) -> dict[str, int]:
    home, gone = built.platform.home, pl.DataFrame({"user_id": opted_out}, schema={"user_id": pl.String})
    return write_list_exports(
        home.analytics,
        folder,
        formats,
        gone,
        impersonal=("fallback",),
        threads=1,
        memory_limit_gb=1,
        temporary=home.temporary,
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
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lists.jsonl", "mine.jsonl"]
    assert write(built, tmp_path) == {}
    assert [path.name for path in tmp_path.iterdir()] == ["mine.jsonl"]


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

    def as_it_is(*_: Any, **__: Any) -> None:
        """The file of the built home stands for what was published."""

    monkeypatch.setattr(publishing, "write_file", as_it_is)
    with pytest.raises(UsageError):
        publishing.publish_releases(platform)
    text = (platform.home.exports / "lists.jsonl").read_text()
    assert text
    assert f'"user_id":"{user}"' not in text.replace(" ", "")
