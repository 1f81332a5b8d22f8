"""What the tables of a published file were read from, kept beside it: the next publish need not read that again.

What is then read, and what is left as it is, is decided in `published_writer`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recs_platform.lake.disk import replace_text

SUFFIX = ".sources.json"
_FORMAT = 3
_MADE_BY, _FILE, _TABLES = "made_by", "file", "tables"
_DEFINITION, _PARTITIONS, _REFUSED = "definition", "partitions", "refused"


@dataclass(frozen=True)
class TableSource:
    """Where the rows of one table come from.

    `definition`: hash of its columns, types and comments. `partitions`: names, sizes and times of the lake's files by
    as_of (ISO 8601) or release; under None where the table differs by neither; none of a view. `refused`: hashes of
    users whose lists were left out.
    """

    definition: str
    partitions: Mapping[str | None, tuple[str, ...]]
    refused: tuple[str, ...] = ()


def file_names(files: Sequence[str], table: Path) -> tuple[str, ...]:
    """Names of lake files of a table, each with its size and time: a lake that was built anew may use a name again."""
    stats = [(Path(file).relative_to(table), Path(file).stat()) for file in files]
    return tuple(sorted(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats))


def read_sources(published: Path) -> dict[str, TableSource] | None:
    """Sources by table; None where there are none, or those of another file, version of DuckDB or format.

    A published file that anybody wrote to since is another one: its time says so.
    """
    try:
        kept = json.loads(_beside(published).read_text(encoding="utf-8"))
        if (kept[_MADE_BY], kept[_FILE]) != (_made_by(), _identity(published)):
            return None
        return {name: _source(text) for name, text in kept[_TABLES].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_sources(published: Path, sources: Mapping[str, TableSource]) -> None:
    """Say what the file that is in place now was made from. Killed before, the next publish reads everything."""
    tables = {
        name: {
            _DEFINITION: source.definition,
            _PARTITIONS: [[key, *files] for key, files in source.partitions.items()],
            **({_REFUSED: source.refused} if source.refused else {}),
        }
        for name, source in sources.items()
    }
    kept = {_MADE_BY: _made_by(), _FILE: _identity(published), _TABLES: tables}
    replace_text(_beside(published), json.dumps(kept) + "\n")


def _source(kept: Mapping[str, Any]) -> TableSource:
    partitions = {key: tuple(files) for key, *files in kept[_PARTITIONS]}
    return TableSource(kept[_DEFINITION], partitions, tuple(kept.get(_REFUSED, ())))


def _beside(published: Path) -> Path:
    return published.with_name(published.name + SUFFIX)


def _identity(published: Path) -> list[int]:
    stat = published.stat()
    return [stat.st_size, stat.st_mtime_ns]


def _made_by() -> str:
    import duckdb

    return f"{_FORMAT} {duckdb.__version__}"
