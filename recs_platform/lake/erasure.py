"""Rows erased from a Delta table for good: from its files, from those of every older version, and from its log.

A log names values too: the least and the greatest of a column in each file, and the condition of a deletion. Which rows
go is decided upstairs.
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from recs_platform.contracts.errors import ContractError
from recs_platform.lake.disk import flush_tree, replace_text
from recs_platform.lake.snapshots import SNAPSHOTS
from recs_platform.lake.tables import Lake

_LOG = "_delta_log"
_NAMED = ("minValues", "maxValues", "nullCount")
_REPLACED = "(erased)"


def erase_rows(lake: Lake, name: str, condition: str, columns: Collection[str]) -> None:
    """Delete the rows that satisfy a SQL condition on `columns`, and every trace of their values in the table's folder.

    Can be killed and repeated. Older versions can be read no more, so nobody may be reading the table. Raises
    ContractError where a checkpoint of the log cannot be made anew.
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

    Reading is as before; other engines skip no file by these columns. Checkpoints are dropped where the whole log is
    there, because they repeat it.
    """
    log = lake.path(name) / _LOG
    entries = sorted(log.glob("*.json"))
    checkpoints = sorted(log.glob("*.checkpoint*.parquet"))
    if checkpoints:
        if not entries or int(entries[0].stem) != 0:
            raise ContractError(
                f"{name}: the beginning of its log in {log} was cleaned away and lives in a checkpoint, which names "
                "values of rows; overwrite the table, or remove its folder and build it again"
            )
        (log / "_last_checkpoint").unlink(missing_ok=True)
        for file in checkpoints:
            file.unlink()
    for entry in entries:
        text = entry.read_text("utf-8")
        scrubbed = "".join(f"{_scrubbed(line, columns)}\n" for line in text.splitlines() if line.strip())
        if scrubbed.splitlines() != text.splitlines():
            replace_text(entry, scrubbed)
    SNAPSHOTS.forget(lake.path(name))


def _scrubbed(line: str, columns: Collection[str]) -> str:
    action = json.loads(line)
    is_changed = False
    for kind in ("add", "remove"):
        is_changed |= _scrub_statistics(action.get(kind) or {}, columns)
    is_changed |= _scrub_condition(action.get("commitInfo") or {}, columns)
    return json.dumps(action, separators=(",", ":")) if is_changed else line


def _scrub_statistics(file: dict[str, Any], columns: Collection[str]) -> bool:
    statistics: dict[str, Any] = json.loads(file.get("stats") or "{}")
    found = [(kind, name) for kind in _NAMED for name in columns if name in (statistics.get(kind) or {})]
    for kind, name in found:
        del statistics[kind][name]
    if found:
        file["stats"] = json.dumps(statistics)
    return bool(found)


def _scrub_condition(commit: dict[str, Any], columns: Collection[str]) -> bool:
    parameters: dict[str, Any] = commit.get("operationParameters") or {}
    condition = str(parameters.get("predicate") or "")
    if condition == _REPLACED or not any(name in condition for name in columns):
        return False
    parameters["predicate"] = _REPLACED
    return True
