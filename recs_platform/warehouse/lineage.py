"""Which upstream column each column of a model is made of, as sqlglot infers it. Table dependencies are in `models`."""
# sqlglot types its expressions loosely.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING

from recs_platform.contracts.errors import ModelError, UsageError
from recs_platform.warehouse.models import Model, Models

if TYPE_CHECKING:
    from sqlglot.lineage import Node

# Names that are worth reading where none is spelled alike.
_NAMES_MAX = 15


@dataclass(frozen=True, order=True)
class ColumnEdge:
    """`table.column` is computed from `upstream_table.upstream_column`, one model apart."""

    table: str
    column: str
    upstream_table: str
    upstream_column: str


@dataclass(frozen=True)
class LineageNode:
    """A column, or a whole table where `column` is None, with what it is computed from.

    `kind` is the model's materialization, or `contract` for a table that Python writes. `is_above` says that the same
    column stands earlier in the tree with its upstream, which is then left out here.
    """

    table: str
    column: str | None
    kind: str
    upstream: tuple["LineageNode", ...] = ()
    is_above: bool = False

    @property
    def name(self) -> str:
        return self.table if self.column is None else f"{self.table}.{self.column}"


def find_column(models: Models, name: str) -> tuple[str, str | None]:
    """`schema.table` or `schema.table.column` as table and column; `ctr` is a column whose initials end so, if one is.

    Raises UsageError naming what is spelled alike.
    """
    table, column = ".".join(name.split(".")[:2]), name.split(".", 2)[2] if name.count(".") > 1 else None
    tables = [*models.contracts, *(model.name for model in models)]
    if table not in tables:
        raise UsageError(f"no table {table!r}{_alike(table, tables)}")
    if column is None or column in models.types(table):
        return table, column
    abbreviated = [name for name in models.types(table) if len(column) > 1 and _initials(name).endswith(column)]
    if len(abbreviated) != 1:
        raise UsageError(f"{table} has no column {column!r}{_alike(column, list(models.types(table)))}")
    return table, abbreviated[0]


def lineage_tree(models: Models, edges: Sequence[ColumnEdge], table: str, column: str | None = None) -> LineageNode:
    """What a column is computed from, down to columns that Python writes; of a whole table, each column in turn.

    Upstream columns are in the order of their names; a column's own upstream is shown where it is met first.
    """
    upstream: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for edge in edges:
        upstream.setdefault((edge.table, edge.column), []).append((edge.upstream_table, edge.upstream_column))
    shown: set[tuple[str, str]] = set()

    def node(of: tuple[str, str]) -> LineageNode:
        below = upstream.get(of, [])
        is_above = of in shown and bool(below)
        shown.add(of)
        return LineageNode(*of, _kind(models, of[0]), () if is_above else tuple(node(each) for each in below), is_above)

    if column is not None:
        return node((table, column))
    return LineageNode(table, None, _kind(models, table), tuple(node((table, each)) for each in models.types(table)))


def stored_lineage(models: Models, edges: Sequence[ColumnEdge], table: str) -> list[ColumnEdge]:
    """Edges of a table's columns to columns that are stored, looking through views and temporary models."""
    return _lineage_to({"table", "contract"}, models, edges, table)


def written_lineage(models: Models, edges: Sequence[ColumnEdge], table: str) -> list[ColumnEdge]:
    """Edges of a table's columns to columns that Python writes, looking through every model."""
    return _lineage_to({"contract"}, models, edges, table)


def _lineage_to(kinds: Set[str], models: Models, edges: Sequence[ColumnEdge], table: str) -> list[ColumnEdge]:
    upstream: dict[tuple[str, str], list[ColumnEdge]] = {}
    for edge in edges:
        upstream.setdefault((edge.table, edge.column), []).append(edge)
    return [
        ColumnEdge(table, column, *found)
        for column in models.types(table)
        for found in sorted(_above(kinds, models, upstream, (table, column)))
    ]


def _above(
    kinds: Set[str], models: Models, upstream: Mapping[tuple[str, str], Sequence[ColumnEdge]], of: tuple[str, str]
) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for edge in upstream.get(of, ()):
        above = (edge.upstream_table, edge.upstream_column)
        found |= {above} if _kind(models, above[0]) in kinds else _above(kinds, models, upstream, above)
    return found


def _kind(models: Models, table: str) -> str:
    return models.get(table).materialized if table in models else "contract"


def _initials(name: str) -> str:
    return "".join(word[0] for word in name.split("_") if word)


def _alike(name: str, names: Sequence[str]) -> str:
    close = get_close_matches(name, names, n=3, cutoff=0.4)
    if close:
        return f"; did you mean {', '.join(close)}?"
    shown, more = sorted(names)[:_NAMES_MAX], len(names) - _NAMES_MAX
    return f"; there are: {', '.join(shown)}{f' and {more} more, see meta.columns' if more > 0 else ''}"


def column_lineage(models: Models) -> list[ColumnEdge]:
    """Edges of every model, in dependency order, then by column and upstream; a constant column has none."""
    return [edge for model in models for edge in model_lineage(models, model)]


def model_lineage(models: Models, model: Model) -> list[ColumnEdge]:
    """Edges of one model. Raises ModelError naming the file where a column of its SQL cannot be traced."""
    from sqlglot.errors import SqlglotError

    types = tuple((upstream, tuple(models.types(upstream).items())) for upstream in model.upstreams)
    try:
        traced = _trace(model.sql.rstrip().rstrip(";"), types)
    except SqlglotError as error:
        raise ModelError(f"{model.path}: no column lineage: {str(error).splitlines()[0]}") from error
    position = {name: place for place, name in enumerate(model.column_names)}
    found = {ColumnEdge(model.name, *names) for names in traced}
    return sorted(found, key=lambda edge: (position[edge.column], edge))


@lru_cache(maxsize=512)
def _trace(sql: str, types: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]) -> frozenset[tuple[str, str, str]]:
    """(column, upstream table, its column) of a select over tables of the given types; slow, so asked once a text."""
    from sqlglot.lineage import lineage

    schema: dict[str, dict[str, dict[str, str]]] = {}
    for upstream, columns in types:
        schema_name, table = upstream.split(".")
        schema.setdefault(schema_name, {})[table] = dict(columns)
    nodes = lineage(None, sql, schema, dialect="duckdb", trim_selects=False)
    return frozenset((column, *leaf) for column, node in nodes.items() for leaf in _leaves(node.walk()))


def _leaves(nodes: "Iterator[Node]") -> Iterator[tuple[str, str]]:
    from sqlglot import exp

    for node in nodes:
        if isinstance(node.expression, exp.Table) and node.expression.db:
            column = node.name.rsplit(".", 1)[-1].strip('"')
            if column != "*":
                yield f"{node.expression.db}.{node.expression.name}", column
