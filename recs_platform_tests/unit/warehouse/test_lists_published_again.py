"""Of a release of which other rows are shown than before, only those lists are written, and all come out right."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import polars as pl
import pytest

from recs_platform.lake.tables import Lake
from recs_platform.warehouse import published_writer
from recs_platform.warehouse.connection import connect
from recs_platform.warehouse.database_options import DatabaseOptions
from recs_platform.warehouse.hashing import content_hash
from recs_platform.warehouse.publish import publish
from recs_platform.warehouse.published_tables import Instead, PublishedColumn, PublishedTable, Refused

NAME, K, USERS = "recommendations.personal_lists", 3, 40
COLUMNS = tuple(
    PublishedColumn(name, dtype, name)
    for name, dtype in (
        ("release_id", "VARCHAR"),
        ("user_id", "VARCHAR"),
        ("rank", "INTEGER"),
        ("item_id", "VARCHAR"),
        ("sources", "VARCHAR[]"),
    )
)


def _lists(users: list[str], items: str, source: str = "als") -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"user_id": user, "rank": place + 1, "item_id": f"{items}{place}", "sources": [source]}
            for user in users
            for place in range(K)
        ],
        schema={"user_id": pl.String, "rank": pl.Int32, "item_id": pl.String, "sources": pl.List(pl.String)},
    )


class Releases:
    """Two releases in their artifacts, and replacements of some lists of either."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.artifacts = folder, folder / "artifacts"
        self.users = [f"u{number:02}" for number in range(USERS)]
        self.files = {name: [self._write("releases", name, "lists", _lists(self.users, name))] for name in ("r1", "r2")}
        self.rewritten: list[str] = []

    def _write(self, kind: str, version: str, stem: str, rows: pl.DataFrame) -> Path:
        file = self.artifacts / kind / version / f"{stem}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        rows.write_parquet(file)
        return file

    def instead(self, version: str, users: list[str], without: list[str]) -> Instead:
        """Other lists for `users`, and none at all for those `without`."""
        of = self._write("served", version, "users", pl.DataFrame({"user_id": [*users, *without]}))
        return Instead(of, ("user_id",), self._write("served", version, "rows", _lists(users, version)))

    def publish(self, target: str, instead: Mapping[str, Instead], refused: list[str]) -> list[str]:
        """Hash of the table's rows in the file after publishing into it, and their count."""
        table = PublishedTable(
            NAME,
            "lists",
            COLUMNS,
            releases=self.files,
            instead=instead,
            refused=Refused(pl.DataFrame({"user_id": refused}, schema={"user_id": pl.String}), ("popularity",)),
        )
        file = self.folder / target / "analytics.duckdb"
        file.parent.mkdir(exist_ok=True)
        publish(
            Lake(self.folder / "lake"),
            file,
            tables=(table,),
            options=DatabaseOptions(1, 1, self.folder / "spill"),
            rows_max=1000,
            as_ofs_max=3,
            publish_id="p",
        )
        con = connect(memory_limit_gb=1, threads=1)
        con.execute(f"attach '{file}' as a (read_only)")
        try:
            return [content_hash(con, f"a.{NAME}"), str(con.execute(f"select count(*) from a.{NAME}").fetchall())]
        finally:
            con.close()


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Releases:
    made = Releases(tmp_path)
    delete = published_writer.delete

    def noted(con: duckdb.DuckDBPyConnection, table: PublishedTable, keys: Sequence[str | None]) -> None:
        made.rewritten.extend(map(str, keys))
        delete(con, table, keys)

    monkeypatch.setattr(published_writer, "delete", noted)
    return made


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_shown_instead_a_file_gone_on_with_holds_what_a_new_one_holds(releases: Releases, seed: int):
    draw, refused = random.Random(seed), list[str]()  # noqa: S311  no secret
    for step in range(5):
        some = draw.sample(releases.users, 8)
        instead = {
            name: releases.instead(f"{name}-{step}", some[:5], some[5:]) for name in ("r1", "r2") if draw.random() < 0.7
        }
        refused = sorted({*refused, *draw.sample(releases.users, draw.choice([0, 0, 2]))})
        gone_on = releases.publish("goes_on", instead, refused)
        assert gone_on == releases.publish(f"new-{step}", instead, refused)
    assert releases.rewritten == []


def test_a_release_is_written_whole_where_what_was_shown_instead_is_gone(releases: Releases):
    before = releases.instead("before", ["u01"], ["u02"])
    releases.publish("goes_on", {"r1": before}, [])
    before.of.unlink()
    assert releases.publish("goes_on", {}, []) == releases.publish("new", {}, [])
    assert releases.rewritten == ["r1"]
