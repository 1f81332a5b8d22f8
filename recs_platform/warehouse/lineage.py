"""Which upstream column each column of a model is made of, as sqlglot infers it. Table dependencies are in `models`."""
# sqlglot types its expressions loosely.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recs_platform.contracts.errors import ModelError
from recs_platform.warehouse.models import Model, Models

if TYPE_CHECKING:
    from sqlglot.lineage import Node


@dataclass(frozen=True, order=True)
class ColumnEdge:
    """`table.column` is computed from `upstream_table.upstream_column`, one model apart."""

    table: str
    column: str
    upstream_table: str
    upstream_column: str


def column_lineage(models: Models) -> list[ColumnEdge]:
    """Edges of every model, in dependency order, then by column and upstream; a constant column has none."""
    return [edge for model in models for edge in model_lineage(models, model)]


def model_lineage(models: Models, model: Model) -> list[ColumnEdge]:
    """Edges of one model. Raises ModelError naming the file where a column of its SQL cannot be traced."""
    from sqlglot.errors import SqlglotError
    from sqlglot.lineage import lineage

    schema: dict[str, dict[str, dict[str, str]]] = {}
    for upstream in model.upstreams:
        schema_name, table = upstream.split(".")
        schema.setdefault(schema_name, {})[table] = models.types(upstream)
    try:
        nodes = lineage(None, model.sql.rstrip().rstrip(";"), schema, dialect="duckdb", trim_selects=False)
    except SqlglotError as error:
        raise ModelError(f"{model.path}: no column lineage: {str(error).splitlines()[0]}") from error
    position = {name: place for place, name in enumerate(model.column_names)}
    found = {
        ColumnEdge(model.name, column, upstream, upstream_column)
        for column, node in nodes.items()
        for upstream, upstream_column in _leaves(node.walk())
    }
    return sorted(found, key=lambda edge: (position[edge.column], edge))


def _leaves(nodes: "Iterator[Node]") -> Iterator[tuple[str, str]]:
    from sqlglot import exp

    for node in nodes:
        if isinstance(node.expression, exp.Table) and node.expression.db:
            column = node.name.rsplit(".", 1)[-1].strip('"')
            if column != "*":
                yield f"{node.expression.db}.{node.expression.name}", column
