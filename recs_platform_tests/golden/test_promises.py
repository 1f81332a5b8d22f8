"""Promises others rely on, as small text files beside this one: the asset graph, published columns, commands.

A change that is meant is renewed with `RECS_RENEW_GOLDEN=1 .venv/bin/python -m pytest recs_platform_tests/golden`, and
the difference is read before it is committed.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import dagster as dg
import pytest
import typer
from deltalake import DeltaTable

from recs_platform.cli import app
from recs_platform.contracts.tables import AS_OF_TABLES, CURRENT, RAW_TABLES, RELEASES
from recs_platform.defs.assembly import build_definitions
from recs_platform.lake.column_types import arrow_schema
from recs_platform.lake.tables import Lake
from recs_platform_tests.homes import Built, ask, platform_at

HERE = Path(__file__).parent
Matches = Callable[[str, str], None]


@pytest.fixture
def matches() -> Matches:
    def compare(name: str, text: str) -> None:
        path = HERE / name
        if os.environ.get("RECS_RENEW_GOLDEN"):
            path.write_text(text)
        assert text == path.read_text(), f"{name} differs; if that is meant, renew it (see the head of this module)"

    return compare


def test_the_asset_graph(matches: Matches, tmp_path: Path) -> None:
    specs = build_definitions(platform_at(tmp_path / "home")).resolve_all_asset_specs()
    matches("asset_graph.txt", "".join(sorted(_asset_lines(spec) for spec in specs)))


def _asset_lines(spec: dg.AssetSpec) -> str:
    upstream = sorted(dep.asset_key.to_user_string() for dep in spec.deps)
    return f"{spec.group_name}: {spec.key.to_user_string()}\n" + "".join(f"    <- {key}\n" for key in upstream)


def test_the_columns_of_the_published_file(built: Built, matches: Matches) -> None:
    columns = ask(
        built.platform,
        "select table_schema || '.' || table_name as name, column_name, data_type from information_schema.columns "
        "order by name, ordinal_position",
    )
    lines = [
        f"{name[0]}\n" + "".join(f"    {column} {dtype}\n" for _, column, dtype in rows.iter_rows())
        for name, rows in columns.group_by("name", maintain_order=True)
    ]
    matches("published_columns.txt", "".join(lines))


def test_every_table_of_the_lake_is_open_to_readers_of_delta_version_1(built: Built, tmp_path: Path) -> None:
    empty = Lake(tmp_path / "lake")
    for contract in (*RAW_TABLES, *AS_OF_TABLES, CURRENT, RELEASES):
        partitions = list(contract.partition_by)
        empty.append(contract.name, arrow_schema(contract.columns).empty_table(), partition_by=partitions)
    for lake in (empty, built.platform.lake):
        protocols = {name: DeltaTable(lake.path(name)).protocol() for name in lake.names()}
        assert {(each.min_reader_version, each.min_writer_version) for each in protocols.values()} == {(1, 2)}, (
            protocols
        )


def test_the_commands_and_their_options(matches: Matches) -> None:
    matches("commands.txt", "".join(f"{line}\n" for line in _commands(typer.main.get_command(app), "recs")))


def _commands(command: click.Command, path: str) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _commands(command.commands[name], f"{path} {name}")
        return
    arguments = [param.name.upper() for param in command.params if isinstance(param, click.Argument) and param.name]
    options = sorted("/".join(param.opts) for param in command.params if isinstance(param, click.Option))
    yield " ".join([path, *arguments, *(f"[{option}]" for option in options)])
