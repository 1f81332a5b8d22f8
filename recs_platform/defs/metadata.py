"""Metadata that every asset shows: row count, schema, table name, a preview."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from recs_platform.contracts.home import Home
from recs_platform.contracts.tables import TableContract
from recs_platform.contracts.time import as_of_key
from recs_platform.warehouse.lineage import ColumnEdge
from recs_platform.warehouse.models import Model

OWNERS = ["team:recommendations"]
PREVIEW_ROWS = 5
TEXT_MAX = 120
# Where `recs ui` serves reports unless it is told otherwise.
REPORTS_ADDRESS = "http://127.0.0.1:3001"


def contract_schema(contract: TableContract) -> dg.TableSchema:
    """Columns of a table that Python writes."""
    return dg.TableSchema(
        columns=[_column(column.name, column.dtype, column.description, column.unit) for column in contract.columns]
    )


def model_schema(model: Model) -> dg.TableSchema:
    """Columns of a table that a SQL model writes."""
    return dg.TableSchema(
        columns=[_column(column.name, column.dtype, column.description, column.unit) for column in model.columns]
    )


def lineage(edges: Sequence[ColumnEdge], table: str) -> dg.TableColumnLineage:
    """Upstream columns of each column of a table."""
    upstreams: dict[str, list[dg.TableColumnDep]] = {}
    for edge in edges:
        if edge.table == table:
            dep = dg.TableColumnDep(asset_key=asset_key(edge.upstream_table), column_name=edge.upstream_column)
            upstreams.setdefault(edge.column, []).append(dep)
    return dg.TableColumnLineage(deps_by_column=upstreams)


def definition_metadata(key: dg.AssetKey, schema: dg.TableSchema) -> dict[str, Any]:
    """What the definition of a table asset shows."""
    return {"dagster/table_name": ".".join(key.path), "dagster/column_schema": schema}


def contract_metadata(contract: TableContract) -> dict[str, Any]:
    """The same for a contract table."""
    return definition_metadata(asset_key(contract.name), contract_schema(contract))


def table_metadata(rows: int, preview: pl.DataFrame, **numbers: float | str | None) -> dict[str, Any]:
    """What a materialization of a table shows, the operator's numbers included."""
    return {
        "dagster/row_count": rows,
        "preview": dg.MetadataValue.md(markdown_table(preview.head(PREVIEW_ROWS))),
        **{name: value for name, value in numbers.items() if value is not None},
    }


def page_links(home: Home, as_of: datetime, page: str | None) -> dict[str, Any]:
    """Where the page of a report is, nothing where there is none: a URL that `recs ui` serves, and the file."""
    return {} if page is None else page_link(home, home.reports / as_of_key(as_of) / page)


def page_link(home: Home, page: Path) -> dict[str, Any]:
    """The same of any page below the home's reports."""
    address = home.reports_address.read_text() if home.reports_address.exists() else REPORTS_ADDRESS
    url = f"{address}/{page.relative_to(home.reports).as_posix()}"
    return {"page": dg.MetadataValue.url(url), "page_file": str(page.relative_to(home.root))}


def markdown_table(frame: pl.DataFrame) -> str:
    """A frame as a Markdown table, long text cut.

    >>> print(markdown_table(pl.DataFrame({"a": [1], "b": ["x|y"]})))
    | a | b |
    | --- | --- |
    | 1 | x/y |
    """
    lines = [_line(frame.columns), _line(["---"] * frame.width)]
    return "\n".join([*lines, *(_line(row) for row in frame.rows())])


def asset_key(table: str) -> dg.AssetKey:
    """`features.user_features` → the asset of that table."""
    return dg.AssetKey(table.split("."))


def _column(name: str, dtype: str, description: str, unit: str) -> dg.TableColumn:
    return dg.TableColumn(name, dtype.lower(), f"{description} ({unit})" if unit else description)


def _line(values: Sequence[object]) -> str:
    return "| " + " | ".join(_cell(value) for value in values) + " |"


def _cell(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    text = text.replace("|", "/").replace("\n", " ")
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"
