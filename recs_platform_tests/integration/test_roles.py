"""Files of roles: what is hidden is nowhere in them, ids are pseudonyms that still join, the rest is as published."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.setting_groups import RoleSettings
from recs_platform.defs.pruning import prune
from recs_platform.defs.withdrawal import remove_as_of, withdraw
from recs_platform.pipeline.forgetting.forget import forget
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.publishing import published_names
from recs_platform.pipeline.roles import write_role_files
from recs_platform.pipeline.rollback import roll_back
from recs_platform_tests.homes import Built, ask, platform_at


def with_role(built: Built, folder: Path, *hide: str) -> Platform:
    """The published file of the built home in one of its own, with a role."""
    platform = platform_at(folder, roles={"analyst": RoleSettings(hide=hide)})
    platform.home.published.mkdir(parents=True)
    os.link(built.platform.home.analytics, platform.home.analytics)
    return platform


@pytest.fixture(scope="module")
def analyst(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    platform = with_role(
        built, tmp_path_factory.mktemp("role") / "home", "raw.users", "user_id", "anonymous_id", "price"
    )
    write_role_files(platform)
    with duckdb.connect(str(platform.home.role_files / "analyst.duckdb"), read_only=True) as con:
        yield con


def test_no_text_of_any_table_names_a_user(analyst: duckdb.DuckDBPyConnection, built: Built) -> None:
    users = [str(user) for user in ask(built.platform, "select distinct user_id from raw.events")["user_id"]]
    assert len(users) > 10
    analyst.execute("create temp table users as select unnest($1) as name", [users])
    texts = analyst.execute(
        "select schema_name || '.' || table_name, column_name from duckdb_columns() "
        "where database_name = 'analyst' and data_type like 'VARCHAR%'"
    ).fetchall()
    naming = [
        (table, column)
        for table, column in texts
        if analyst.execute(
            f'select 1 from {table} as t join users on contains(cast(t."{column}" as varchar), users.name) limit 1'
        ).fetchall()
    ]
    assert naming == []


def test_what_is_hidden_is_not_there(analyst: duckdb.DuckDBPyConnection) -> None:
    tables = {f"{schema}.{name}" for schema, name in analyst.execute(
        "select table_schema, table_name from information_schema.tables").fetchall()}  # fmt: skip
    assert "raw.users" not in tables
    assert {"raw.events", "recommendations.current", "latest.user_features"} <= tables
    assert not analyst.execute("select 1 from information_schema.columns where column_name = 'price'").fetchall()


def test_pseudonyms_join_as_the_ids_did(analyst: duckdb.DuckDBPyConnection, built: Built) -> None:
    question = (
        "select l.rank, count(*), count(distinct l.user_id) from recommendations.current as l "
        "join raw.events as e using (user_id) group by l.rank order by l.rank"
    )
    assert analyst.execute(question).fetchall() == ask(built.platform, question).rows()


def test_a_role_that_hides_what_is_not_there_is_refused(built: Built, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"recs\.toml: roles\.analyst\.hide names 'raw\.userz'.*raw\.users"):
        write_role_files(with_role(built, tmp_path / "home", "raw.userz"))


def test_what_ends_with_a_publish_is_refused_before_it_begins_while_a_role_cannot_be_written(tmp_path: Path) -> None:
    """None of them is half done: they would fail in their last step."""
    platform = platform_at(tmp_path / "home", roles={"analyst": RoleSettings(hide=("raw.userz",))})
    instance, now = dg.DagsterInstance.ephemeral(), datetime.now(UTC)
    for begin in (
        lambda: roll_back(platform, "latest"),
        lambda: withdraw(platform, "nothing", print),
        lambda: remove_as_of(platform, instance, "2024-01-31", print),
        lambda: prune(platform, instance, now, dry_run=False, say=print),
        lambda: forget(platform, "u1", now=now, say=print),
    ):
        with pytest.raises(UsageError, match=r"recs\.toml: roles\.analyst\.hide names 'raw\.userz'"):
            begin()


def test_the_file_of_a_role_that_is_gone_goes(built: Built, tmp_path: Path) -> None:
    platform = with_role(built, tmp_path / "home", "raw.users")
    platform.home.role_files.mkdir()
    left = platform.home.role_files / "left.duckdb"
    left.write_bytes(b"x")
    write_role_files(platform)
    assert not left.exists()
    assert (platform.home.role_files / "analyst.duckdb").exists()


def test_names_that_a_role_may_hide_are_those_of_the_file(built: Built) -> None:
    with duckdb.connect(str(built.platform.home.analytics), read_only=True) as con:
        columns = con.execute(
            "select schema_name || '.' || table_name, column_name from duckdb_columns() where not internal"
        ).fetchall()
    assert published_names(built.platform) == {name for pair in columns for name in pair}
