"""Tables that describe the tables: meanings, units and lineage for readers of the published file."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import Column, TableContract
from recs_platform.warehouse.lineage import ColumnEdge
from recs_platform.warehouse.models import Models

if TYPE_CHECKING:
    import polars as pl


def _text(name: str, description: str, *, required: bool = True) -> Column:
    return Column(name, "VARCHAR", description, required)


_TABLE = _text(c.TABLE_NAME, "schema.table")
_COLUMN = _text(c.COLUMN_NAME, "The column")
META_TABLES = TableContract(
    "meta.tables",
    "One row a table of the platform",
    (
        _TABLE,
        _text("kind", "contract (written by Python), model (stored) or view (a model that is not stored)"),
        _text("description", "What one row is"),
        _text("grain", "Columns that identify a row, as_of included where the rows differ by it"),
    ),
    grain=(c.TABLE_NAME,),
)
META_COLUMNS = TableContract(
    "meta.columns",
    "One row a column of each table",
    (
        _TABLE,
        _COLUMN,
        Column("ordinal_position", "INTEGER", "Place in the table, from 1", required=True),
        _text("data_type", "DuckDB type"),
        _text("description", "What it means"),
        _text("unit", "Unit of the value, empty where it has none"),
    ),
    grain=(c.TABLE_NAME, c.COLUMN_NAME),
)
META_COLUMN_LINEAGE = TableContract(
    "meta.column_lineage",
    "One row a model's column and a column it is computed from, one model apart",
    (
        _TABLE,
        _COLUMN,
        _text("upstream_table", "The table it reads"),
        _text("upstream_column", "The column it reads"),
    ),
    grain=(c.TABLE_NAME, c.COLUMN_NAME, "upstream_table", "upstream_column"),
)
META_PROCESSING = TableContract(
    "meta.processing",
    "One row a command or run that processed data about people; no person is named",
    (
        Column("at", "TIMESTAMPTZ", "When it began", required=True, unit="UTC"),
        _text("actor", "The user of the machine who gave the command, or dagster"),
        _text("action", "The command, or the job of the run and its as-of"),
        _text("purpose", "What for"),
        _text("tables", "What was read or written; schema.* = every table of the schema"),
        _text("run_id", "The run in Dagster; empty for a command"),
    ),
    grain=("at", "actor", "action", "run_id"),
)
META_RUNS = TableContract(
    "meta.runs",
    "One row a run that built an as-of or a part of it, oldest first; the one that published the file too",
    (
        _text(c.RUN_ID, "The run in Dagster; the record of the build where it names no run"),
        Column(c.AS_OF, "TIMESTAMPTZ", "The as-of; missing where the run was given none", unit="UTC"),
        _text(c.RELEASE_ID, "The release of a build of everything", required=False),
        Column(c.STARTED_AT, "TIMESTAMPTZ", "When it began; missing where Dagster keeps it no more", unit="UTC"),
        Column(c.SECONDS, "DOUBLE", "How long it took; of the run that published the file until then", unit="seconds"),
        _text(
            c.OUTCOME,
            "released (all was built), partial (some assets were), failed, canceled, running (or its process is gone), "
            "done (it made nothing that is recorded)",
        ),
        Column(c.ASSETS, "VARCHAR[]", "What was built, as far as it is recorded", required=True),
        Column(c.KNOWN_AT, "TIMESTAMPTZ", "Only rows learned of by this instant were used", unit="UTC"),
        _text(c.DATA_VERSION, "Hash of the files it was built from", required=False),
        _text(c.CODE_VERSION, "Version of the package and hash of its text", required=False),
        Column(c.LIBRARIES, "VARCHAR[]", "Libraries with their versions", required=True),
    ),
    grain=(c.RUN_ID,),
)
META = (META_TABLES, META_COLUMNS, META_COLUMN_LINEAGE)


def meta_frames(
    models: Models, contracts: Sequence[TableContract], lineage: Sequence[ColumnEdge]
) -> "dict[str, pl.DataFrame]":
    """Rows of the `META` tables by name, the META tables described too; contracts in their order, then models."""
    described = (*contracts, *META)
    return {
        META_TABLES.name: _frame(META_TABLES, _table_rows(models, described)),
        META_COLUMNS.name: _frame(META_COLUMNS, _column_rows(models, described)),
        META_COLUMN_LINEAGE.name: _frame(
            META_COLUMN_LINEAGE,
            [(edge.table, edge.column, edge.upstream_table, edge.upstream_column) for edge in lineage],
        ),
    }


def _table_rows(models: Models, contracts: Sequence[TableContract]) -> list[tuple[object, ...]]:
    written_by_python = [
        (contract.name, "contract", contract.description, _grain(contract.grain, contract.is_as_of))
        for contract in contracts
    ]
    written_by_sql = [
        (
            model.name,
            "model" if model.materialized == "table" else "view",
            model.description,
            _grain(model.grain, models.is_as_of(model.name)),
        )
        for model in models
    ]
    return [*written_by_python, *written_by_sql]


def _grain(columns: Sequence[str], is_as_of: bool) -> str:
    return ", ".join((c.AS_OF, *columns) if is_as_of else columns)


def _column_rows(models: Models, contracts: Sequence[TableContract]) -> list[tuple[object, ...]]:
    return [
        (table.name, column.name, position, column.dtype, column.description, column.unit)
        for table in (*contracts, *models)
        for position, column in enumerate(table.columns, start=1)
    ]


def _frame(contract: TableContract, rows: Sequence[tuple[object, ...]]) -> "pl.DataFrame":
    import polars as pl

    types = {"VARCHAR": pl.String, "INTEGER": pl.Int32}
    return pl.DataFrame(rows, {column.name: types[column.dtype] for column in contract.columns}, orient="row")
