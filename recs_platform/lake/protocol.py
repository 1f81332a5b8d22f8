"""Which Delta tables the lake reads: those whose Parquet files hold exactly the table's rows, under its column names.

Every table of the lake is opened here. What a table is written with is in `schemas`.
"""

import os
from contextlib import suppress
from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from recs_platform.contracts.errors import ContractError

# Rows and columns are those of the files all the same: naive timestamps of older homes, a newer form of checkpoint.
READABLE_FEATURES = frozenset({"timestampNtz", "v2Checkpoint", "vacuumProtocolCheck"})

_COLUMN_MAPPING = "columnMapping"
_MAPPING_MODE = "delta.columnMapping.mode"
_EFFECTS = {
    "deletionVectors": "its files still hold rows that were deleted",
    _COLUMN_MAPPING: "its files name columns otherwise than the table",
}


def is_table(folder: Path) -> bool:
    """Whether the folder holds a Delta table, by the names in its log; delta-rs takes 2 ms to say so."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder / "_delta_log") as entries:
        return any(entry.name.endswith(".json") and entry.name[:-5].isdigit() for entry in entries)
    return False


def open_table(folder: Path, name: str, version: int | None = None) -> DeltaTable:
    """The Delta table in `folder`, at `version` or the newest one.

    Raises ContractError for a table with deletion vectors, column mapping or any other feature with which its files
    are not its rows: another program has altered it.
    """
    try:
        table = DeltaTable(folder, version=version)
    except DeltaError as error:
        # delta-rs refuses some of these features itself, and tables that another program left damaged.
        first = next(iter(str(error).splitlines()), "")
        cure = _cure(name) if "feature" in first.lower() else rebuilding(name)
        raise ContractError(f"{name}: {folder} cannot be opened as a Delta table: {first}; {cure}") from error
    found = sorted(_features(table) - READABLE_FEATURES)
    if found:
        effects = "; ".join(f"{feature}: {_EFFECTS.get(feature, 'unknown to this version')}" for feature in found)
        raise ContractError(f"{name}: another program gave the table in {folder} features {effects}; {_cure(name)}")
    return table


def _features(table: DeltaTable) -> set[str]:
    features = set(table.protocol().reader_features or ())
    # Tables older than named features say it by a property alone.
    if table.metadata().configuration.get(_MAPPING_MODE, "none") != "none":
        features.add(_COLUMN_MAPPING)
    return features


def _cure(name: str) -> str:
    return f"drop the features with that program (purge, then ALTER TABLE … DROP FEATURE), or {rebuilding(name)}"


def rebuilding(name: str) -> str:
    """What to do about a table that lost something, where there is no copy of it; the end of a sentence."""
    return "restore the lake from a backup" if name.startswith("raw.") else "remove its folder and build it again"
