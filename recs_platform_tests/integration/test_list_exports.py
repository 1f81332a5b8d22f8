"""Lists as files for other systems hold what analysts read, and files nobody asks for any more go."""

import json
from pathlib import Path

import polars as pl

from recs_platform.warehouse.list_exports import write_list_exports
from recs_platform_tests.homes import Built, ask

FIELDS = ("rank", "item_id", "score", "sources", "reason")


def write(built: Built, folder: Path, *formats: str) -> dict[str, int]:
    home = built.platform.home
    return write_list_exports(
        home.analytics, folder, formats, threads=1, memory_limit_gb=1, temporary=home.temporary
    )  # fmt: skip


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
