"""Parquet files that become part of a Delta table as they are: linked in, then named by one commit."""

# pyarrow brings no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, Schema, Transaction
from deltalake.transaction import AddAction, create_table_with_add_actions

from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.time import MILLISECOND_NANOSECONDS
from recs_platform.lake.protocol import is_table, open_table
from recs_platform.lake.schemas import require_fit, require_storable, stored_schema

# The log would keep the least and the greatest of each column, ids of people among them, after their rows are gone.
_SETTINGS = {"delta.dataSkippingNumIndexedCols": "0"}


def fits(folder: Path, name: str, files: Sequence[Path]) -> bool:
    """Whether the files can be adopted: the table is absent, or has their columns and no others."""
    if not is_table(folder):
        return True
    table = stored_schema(pa.schema(open_table(folder, name).schema().to_arrow()))
    return all(set(stored_schema(pq.read_schema(file)).names) == set(table.names) for file in files)


def adopt_files(
    folder: Path,
    name: str,
    files: Sequence[Path],
    *,
    prefix: str,
    replace: bool,
    transaction: tuple[str, int] | None,
) -> int:
    """The work of `Lake.adopt`, under the table's lock; returns the new version."""
    schemas = [pq.read_schema(file) for file in files]
    for each in schemas:
        require_storable(name, each)
    schema = stored_schema(schemas[0])
    for other in schemas[1:]:
        require_fit(name, schema, stored_schema(other))
    properties = CommitProperties(app_transactions=[Transaction(*transaction)]) if transaction else None
    # Before anything is linked: what is refused leaves nothing behind.
    table = open_table(folder, name) if is_table(folder) else None
    if table is not None and not replace:
        _require_same(name, stored_schema(pa.schema(table.schema().to_arrow())), schema)
    folder.mkdir(parents=True, exist_ok=True)
    added = [_add(_link(file, folder / f"{prefix}{file.name}")) for file in files]
    if table is None:
        create_table_with_add_actions(
            str(folder), _delta(schema), added, mode="error", configuration=_SETTINGS, commit_properties=properties
        )
        return 0
    table.create_write_transaction(
        [*added],
        mode="overwrite" if replace else "append",
        schema=_delta(schema) if replace else table.schema(),
        commit_properties=properties,
    )
    return open_table(folder, name).version()


def _require_same(name: str, table: pa.Schema, rows: pa.Schema) -> None:
    require_fit(name, table, rows)
    strangers = sorted(set(rows.names) - set(table.names))
    if strangers:
        raise ContractError(f"{name}: the files to adopt have columns {strangers}, which the table lacks; append them")


def _link(file: Path, target: Path) -> Path:
    target.unlink(missing_ok=True)
    try:
        os.link(file, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(file, target)
    return target


def _add(file: Path) -> AddAction:
    stat = file.stat()
    rows = pq.read_metadata(file).num_rows
    changed_ms = stat.st_mtime_ns // MILLISECOND_NANOSECONDS
    return AddAction(file.name, stat.st_size, {}, changed_ms, data_change=True, stats=json.dumps({"numRecords": rows}))


def _delta(schema: pa.Schema) -> Schema:
    return Schema.from_arrow(schema)
