"""The yml beside a SQL model: its keys, their types and the tests it may declare. SQL is not read here."""

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import yaml
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from recs_platform.contracts.errors import ModelError, UsageError
from recs_platform.contracts.spelling import did_you_mean
from recs_platform.contracts.time import parse_instant
from recs_platform.contracts.validation_errors import first_fault, line_of

Scope = Literal["user", "item", "pair"]
Materialization = Literal["table", "view", "temporary"]
# never: every row has it; constant: absence is a number that the description names; left: missing, as trees take it;
# mean, median: missing, and a model that needs whole rows fills in that of the rows it was fitted on.
Missing = Literal["never", "constant", "left", "mean", "median"]
Scaling = Literal["z_score", "min_max"]
Row = dict[str, Any]

_TYPES = (
    "VARCHAR", "DOUBLE", "FLOAT", "INTEGER", "BIGINT", "SMALLINT", "TINYINT", "BOOLEAN", "DATE", "TIMESTAMP",
    "TIMESTAMPTZ",
)  # fmt: skip
_DECIMAL = re.compile(r"DECIMAL\(\d{1,2}, ?\d{1,2}\)")

# Arguments of each data test: those it needs, and those it may have.
_TEST_ARGUMENTS: dict[str, tuple[set[str], set[str]]] = {
    "not_null": (set(), set()),
    "unique": (set(), {"columns"}),
    "accepted_values": ({"values"}, set()),
    "range": (set(), {"min", "max"}),
    "relationships": ({"to", "field"}, {"column"}),
    "expression": ({"expression"}, set()),
}
_SHORT_FORMS = {"accepted_values": "values", "expression": "expression"}


class DataTest(BaseModel):
    """One declared test, for example kind `range` with arguments `{"min": 0}`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    arguments: Row = {}


def _read_test(entry: object) -> object:
    """`not_null` or `{range: {min: 0}}` or `{expression: "a <= b"}` as a DataTest."""
    if isinstance(entry, str):
        entry = {entry: {}}
    if not isinstance(entry, dict) or len(cast("Row", entry)) != 1:
        raise ValueError("a data test is a name, or one name with its arguments")
    kind, arguments = next(iter(cast("Row", entry).items()))
    if kind not in _TEST_ARGUMENTS:
        known = sorted(_TEST_ARGUMENTS)
        raise ValueError(f"unknown data test {kind!r}{did_you_mean(kind, known) or f'; known are {known}'}")
    if not isinstance(arguments, dict) and kind in _SHORT_FORMS:
        arguments = {_SHORT_FORMS[kind]: arguments}
    needed, allowed = _TEST_ARGUMENTS[kind]
    given = set(cast("Row", arguments)) if isinstance(arguments, dict) else {"?"}
    if not needed <= given <= needed | allowed:
        raise ValueError(f"data test {kind!r} takes {sorted(needed)} and may take {sorted(allowed)}")
    return DataTest(kind=kind, arguments=cast("Row", arguments))


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


_Test = Annotated[DataTest, BeforeValidator(_read_test)]
_Instant = Annotated[AwareDatetime, BeforeValidator(_read_instant)]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class UnitTest(_File):
    """Given rows by table and the rows to expect; each instant stands in for the other where one is given."""

    name: str
    description: str = ""
    as_of: _Instant | None = None
    known_at: _Instant | None = None
    given: dict[str, tuple[Row, ...]]
    expect: tuple[Row, ...]


class ColumnFile(_File):
    """A column of the yml."""

    name: str
    data_type: Annotated[str, BeforeValidator(_read_type)]
    description: Annotated[str, Field(min_length=1)]
    unit: str = ""
    feature: bool = False
    scope: Scope | None = None
    missing: Missing | None = None
    scaling: Scaling | None = None
    data_tests: tuple[_Test, ...] = ()


class ModelFile(_File):
    """The yml of one model."""

    name: str
    description: Annotated[str, Field(min_length=1)]
    materialized: Materialization = "table"
    grain: tuple[str, ...]
    columns: Annotated[tuple[ColumnFile, ...], Field(min_length=1)]
    data_tests: tuple[_Test, ...] = ()
    unit_tests: tuple[UnitTest, ...] = ()


def read_model_file(path: Path) -> ModelFile:
    """Read one yml. Raises ModelError naming the file and the key that is wrong."""
    if not path.is_file():
        raise ModelError(f"{path.parent.name}/{path.name} is missing: every model has a yml beside its SQL")
    try:
        text = path.read_text("utf-8")
        content = yaml.load(text, Loader=_loader())  # noqa: S506  a safe loader, the one in C where it is
    except yaml.YAMLError as error:
        raise ModelError(f"{path}: not yaml: {' '.join(str(error).split())}") from error
    try:
        file = ModelFile.model_validate(content)
    except ValidationError as error:
        loc, fault = first_fault(error, ModelFile)
        line = line_of(text, loc)
        raise ModelError(f"{path}{'' if line is None else f':{line}'}: {fault}") from None
    if file.name != path.stem:
        raise ModelError(f"{path}: name is {file.name!r}, the file says {path.stem!r}")
    return file


@cache
def _loader() -> type[yaml.SafeLoader] | type[yaml.CSafeLoader]:
    """The loader written in C reads a yml ten times as fast; not every platform has it."""
    return yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
