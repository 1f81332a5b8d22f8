"""Records on which a source's SQL fails, such as a number beyond its type: found by asking for ever fewer of them.

SQL that fails whatever the records are is described in `source_sql`; how the others go on, in `staging`.
"""
# ruff: noqa: S608 - relations are named by this package

from collections.abc import Iterator, Sequence

import duckdb

from recs_platform.contracts import columns as c
from recs_platform.stages.events.archives import UnreadableFileError
from recs_platform.stages.events.records import ALL_RECORDS, show_records

FAILING = "failing_records"
FAILING_MAX = 1000
_CHUNK, _CHUNK_RECORDS = "chunk_of_records", 20_000
# These tell of the machine, not of what is in a file.
_NOT_OF_DATA = (
    duckdb.OutOfMemoryException,
    duckdb.IOException,
    duckdb.InterruptException,
    duckdb.InternalException,
    duckdb.FatalException,
)


def is_of_data(error: duckdb.Error) -> bool:
    """Whether an error may come from the values that were read."""
    return not isinstance(error, _NOT_OF_DATA)


def set_failing_aside(con: duckdb.DuckDBPyConnection, select: str) -> int:
    """Make the table `failing_records(line_number, message)` and take these records out of `raw_records`; their number.

    `select` reads `raw_records` and fails on some of its records, each on its own. Raises UnreadableFileError when they
    are more than FAILING_MAX, or when no single record makes it fail.
    """
    found = dict(_find_failing(con, select))
    con.execute(f"create or replace temp table {FAILING} ({c.LINE_NUMBER} bigint, message varchar)")
    if not found:
        raise UnreadableFileError("the SQL of the source fails on the file, and on no single record of it")
    con.executemany(f"insert into {FAILING} values ($1, $2)", [list(pair) for pair in found.items()])
    show_records(con, ALL_RECORDS, f"{c.LINE_NUMBER} not in (select {c.LINE_NUMBER} from {FAILING})")
    return len(found)


def _find_failing(con: duckdb.DuckDBPyConnection, select: str) -> Iterator[tuple[int, str]]:
    rows = con.execute(f"select distinct {c.LINE_NUMBER} from {ALL_RECORDS} order by {c.LINE_NUMBER}").fetchall()
    lines = [int(row[0]) for row in rows]
    count = 0
    for start in range(0, len(lines), _CHUNK_RECORDS):
        chunk = lines[start : start + _CHUNK_RECORDS]
        con.execute(f"create or replace temp table {_CHUNK} as select * from {ALL_RECORDS} where {_between(chunk)}")
        for line, message in _narrow(con, select, chunk):
            count += 1
            if count > FAILING_MAX:
                raise UnreadableFileError(
                    f"the SQL of the source fails on more than {FAILING_MAX} of its records; line {line}: {message}"
                )
            yield line, message


def _narrow(con: duckdb.DuckDBPyConnection, select: str, lines: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Failing records among `lines` of the chunk, by halves."""
    message = _failure(con, select, lines)
    if message is None:
        return
    if len(lines) == 1:
        yield lines[0], message
        return
    middle = len(lines) // 2
    yield from _narrow(con, select, lines[:middle])
    yield from _narrow(con, select, lines[middle:])


def _failure(con: duckdb.DuckDBPyConnection, select: str, lines: Sequence[int]) -> str | None:
    show_records(con, _CHUNK, _between(lines))
    try:
        # Of every column something is asked, or it would not be computed.
        con.execute(f"select max(hash(yielded)) from ({select}) as yielded").fetchall()
    except duckdb.Error as error:
        if not is_of_data(error):
            raise
        return str(error).splitlines()[0]
    return None


def _between(lines: Sequence[int]) -> str:
    return f"{c.LINE_NUMBER} between {lines[0]} and {lines[-1]}"
