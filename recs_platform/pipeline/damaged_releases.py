"""Kept releases with a damaged file, at which the writing of the analysts' file failed: it does without them.

Which tables hold releases is in `published_releases`.
"""
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.tables import RELEASES
from recs_platform.lake.whole_files import read_whole
from recs_platform.warehouse.published_tables import PublishedTable


def leave_out_damaged(tables: Sequence[PublishedTable]) -> tuple[list[PublishedTable], list[str]]:
    """The tables without releases that have a damaged file, and a sentence on each; as they are where none has.

    Raises ContractError where the file is one of the release in force, or of what is served in the place of its rows.
    """
    faults = dict[str, ContractError]()
    for release_id, file in _files(tables):
        # What was removed meanwhile is no damage: a rollback waits for no publish.
        if release_id not in faults and file.exists():
            try:
                read_whole(file)
            except ContractError as error:
                faults[release_id] = error
    for release_id in _in_force(tables) & faults.keys():
        raise faults[release_id]
    said = [f"the analysts' file holds no list of release {name}: {error}" for name, error in sorted(faults.items())]
    return [_without(table, set(faults)) for table in tables], said


def _files(tables: Sequence[PublishedTable]) -> Iterator[tuple[str, Path]]:
    for table in tables:
        for name, files in (table.releases or {}).items():
            yield from ((name, file) for file in files)
        for name, each in table.instead.items():
            yield from ((name, file) for file in (each.of, each.rows) if file is not None)


def _in_force(tables: Sequence[PublishedTable]) -> set[str]:
    found = next(table.rows for table in tables if table.name == RELEASES.name)
    return set(found.filter(c.IS_CURRENT)[c.RELEASE_ID]) if isinstance(found, pl.DataFrame) else set()


def _without(table: PublishedTable, names: set[str]) -> PublishedTable:
    if table.releases is None:
        return table
    return replace(table, releases={name: files for name, files in table.releases.items() if name not in names})
