"""SQL models as read from their folder: text, yml, upstream tables, order and identity. They are run in `runner`."""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import MappingProxyType

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ModelError, UsageError
from recs_platform.contracts.spelling import did_you_mean
from recs_platform.contracts.tables import TableContract
from recs_platform.warehouse.data_test_files import DataTest
from recs_platform.warehouse.declarations import check_columns, check_data_tests, check_features, check_upstreams
from recs_platform.warehouse.model_files import (
    Materialization,
    Missing,
    ModelFile,
    Scaling,
    Scope,
    UnitTest,
    read_model_file,
)
from recs_platform.warehouse.parameters import DEFAULT_PARAMETERS, Parameter
from recs_platform.warehouse.sql import ParsedSql, Placeholder, parse_sql, set_parameters
from recs_platform.warehouse.table_references import with_full_names


@dataclass(frozen=True)
class ModelColumn:
    """A column of a model: `dtype` is a DuckDB type; `scope` says whose property a feature is.

    `missing` and `scaling` say what a model that needs whole, scaled rows does with it.
    """

    name: str
    dtype: str
    description: str
    unit: str
    feature: bool
    scope: Scope | None
    missing: Missing | None
    scaling: Scaling | None
    tests: tuple[DataTest, ...]


@dataclass(frozen=True)
class Model:
    """One SQL model: `name` is `schema.table`; `grain` names what identifies a row, less `as_of`.

    `sql` is the file's text with the settings' values in it. `hash` (16 hex digits) changes when that or its types
    change, or those of any model upstream, and with nothing else.
    """

    name: str
    sql: str
    path: Path
    description: str
    columns: tuple[ModelColumn, ...]
    grain: tuple[str, ...]
    materialized: Materialization
    upstreams: tuple[str, ...]
    tests: tuple[DataTest, ...]
    unit_tests: tuple[UnitTest, ...]
    placeholders: tuple[Placeholder, ...]
    hash: str

    @property
    def schema(self) -> str:
        return self.name.split(".")[0]

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def uses_as_of(self) -> bool:
        return any(placeholder.name == c.AS_OF for placeholder in self.placeholders)

    @property
    def uses_known_at(self) -> bool:
        return any(placeholder.name == c.KNOWN_AT for placeholder in self.placeholders)


@dataclass(frozen=True)
class Models:
    """The models by name, in dependency order, beside the contract tables they may read.

    `broken` holds what is wrong with models of one's own that are left out, by name.
    """

    by_name: Mapping[str, Model]
    contracts: Mapping[str, TableContract]
    _as_of_names: frozenset[str] = field(repr=False)
    broken: Mapping[str, str] = field(default_factory=dict[str, str])

    def __contains__(self, name: object) -> bool:
        return name in self.by_name

    def __iter__(self) -> Iterator[Model]:
        return iter(self.by_name.values())

    def __len__(self) -> int:
        return len(self.by_name)

    def get(self, name: str) -> Model:
        """Raise UsageError when there is no such model."""
        if name in self.broken:
            raise UsageError(f"model {name!r} is left out: {self.broken[name]}")
        if name not in self.by_name:
            known = sorted(self.by_name)
            raise UsageError(f"no model {name!r}{did_you_mean(name, known) or '; there are: ' + ', '.join(known)}")
        return self.by_name[name]

    def without(self, broken: Mapping[str, str]) -> "Models":
        """The same, knowing what was left out."""
        return replace(self, broken=MappingProxyType(dict(broken)))

    def all(self) -> tuple[Model, ...]:
        """Every model after those it reads; the same order for the same files."""
        return tuple(self.by_name.values())

    def of(self, schema: str) -> tuple[Model, ...]:
        """Models of one schema, in dependency order."""
        return tuple(model for model in self if model.schema == schema)

    def upstreams(self, name: str, *, transitive: bool = True) -> tuple[str, ...]:
        """Tables a model reads: contract tables by name, then models in dependency order; a contract reads none."""
        if name in self.contracts:
            return ()
        found = set(self.get(name).upstreams)
        pending = [*found] if transitive else []
        while pending:
            upstream = pending.pop()
            above = set(self.by_name[upstream].upstreams if upstream in self.by_name else ()) - found
            found |= above
            pending.extend(above)
        return (*sorted(found & self.contracts.keys()), *(model.name for model in self if model.name in found))

    def is_as_of(self, name: str) -> bool:
        """Whether the rows of a model or contract table differ from one as_of to the next."""
        return name in self._as_of_names

    def types(self, name: str) -> dict[str, str]:
        """Column names with their DuckDB types, in order, of a model or contract table."""
        table = self.contracts[name] if name in self.contracts else self.get(name)
        return {column.name: column.dtype for column in table.columns}

    def grain(self, name: str) -> tuple[str, ...]:
        """Columns that identify a row of a model or contract table, less `as_of`."""
        return self.contracts[name].grain if name in self.contracts else self.get(name).grain


@dataclass(frozen=True)
class _Source:
    """A model as its two files say, before it is held against the others."""

    path: Path
    sql: str
    parsed: ParsedSql
    file: ModelFile


def load_models(
    folder: Path,
    contracts: Sequence[TableContract],
    parameters: Mapping[str, Parameter] = DEFAULT_PARAMETERS,
    *,
    names: Collection[str] | None = None,
    parse: Callable[[str], ParsedSql] = parse_sql,
) -> Models:
    """Read every `<schema>/<table>.sql` under `folder` with its yml; `$name` of a parameter becomes its value.

    `names`: only these, and the models that they read; what their ymls declare is not held against their SQL, which
    whoever loads all of them does. `parse`: reads a text, as `parse_sql` does.

    Raises ModelError naming the file for a missing or wrong yml, columns that differ from the final select in name or
    order, an unknown upstream table, a data test on an unknown column, a cycle, SQL that `parse_sql` refuses (such as
    an unknown placeholder), and an as-of table without `as_of`.
    """
    by_contract = {contract.name: contract for contract in contracts}
    if names is None:
        sources = _read_sources(folder, parameters, parse)
    else:
        sources = _read_some(folder, parameters, names, parse)
    columns: dict[str, Collection[str]] = {name: contract.column_names for name, contract in by_contract.items()}
    for name, source in sources.items():
        if name in by_contract:
            raise ModelError(f"{source.path}: {name} is a contract table, written by Python; rename the model")
        columns[name] = source.parsed.output_names
    if names is None:
        sources = {name: _checked(source, columns, by_contract) for name, source in sources.items()}
    order = _dependency_order(sources)
    models: dict[str, Model] = {}
    for name in order:
        models[name] = _model(name, sources[name], models)
    as_of_names = _as_of_names(models, by_contract)
    for model in models.values():
        _check_as_of(model, is_as_of=model.name in as_of_names)
    return Models(MappingProxyType(models), MappingProxyType(by_contract), as_of_names)


def add_model(models: Models, name: str, path: Path, parameters: Mapping[str, Parameter]) -> Models:
    """The models with one more after them. Raises ModelError naming the file, as `load_models` does."""
    source = _read_source(path, parameters)
    columns: dict[str, Collection[str]] = {
        **{each: contract.column_names for each, contract in models.contracts.items()},
        **{model.name: model.column_names for model in models},
        name: source.parsed.output_names,
    }
    source = _checked(source, columns, models.contracts)
    if name in source.parsed.tables:
        raise ModelError(f"{path}: the model reads itself")
    by_name = {**models.by_name, name: _model(name, source, models.by_name)}
    as_of_names = _as_of_names(by_name, models.contracts)
    _check_as_of(by_name[name], is_as_of=name in as_of_names)
    return Models(MappingProxyType(by_name), models.contracts, as_of_names)


def _read_sources(
    folder: Path, parameters: Mapping[str, Parameter], parse: Callable[[str], ParsedSql]
) -> dict[str, _Source]:
    if not folder.is_dir():
        raise ModelError(f"{folder} is missing: it holds the SQL models")
    sources: dict[str, _Source] = {}
    for path in sorted(folder.rglob("*.sql")):
        if path.parent.parent != folder:
            raise ModelError(f"{path}: a model lies in {folder}/<schema>/<table>.sql")
        sources[f"{path.parent.name}.{path.stem}"] = _read_source(path, parameters, parse)
    for path in sorted(folder.rglob("*.yml")):
        if f"{path.parent.name}.{path.stem}" not in sources:
            raise ModelError(f"{path} has no {path.stem}.sql beside it")
    return sources


def _read_some(
    folder: Path, parameters: Mapping[str, Parameter], names: Collection[str], parse: Callable[[str], ParsedSql]
) -> dict[str, _Source]:
    """Sources of these models and of the models upstream of them; a table without a file is no model."""
    sources: dict[str, _Source] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        path = (folder / name.replace(".", "/")).with_suffix(".sql")
        if name not in sources and path.is_file():
            sources[name] = _read_source(path, parameters, parse)
            waiting += sources[name].parsed.tables
    return sources


def _read_source(
    path: Path, parameters: Mapping[str, Parameter], parse: Callable[[str], ParsedSql] = parse_sql
) -> _Source:
    file = read_model_file(path.with_suffix(".yml"))
    try:
        sql = set_parameters(path.read_text(), parameters)
        return _Source(path, sql, parse(sql), file)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def _checked(source: _Source, columns: Mapping[str, Collection[str]], contracts: Collection[str]) -> _Source:
    """The source with full names of tables, held against the others."""
    models = [name for name in columns if name not in contracts]
    file = with_full_names(source.path, source.file, models, contracts)
    check_columns(source.path, file, source.parsed.output_names)
    check_upstreams(source.path, source.parsed.tables, file, columns)
    check_data_tests(source.path, file, columns)
    check_features(source.path, file)
    return replace(source, file=file)


def _dependency_order(sources: Mapping[str, _Source]) -> tuple[str, ...]:
    graph = {name: [table for table in sources[name].parsed.tables if table in sources] for name in sorted(sources)}
    try:
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        cycle: list[str] = error.args[1]
        files = ", ".join(str(sources[name].path) for name in dict.fromkeys(cycle))
        raise ModelError(f"{files}: models read each other: {' <- '.join(cycle)}") from error


def _model(name: str, source: _Source, upstream_models: Mapping[str, Model]) -> Model:
    file = source.file.model
    columns = tuple(
        ModelColumn(
            column.name, column.data_type, column.description, column.meta.unit, column.meta.feature,
            column.meta.scope, column.meta.missing, column.meta.scaling, column.data_tests,
        )
        for column in file.columns
    )  # fmt: skip
    return Model(
        name=name,
        sql=source.sql,
        path=source.path,
        description=file.description,
        columns=columns,
        grain=tuple(column for column in file.grain if column != c.AS_OF),
        materialized=file.materialized,
        upstreams=source.parsed.tables,
        tests=file.data_tests,
        unit_tests=source.file.unit_tests,
        placeholders=source.parsed.placeholders,
        hash=_identity(source.parsed, columns, upstream_models),
    )


def _identity(parsed: ParsedSql, columns: Sequence[ModelColumn], upstream_models: Mapping[str, Model]) -> str:
    digest = hashlib.sha256(parsed.normalized.encode())
    for column in columns:
        digest.update(f"\n{column.name} {column.dtype}".encode())
    for table in parsed.tables:
        digest.update(f"\n{table} {upstream_models[table].hash if table in upstream_models else ''}".encode())
    return digest.hexdigest()[:16]


def _as_of_names(models: Mapping[str, Model], contracts: Mapping[str, TableContract]) -> frozenset[str]:
    found = {contract.name for contract in contracts.values() if contract.is_as_of}
    for model in models.values():  # upstream models come first
        if model.uses_as_of or found.intersection(model.upstreams):
            found.add(model.name)
    return frozenset(found)


def _check_as_of(model: Model, *, is_as_of: bool) -> None:
    if is_as_of and model.materialized == "table" and c.AS_OF not in model.column_names:
        raise ModelError(f"{model.path}: the table differs by as_of; select `$as_of as as_of` first")
