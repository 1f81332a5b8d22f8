"""Lists of every kept release in a published file, held against the releases themselves and against plain Python."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.home import Home
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.published_releases import release_tables
from recs_platform.settings import Settings
from recs_platform.stages import releases
from recs_platform.stages.releases.references import SharedRows
from recs_platform.warehouse.database_options import DatabaseOptions
from recs_platform.warehouse.publish import PublishReport, publish

SHORT = {"as_of": pl.Datetime("us", "UTC"), "user_id": pl.String, "list_length": pl.Int64, "eligible_count": pl.Int64,
         "reason": pl.String}  # fmt: skip


def at(day: int) -> datetime:
    return datetime(2020, 1, day, tzinfo=UTC)


def rows(day: int, key: str, content: Mapping[str, str]) -> pl.DataFrame:
    """One list a user or shared list, one item a letter."""
    return pl.DataFrame(
        [
            {
                "as_of": at(day), key: who, "rank": rank, "item_id": item, "score": -float(rank), "sources": ["als"],
                "reason": "because", "segment_id": None, "propensity": 1.0, "ranker_version": "v1",
                "propensity_method": "exact", "is_holdout": False,
            }
            for who, items in content.items()
            for rank, item in enumerate(items, 1)
        ],
        schema_overrides={"as_of": pl.Datetime("us", "UTC"), "rank": pl.Int32, "segment_id": pl.String},
    )  # fmt: skip


def seal(home: Home, day: int, content: Mapping[str, str], shared: SharedRows | None = None) -> str:
    digest = "".join(content.values()).ljust(12, "0") + "x" * 4
    return releases.seal_release(
        home,
        releases.ReleaseRows(rows(day, "user_id", content), pl.DataFrame(schema=SHORT), shared),
        releases.ReleaseOrigin(as_of=at(day), known_at=at(day), data_version="1", seed=1, ranker_version="v1"),
        content_hash=digest,
        sealed_at=at(day),
    ).version


def shared_list(day: int) -> SharedRows:
    """A list `everywhere` of four items: u8 is shown two of it without the first, u9 the first three."""
    references = pl.DataFrame(
        {
            "as_of": [at(day)] * 2, "user_id": ["u8", "u9"], "list_id": ["everywhere"] * 2, "list_length": [2, 3],
            "hidden_items": [["w"], []], "segment_id": [None, None],
        },
        schema_overrides={"hidden_items": pl.List(pl.String), "segment_id": pl.String},
    )  # fmt: skip
    return SharedRows(rows(day, "list_id", {"everywhere": "wxyz"}).drop("segment_id"), references)


class Published:
    """Releases of three days in the analysts' file."""

    def __init__(self, folder: Path) -> None:
        self.platform = Platform(Settings(home=folder, threads=1, memory_limit_gb=1), folder)
        self.home = self.platform.home
        self.ids = [
            seal(self.home, 2, {"u1": "abc", "u2": "def"}),
            seal(self.home, 3, {"u1": "acb", "u2": "deg", "u3": "abc"}, shared_list(3)),
            seal(self.home, 4, {"u1": "acb", "u3": "bad"}, shared_list(4)),
        ]

    def publish(self, **options: bool) -> PublishReport:
        return publish(
            self.platform.lake,
            self.home.analytics,
            tables=release_tables(self.platform),
            options=DatabaseOptions(1, 1, self.home.temporary),
            rows_max=10,
            as_ofs_max=3,
            publish_id="p",
            **options,
        )

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with duckdb.connect(str(self.home.analytics), read_only=True) as con:
            return con.execute(query).fetchall()

    def lists(self, table: str) -> dict[tuple[object, object], str]:
        found = self.ask(f"select release_id, user_id, rank, item_id from {table} order by all")
        texts: dict[tuple[object, object], str] = {}
        for release, user, rank, item in found:
            assert rank == len(texts.get((release, user), "")) + 1
            texts[release, user] = texts.get((release, user), "") + str(item)
        return texts


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return Published(tmp_path)


def test_lists_of_every_release_are_those_that_users_were_shown(published: Published) -> None:
    published.publish()
    first, second, third = published.ids
    shown = {(second, "u8"): "xy", (second, "u9"): "wxy", (third, "u8"): "xy", (third, "u9"): "wxy"}
    assert published.lists("recommendations.lists") == shown | {
        (first, "u1"): "abc", (first, "u2"): "def",
        (second, "u1"): "acb", (second, "u2"): "deg", (second, "u3"): "abc",
        (third, "u1"): "acb", (third, "u3"): "bad",
    }  # fmt: skip
    for release_id in published.ids:
        whole = releases.read_release(published.home, release_id)
        columns = ", ".join(whole.columns)
        found = published.ask(
            f"select {columns} from recommendations.lists where release_id = '{release_id}' order by user_id, rank"
        )
        assert [row[:1] + row[1:8] + row[9:] for row in found] == [row[:1] + row[1:8] + row[9:] for row in whole.rows()]
    assert {key for key, _ in published.lists("recommendations.current")} == {third}


def test_what_entered_left_and_moved(published: Published) -> None:
    published.publish()
    _, second, third = published.ids
    changed = "select release_id, user_id, item_id, change, rank_before, rank from marts.list_changes order by all"
    assert published.ask(changed) == sorted(
        [
            (second, "u1", "b", "moved", 2, 3), (second, "u1", "c", "moved", 3, 2),
            (second, "u2", "f", "left", 3, None), (second, "u2", "g", "entered", None, 3),
            (third, "u3", "a", "moved", 1, 2), (third, "u3", "b", "moved", 2, 1),
            (third, "u3", "c", "left", 3, None), (third, "u3", "d", "entered", None, 3),
        ],
        key=str,
    )  # fmt: skip


def test_a_rollback_writes_the_releases_and_no_list(published: Published) -> None:
    published.publish()
    first = published.ids[0]
    releases.pin_release(published.home, first)
    report = published.publish(others_stay=True)
    assert {"recommendations.personal_lists", "recommendations.shared_lists"} <= set(report.untouched)
    assert published.lists("recommendations.current") == {(first, "u1"): "abc", (first, "u2"): "def"}
    releases.unpin(published.home)
    published.publish(others_stay=True)
    assert {release for release, _ in published.lists("recommendations.current")} == {published.ids[2]}


def test_a_withdrawn_release_is_listed_no_more(published: Published) -> None:
    published.publish()
    releases.withdraw_release(published.home, published.ids[2])
    published.publish()
    assert {release for release, _ in published.lists("recommendations.lists")} == set(published.ids[:2])
    assert {release for release, _ in published.lists("recommendations.current")} == {published.ids[1]}


def test_tables_are_left_alone_only_where_there_is_a_file_to_build_upon(published: Published) -> None:
    with pytest.raises(NotReady, match="publish all of it"):
        published.publish(others_stay=True)


def test_without_a_release_there_are_empty_tables(published: Published) -> None:
    for release_id in published.ids:
        releases.withdraw_release(published.home, release_id)
    published.publish()
    for name in ("lists", "current", "personal_lists", "releases", "short_lists"):
        assert published.ask(f"select count(*) from recommendations.{name}") == [(0,)]
