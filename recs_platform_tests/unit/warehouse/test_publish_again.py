"""A publish that builds upon the one before holds what one from nothing holds, whatever changed meanwhile."""

import os
import random
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from recs_platform.contracts.tables import EVENTS, RELEASES
from recs_platform.lake.tables import Lake
from recs_platform.warehouse import published_statements
from recs_platform.warehouse.connection import connect
from recs_platform.warehouse.database_options import DatabaseOptions
from recs_platform.warehouse.hashing import content_hash
from recs_platform.warehouse.models import Models, load_models
from recs_platform.warehouse.publish import PublishReport, publish
from recs_platform.warehouse.published_sources import SUFFIX
from recs_platform.warehouse.published_tables import PublishedTable, published_contract, published_model
from recs_platform.warehouse.runner import ModelRun

Events = Callable[..., pl.DataFrame]
Instant = Callable[..., datetime]


class Published:
    """A lake with events and activity by as-of, published into a file that goes on, and into new ones."""

    def __init__(self, lake: Lake, models: Models, folder: Path) -> None:
        self.lake, self.models, self.folder = lake, models, folder
        self.target = folder / "published" / "analytics.duckdb"
        self.tables = self.tables_of("r1")

    def tables_of(self, release: str) -> tuple[PublishedTable, ...]:
        row = {name: [None] for name in RELEASES.column_names} | {"release_id": [release], "n_rows": [3]}
        return (
            published_contract(EVENTS),
            published_model(self.models.get("features.activity"), is_as_of=True),
            published_contract(RELEASES, pl.DataFrame(row)),
        )

    def publish(self, target: Path | None = None, **options: bool) -> PublishReport:
        return publish(
            self.lake,
            target or self.target,
            tables=self.tables,
            options=DatabaseOptions(1, 1, self.folder / "spill"),
            rows_max=1000,
            as_ofs_max=3,
            publish_id="p",
            **options,
        )

    def hashes(self, target: Path) -> Mapping[str, tuple[str, object]]:
        """Content and comments of every relation of a file."""
        con = connect(memory_limit_gb=1, threads=1)
        con.execute(f"attach '{target}' as a (read_only)")
        named = con.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'a'"
        ).fetchall()
        comments = con.execute(
            "select schema_name, table_name, column_name, data_type, comment from duckdb_columns() "
            "where database_name = 'a' order by all"
        ).fetchall()
        schemas = con.execute(
            "select schema_name from duckdb_schemas() where database_name = 'a' order by 1"
        ).fetchall()
        found: dict[str, tuple[str, object]] = {name: (content_hash(con, f"a.{name}"), None) for (name,) in named}
        con.close()
        return found | {"comments": ("", comments), "schemas": ("", schemas)}

    def is_as_from_nothing(self) -> bool:
        """Whether the file that goes on holds what a new one holds."""
        fresh = self.folder / "fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        assert self.publish(fresh / "analytics.duckdb").untouched == ()
        return self.hashes(self.target) == self.hashes(fresh / "analytics.duckdb")

    def build(self, con: duckdb.DuckDBPyConnection, day: int) -> None:
        at = datetime(2020, 1, day, tzinfo=UTC)
        ModelRun(con, self.lake, self.models, (), as_of=at, known_at=datetime(2020, 1, 31, tzinfo=UTC)).materialize(
            "features.activity"
        )


@pytest.fixture
def published(lake: Lake, folder: Path, activity: None, tmp_path: Path) -> Published:
    return Published(lake, load_models(folder, (EVENTS,)), tmp_path / "home of mine")


@pytest.mark.parametrize("seed", range(2))
def test_whatever_changed_it_holds_what_one_from_nothing_holds(
    published: Published, con: duckdb.DuckDBPyConnection, events: Events, instant: Instant, seed: int
) -> None:
    rng, lake = random.Random(seed), published.lake  # noqa: S311  no secret
    lake.append(EVENTS.name, events(("a", "u1", 1), ("b", "u2", 2)))
    changes: list[Callable[[int], object]] = [
        lambda step: lake.append(EVENTS.name, events((f"e{step}", f"u{step % 3}", 1 + step % 9))),
        lambda step: published.build(con, 3 + step % 6),
        lambda _: lake.delete_as_of("features.activity", instant(rng.randint(3, 8))),
        lambda _: lake.delete(EVENTS.name, f"user_id = 'u{rng.randint(0, 2)}'"),
        lambda step: setattr(published, "tables", published.tables_of(f"r{step}")),
        lambda _: lake.overwrite(EVENTS.name, events(("z", "u9", 4))),
    ]
    for step in range(6):
        for change in rng.sample(changes, 2):
            change(step)
        published.publish()
        assert published.is_as_from_nothing()


def test_what_has_not_changed_is_not_read(
    published: Published, con: duckdb.DuckDBPyConnection, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.lake.append(EVENTS.name, events(("a", "u1", 1)))
    for day in (3, 4):
        published.build(con, day)
    assert published.publish().untouched == ()
    read: list[str] = []
    selection = published_statements._selection
    monkeypatch.setattr(
        published_statements,
        "_selection",
        lambda con, table, source: read.append(str(source)) or selection(con, table, source),
    )
    assert published.publish().untouched == ("raw.events", "features.activity")
    assert ["rows.parquet" in source for source in read] == [True]  # the given rows alone
    published.build(con, 5)
    assert published.publish().untouched == ("raw.events",)
    assert [source.count("as_of=") for source in read[1:]] == [1, 0]  # the new instant alone, then the given rows
    # After rows were deleted nothing is built upon.
    assert published.publish(keep_older=False).untouched == ()


def test_a_table_that_is_gone_goes_and_one_whose_columns_changed_is_written_anew(
    published: Published, con: duckdb.DuckDBPyConnection, events: Events
) -> None:
    published.lake.append(EVENTS.name, events(("a", "u1", 1)))
    published.build(con, 3)
    published.publish()
    published.tables = published.tables[:1]
    assert published.publish().untouched == ("raw.events",)
    assert published.is_as_from_nothing()
    (table,) = published.tables
    published.tables = (PublishedTable(table.name, "Other words", table.columns[:3], table.partition_by),)
    assert published.publish().untouched == ()
    assert published.is_as_from_nothing()


@pytest.mark.parametrize("harm", ["written to", "no sources", "half of the sources", "no database"])
def test_a_file_that_cannot_be_trusted_is_not_built_upon(published: Published, events: Events, harm: str) -> None:
    published.lake.append(EVENTS.name, events(("a", "u1", 1), ("b", "u1", 2)))
    published.publish()
    sources = published.target.with_name(published.target.name + SUFFIX)
    if harm == "written to":
        published.target.chmod(0o644)
        with duckdb.connect(str(published.target)) as con:
            con.execute("update raw.events set user_id = 'somebody else'")
    elif harm == "no sources":
        sources.unlink()
    elif harm == "half of the sources":
        sources.write_text(sources.read_text()[:40])
    else:
        # As a disk error would leave it: of the same length and time.
        times, size = published.target.stat(), published.target.stat().st_size
        published.target.chmod(0o644)
        published.target.write_bytes(b"\0" * size)
        os.utime(published.target, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert published.publish().untouched == ()
    assert published.is_as_from_nothing()


def test_a_kill_between_file_and_sources_costs_one_whole_publish(
    published: Published, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.lake.append(EVENTS.name, events(("a", "u1", 1)))
    published.publish()
    published.lake.append(EVENTS.name, events(("b", "u1", 2)))
    with monkeypatch.context() as patch:
        patch.setattr("recs_platform.warehouse.publish.write_sources", _killed)
        with pytest.raises(KeyboardInterrupt):
            published.publish()
    assert published.publish().untouched == ()
    assert published.is_as_from_nothing()
    assert published.publish().untouched == ("raw.events", "features.activity")


def _killed(*_: object) -> None:
    raise KeyboardInterrupt
