"""Rows erased from a Delta table for good: from its files, from those of every older version, and from its log.

A log names values too: the least and the greatest of a column in each file, and the condition of a deletion. Which rows
go is decided upstairs.
"""

# pyarrow brings no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recs_platform.lake.disk import flush, flush_tree, replace_text
from recs_platform.lake.snapshots import SNAPSHOTS
from recs_platform.lake.tables import Lake

_LOG = "_delta_log"
_NAMED = ("minValues", "maxValues", "nullCount")
_REPLACED = "(erased)"
_ADDED, _STATISTICS = "add", "stats"


def erase_rows(lake: Lake, name: str, condition: str, columns: Collection[str]) -> None:
    """Delete the rows that satisfy a SQL condition on `columns`, and every trace of their values in the table's folder.

    Can be killed and repeated. Older versions can be read no more, so nobody may be reading the table.
    """
    lake.delete(name, condition)
    drop_older_files(lake, name)
    scrub_log(lake, name, columns)


def drop_older_files(lake: Lake, name: str) -> int:
    """Delete every data file that the newest version does not read; returns how many. No writer may be at work."""
    folder = lake.path(name)
    unnamed = {file for file in folder.rglob("*.parquet") if _LOG not in file.parts} - set(map(Path, lake.files(name)))
    if unnamed:
        # What stays must be on the disk before what it was made of goes.
        flush_tree(folder)
        lake.vacuum(name, retention_hours=0)
        for file in unnamed:
            file.unlink(missing_ok=True)
    return len(unnamed)


def scrub_log(lake: Lake, name: str, columns: Collection[str]) -> None:
    """Take values of `columns` out of the log: statistics of files, and conditions of deletions.

    Reading is as before; other engines skip no file by these columns.
    """
    log = lake.path(name) / _LOG
    # It says how many bytes the checkpoint has; a reader without it lists the folder.
    (log / "_last_checkpoint").unlink(missing_ok=True)
    for file in sorted(log.glob("*.checkpoint*.parquet")):
        _scrub_checkpoint(file, columns)
    for entry in sorted(log.glob("*.json")):
        lines = entry.read_text("utf-8").splitlines()
        scrubbed = [_scrubbed(line, columns) for line in lines if line.strip()]
        if scrubbed != lines:
            replace_text(entry, "".join(f"{line}\n" for line in scrubbed))
    SNAPSHOTS.forget(lake.path(name))


def _scrub_checkpoint(file: Path, columns: Collection[str]) -> None:
    """Write a checkpoint anew without statistics of the columns, whole or not at all."""
    table = pq.read_table(file)
    place = table.schema.get_field_index(_ADDED)
    added = table.column(place).combine_chunks()
    parts = {field.name: added.field(number) for number, field in enumerate(added.type)}
    parts[_STATISTICS] = pa.array(
        [_less(text, columns) for text in parts[_STATISTICS].to_pylist()], parts[_STATISTICS].type
    )
    parsed = parts.get(f"{_STATISTICS}_parsed")
    if parsed is not None:
        parts[f"{_STATISTICS}_parsed"] = pa.nulls(len(added), parsed.type)
    made = pa.StructArray.from_arrays(list(parts.values()), fields=list(added.type), mask=added.is_null())
    aside = file.with_name(f"{file.name}.tmp")
    pq.write_table(table.set_column(place, table.schema.field(place), made), aside)
    flush((aside,))
    aside.replace(file)
    flush((file.parent,))


def _less(statistics: str | None, columns: Collection[str]) -> str | None:
    file = {_STATISTICS: statistics}
    _scrub_statistics(file, columns)
    return file[_STATISTICS]


def _scrubbed(line: str, columns: Collection[str]) -> str:
    action = json.loads(line)
    is_changed = False
    for kind in ("add", "remove"):
        is_changed |= _scrub_statistics(action.get(kind) or {}, columns)
    is_changed |= _scrub_condition(action.get("commitInfo") or {}, columns)
    return json.dumps(action, separators=(",", ":")) if is_changed else line


def _scrub_statistics(file: dict[str, Any], columns: Collection[str]) -> bool:
    statistics: dict[str, Any] = json.loads(file.get(_STATISTICS) or "{}")
    found = [(kind, name) for kind in _NAMED for name in columns if name in (statistics.get(kind) or {})]
    for kind, name in found:
        del statistics[kind][name]
    if found:
        file[_STATISTICS] = json.dumps(statistics)
    return bool(found)


def _scrub_condition(commit: dict[str, Any], columns: Collection[str]) -> bool:
    parameters: dict[str, Any] = commit.get("operationParameters") or {}
    condition = str(parameters.get("predicate") or "")
    if condition == _REPLACED or not any(name in condition for name in columns):
        return False
    parameters["predicate"] = _REPLACED
    return True
