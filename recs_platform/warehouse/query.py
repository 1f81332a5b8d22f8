"""Read-only questions to the published file. Building that file is `publish`'s work."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from recs_platform.contracts.errors import NotReady, RecsError, UsageError
from recs_platform.warehouse.answers import Answer, read_answer
from recs_platform.warehouse.database_options import DatabaseOptions
from recs_platform.warehouse.encryption import attach_read_only
from recs_platform.warehouse.other_writers import first_lines, opening, set_aside_logs

if TYPE_CHECKING:
    import duckdb
    import polars as pl

T = TypeVar("T")
# No schema of the file is called so.
_ATTACHED = "_published"


def query(
    target: Path,
    sql: str,
    options: DatabaseOptions,
    *,
    say: Callable[[str], None] = lambda _: None,
) -> "pl.DataFrame":
    """Rows of one query over the published file as a frame; see `answer`."""
    return _ask(target, sql, options, say, lambda relation: relation.pl())


def answer(
    target: Path,
    sql: str,
    options: DatabaseOptions,
    *,
    say: Callable[[str], None] = lambda _: None,
) -> Answer:
    """Rows of one query over the published file, which is opened read-only, as values that lose nothing.

    Instants come out in UTC. `say` is called for a foreign log that was set aside. Raises
    NotReady when nothing was published, UsageError for SQL that is wrong, returns no rows or would write, RecsError
    when DuckDB could not open the file or finish.
    """
    return _ask(target, sql, options, say, read_answer)


def _ask(
    target: Path,
    sql: str,
    options: DatabaseOptions,
    say: Callable[[str], None],
    read: "Callable[[duckdb.DuckDBPyRelation], T]",
) -> T:
    import duckdb

    if not target.is_file():
        raise NotReady(f"nothing is published at {target}; run `recs run` or `recs publish` first")
    limits: dict[str, str | bool | int | float | list[str]] = {
        "threads": options.threads,
        "memory_limit": f"{options.memory_limit_gb}GB",
        "autoinstall_known_extensions": False,
    }
    for sentence in set_aside_logs(target):
        say(sentence)
    with opening(target):
        is_plain = options.cipher is None
        opened = duckdb.connect(str(target) if is_plain else ":memory:", read_only=is_plain, config=limits)
        if not is_plain:
            attach_read_only(opened, target, _ATTACHED, options.cipher)
            opened.execute(f"use {_ATTACHED}")
    with opened as con:
        con.execute("set TimeZone = 'UTC'")
        con.execute("set enable_progress_bar = false")
        try:
            result = con.sql(sql)
            if result is None:  # pyright: ignore[reportUnnecessaryComparison]  statements such as SET have no result
                raise UsageError("the statement returns no rows; write a select")
            return read(result)
        except (duckdb.ProgrammingError, duckdb.DataError) as error:
            raise UsageError(f"the SQL is wrong: {first_lines(error)}") from error
        except duckdb.Error as error:
            raise RecsError(f"the query did not finish: {first_lines(error)}") from error
