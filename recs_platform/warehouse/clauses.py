"""SQL text that Python writes: literals, quoted names, scans and casts. Reading what people wrote is `sql`'s work."""

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import cast


def instant_literal(instant: datetime) -> str:
    """A TIMESTAMPTZ literal; the seconds are written because DuckDB refuses it without them.

    >>> instant_literal(datetime(2017, 2, 20, tzinfo=UTC))
    "CAST('2017-02-20 00:00:00+00' AS TIMESTAMPTZ)"
    """
    utc = instant.astimezone(UTC).replace(tzinfo=None)
    return f"CAST('{utc.isoformat(sep=' ')}+00' AS TIMESTAMPTZ)"


def text_literal(text: str) -> str:
    """A VARCHAR literal; a NUL, which would end the SQL text, is put in by its number."""
    parts = ["'" + part.replace("'", "''") + "'" for part in text.split("\0")]
    return parts[0] if len(parts) == 1 else f"({' || chr(0) || '.join(parts)})"


def literal(value: object) -> str:
    """A SQL literal of a value from a yml or the settings: text, number, truth value, date, instant, list or nothing.

    >>> literal(["it's", "b"]), literal([])
    ("['it''s', 'b']", '[]::varchar[]')
    """
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value) if math.isfinite(value) else f"cast('{value}' as double)"
        case [] | ():
            return "[]::varchar[]"
        case list() | tuple():
            return f"[{', '.join(literal(element) for element in cast('Sequence[object]', value))}]"
        case _:
            return text_literal(str(value))


def quoted(name: str) -> str:
    """A column, table or schema name, quoted."""
    return '"' + name.replace('"', '""') + '"'


def relation(name: str) -> str:
    """`schema.table`, each part quoted.

    >>> relation("raw.events")
    '"raw"."events"'
    """
    schema, table = name.split(".")
    return f"{quoted(schema)}.{quoted(table)}"


def scan(files: Sequence[str], partition_types: Mapping[str, str]) -> str:
    """A table function over Parquet files of a lake table, partition columns included."""
    listed = ", ".join(text_literal(file) for file in files)
    options = "union_by_name => true, hive_partitioning => true"
    if partition_types:
        options += f", hive_types => {{{', '.join(f'{text_literal(k)}: {t}' for k, t in partition_types.items())}}}"
    return f"read_parquet([{listed}], {options})"


def typed_columns(
    types: Mapping[str, str], found: Collection[str], defaults: Mapping[str, str] | None = None
) -> list[str]:
    """Casts to the declared types, which DuckDB drops where they change nothing."""
    values = {name: quoted(name) if name in found else (defaults or {}).get(name, "null") for name in types}
    return [f"cast({values[name]} as {dtype}) as {quoted(name)}" for name, dtype in types.items()]
