"""The yml beside a SQL model: its keys and their types, in dbt's words.

Data tests are read in `data_test_files`, SQL in `sql`.
"""

import re
from pathlib import Path
from typing import Annotated, Literal, cast

import yaml
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from recs_platform.contracts.errors import ModelError, UsageError
from recs_platform.contracts.time import parse_instant
from recs_platform.contracts.validation_errors import first_fault, line_of
from recs_platform.contracts.yaml_text import read_yaml
from recs_platform.warehouse.data_test_files import DataTest, Row, read_data_test

Scope = Literal["user", "item", "pair"]
Materialization = Literal["table", "view", "temporary"]
# never: every row has it; constant: absence is a number that the description names; left: missing, as trees take it;
# mean, median: missing, and a model that needs whole rows fills in that of the rows it was fitted on.
Missing = Literal["never", "constant", "left", "mean", "median"]
Scaling = Literal["z_score", "min_max"]

_TYPES = (
    "VARCHAR", "DOUBLE", "FLOAT", "INTEGER", "BIGINT", "SMALLINT", "TINYINT", "BOOLEAN", "DATE", "TIMESTAMP",
    "TIMESTAMPTZ",
)  # fmt: skip
_DECIMAL = re.compile(r"DECIMAL\(\d{1,2}, ?\d{1,2}\)")
_README = "see 'The yml beside a model' in dbt_like_sql/README.md"


def _read_type(text: object) -> object:
    """A DuckDB type in capitals, one that a Delta table can hold."""
    name = str(text).upper()
    if name.removesuffix("[]") not in _TYPES and not _DECIMAL.fullmatch(name):
        raise ValueError(f"unknown data type {text!r}; known are {_TYPES}, DECIMAL(p,s) and lists such as VARCHAR[]")
    return name


def _read_instant(value: object) -> object:
    try:
        return parse_instant(str(value))
    except UsageError as error:
        raise ValueError(str(error)) from error


_Test = Annotated[DataTest, BeforeValidator(read_data_test)]
_Instant = Annotated[AwareDatetime, BeforeValidator(_read_instant)]


class _File(BaseModel):
    """Keys of the version before are refused by name, with what is written instead."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _refuse_old_keys(cls, content: object) -> object:
        moved = _MOVED.get(cls.__name__, {})
        found = [name for name in moved if isinstance(content, dict) and name in content]
        if found:
            raise ValueError(f"{found[0]!r} is written {moved[found[0]]} now; {_README}")
        return cast("object", content)


_MOVED: dict[str, dict[str, str]] = {
    "UnitTest": dict.fromkeys(("as_of", "known_at"), "overrides: {vars: {as_of: …, known_at: …}}"),
    "ColumnFile": {key: f"meta: {{{key}: …}}" for key in ("unit", "feature", "scope", "missing", "scaling")},
    "ModelEntry": {"materialized": "config: {materialized: …}", "grain": "meta: {grain: […]}"},
    "ModelFile": dict.fromkeys(("name", "columns"), "models: [{name: …, columns: …}]"),
}


class Given(_File):
    """Rows of a table that a unit test gives."""

    input: str
    rows: tuple[Row, ...]


class _Expected(_File):
    rows: tuple[Row, ...]


class _Instants(_File):
    as_of: _Instant | None = None
    known_at: _Instant | None = None


class _Overrides(_File):
    vars: _Instants = _Instants()


class UnitTest(_File):
    """Given rows by table and the rows to expect; each instant stands in for the other where one is given."""

    name: str
    model: str
    description: str = ""
    overrides: _Overrides = _Overrides()
    given: tuple[Given, ...] = ()
    expect: _Expected

    @property
    def as_of(self) -> AwareDatetime | None:
        return self.overrides.vars.as_of

    @property
    def known_at(self) -> AwareDatetime | None:
        return self.overrides.vars.known_at

    @property
    def tables(self) -> dict[str, tuple[Row, ...]]:
        """Given rows by table; its full name once the models are loaded."""
        return {given.input: given.rows for given in self.given}


class ColumnMeta(_File):
    """What dbt has no key for."""

    unit: str = ""
    feature: bool = False
    scope: Scope | None = None
    missing: Missing | None = None
    scaling: Scaling | None = None


class ColumnFile(_File):
    """A column of the yml."""

    name: str
    data_type: Annotated[str, BeforeValidator(_read_type)]
    description: Annotated[str, Field(min_length=1)]
    meta: ColumnMeta = ColumnMeta()
    data_tests: tuple[_Test, ...] = ()


class _ModelConfig(_File):
    materialized: Materialization = "table"


class _ModelMeta(_File):
    grain: tuple[str, ...]


class ModelEntry(_File):
    """A model of the yml."""

    name: str
    description: Annotated[str, Field(min_length=1)]
    config: _ModelConfig = _ModelConfig()
    meta: _ModelMeta
    columns: Annotated[tuple[ColumnFile, ...], Field(min_length=1)]
    data_tests: tuple[_Test, ...] = ()

    @property
    def materialized(self) -> Materialization:
        return self.config.materialized

    @property
    def grain(self) -> tuple[str, ...]:
        return self.meta.grain


class ModelFile(_File):
    """The yml of one model."""

    version: Literal[2] = 2
    models: Annotated[tuple[ModelEntry, ...], Field(min_length=1, max_length=1)]
    unit_tests: tuple[UnitTest, ...] = ()

    @property
    def model(self) -> ModelEntry:
        return self.models[0]


def read_model_file(path: Path) -> ModelFile:
    """Read one yml. Raises ModelError naming the file and the key that is wrong."""
    if not path.is_file():
        raise ModelError(f"{path.parent.name}/{path.name} is missing: every model has a yml beside its SQL")
    try:
        text = path.read_text("utf-8")
        content = read_yaml(text)
    except yaml.YAMLError as error:
        raise ModelError(f"{path}: not yaml: {' '.join(str(error).split())}") from error
    try:
        file = ModelFile.model_validate(content)
    except ValidationError as error:
        loc, fault = first_fault(error, ModelFile)
        line = line_of(text, loc)
        raise ModelError(f"{path}{'' if line is None else f':{line}'}: {fault}") from None
    if file.model.name != path.stem:
        raise ModelError(f"{path}: name is {file.model.name!r}, the file says {path.stem!r}")
    _check_unit_tests(path, file)
    return file


def _check_unit_tests(path: Path, file: ModelFile) -> None:
    for test in file.unit_tests:
        if test.model != file.model.name:
            raise ModelError(f"{path}: unit test {test.name!r} is of model {test.model!r}; its yml is another file")
        if len(test.tables) < len(test.given):
            raise ModelError(f"{path}: unit test {test.name!r} gives rows of one input twice; put them together")
