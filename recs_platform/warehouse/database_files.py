"""DuckDB files that are written aside, held against what was to be written, and moved into place whole.

What goes into them is decided in `publish`.
"""
# ruff: noqa: S608  names come from contracts and model files and are quoted

import glob
import shutil
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from recs_platform.contracts.errors import ContractError
from recs_platform.lake.disk import flush
from recs_platform.lake.processes import is_abandoned, process_name
from recs_platform.warehouse.clauses import relation, text_literal
from recs_platform.warehouse.connection import connect
from recs_platform.warehouse.database_options import DatabaseOptions
from recs_platform.warehouse.encryption import Cipher, attach_read_only
from recs_platform.warehouse.other_writers import set_aside_logs

if TYPE_CHECKING:
    import duckdb

# DuckDB 1.1 (September 2024) and later open it.
STORAGE_VERSION = "v1.0.0"
# The first that encrypts.
_ENCRYPTED_STORAGE_VERSION = "v1.4.0"
_MARK = ".tmp-"


@contextmanager
def written_aside(
    target: Path,
    fill: "Callable[[duckdb.DuckDBPyConnection], Mapping[str, int]]",
    options: DatabaseOptions,
    *,
    base: Path | None = None,
) -> "Generator[tuple[Path, Mapping[str, int]]]":
    """A new file beside `target` that `fill` wrote (attached as `a`), and its rows by table; gone after the body.

    `base`: a file that `fill` is given a copy of, in the place of an empty one.
    `fill` returns the rows that each table is to hold, counted where they came from. Raises ContractError when the
    file, opened anew, holds others, NotReady where DuckDB cannot encrypt here. What dead processes left beside `target`
    is removed first.
    """
    remove_abandoned(target)
    # Never a name that was there before: a log left beside it would be replayed.
    building = target.with_name(f"{target.name}{_MARK}{process_name()}.{uuid.uuid4().hex[:8]}")
    try:
        con = options.connect_to_write()
        try:
            if base is not None:
                shutil.copyfile(base, building)
            con.execute(f"attach {text_literal(str(building))} as a ({_attached(options.cipher)})")
            expected = fill(con)
            con.execute("detach a")
        finally:
            con.close()
        _require_rows(building, target, options.cipher, expected)
        yield building, expected
    finally:
        _remove(_half_written(target, building.name))


def move_into_place(building: Path, target: Path) -> list[str]:
    """Put the file in the place of `target`, without any log of another; one sentence for each log set aside.

    Looked for after the move too: whatever lies there then belongs to somebody who has the old file open.
    """
    flush((building,))
    before = set_aside_logs(target)
    building.replace(target)
    after = set_aside_logs(target)
    flush((target.parent,))
    return before + after


def remove_abandoned(target: Path) -> None:
    """Remove half-written files beside `target` whose process is gone."""
    _remove([file for file in _half_written(target) if is_abandoned(file.name.removeprefix(target.name + _MARK))])


def remove_half_written(target: Path) -> None:
    """Remove all half-written files beside `target`, for a caller that knows nobody is writing."""
    _remove(_half_written(target))


def _half_written(target: Path, beginning: str | None = None) -> list[Path]:
    """Files being written for `target`, and their logs; those whose name begins so where that is given."""
    return list(target.parent.glob(f"{glob.escape(beginning or target.name + _MARK)}*"))


def _remove(files: Sequence[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def _attached(cipher: Cipher | None) -> str:
    """Nobody would replay a log of a file that is thrown away unless written whole: no statement waits for the disk."""
    no_log = "recovery_mode no_wal_writes"
    if cipher is None:
        return f"storage_version {text_literal(STORAGE_VERSION)}, {no_log}"
    return f"storage_version {text_literal(_ENCRYPTED_STORAGE_VERSION)}, {no_log}, {cipher.option}"


def _require_rows(building: Path, target: Path, cipher: Cipher | None, expected: Mapping[str, int]) -> None:
    """Count what a reader will find; a new connection has nothing of the one that wrote."""
    con = connect(memory_limit_gb=1, threads=1)
    try:
        attach_read_only(con, building, "a", cipher)
        found = {name: count_rows(con, f"a.{relation(name)}") for name in expected}
    finally:
        con.close()
    wrong = [f"{name} has {found[name]:,} rows of {rows:,}" for name, rows in expected.items() if found[name] != rows]
    if wrong:
        raise ContractError(
            f"{target.name} was written wrong and is left as it was: {'; '.join(wrong)}; try again, and if it comes "
            "again look for another program that writes into this folder"
        )


def count_rows(con: "duckdb.DuckDBPyConnection", source: str) -> int:
    """Rows of a relation."""
    return int(con.execute(f"select count(*) from {source}").fetchall()[0][0])
