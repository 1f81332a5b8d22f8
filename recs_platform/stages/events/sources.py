"""Sources: which raw files a data source brings, which SQL turns each into contract rows. No file is read here."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recs_platform.contracts.errors import ModelError, UsageError
from recs_platform.contracts.tables import CONSENTS, EVENTS, IDENTITIES, ITEM_TAGS, ITEMS, USERS

FileFormat = Literal["csv", "jsonl", "parquet"]

# The tables a source may feed, in the order their counts are told.
SOURCE_TABLES = {contract.table: contract for contract in (EVENTS, ITEMS, USERS, ITEM_TAGS, IDENTITIES, CONSENTS)}
COMPRESSIONS = (".gz", ".zst", ".zip")
AS_IT_COMES = "any"

_FORMATS: dict[str, FileFormat] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}


class SourceFile(BaseModel):
    """One kind of raw file: how its name looks, what it holds, which tables it feeds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    match: str = Field(description="fnmatch pattern on the file name, without its compression suffix; any case")
    format: FileFormat | None = Field(default=None, description="absent: told by the suffix")
    columns: dict[str, str] = Field(description="DuckDB type by column; `any` takes a Parquet column as it comes")
    required: tuple[str, ...] | None = Field(
        default=None, description="columns a csv or parquet must have; absent: all"
    )
    tables: tuple[str, ...]

    @property
    def required_columns(self) -> tuple[str, ...]:
        return tuple(self.columns) if self.required is None else self.required

    def format_of(self, name: str) -> FileFormat | None:
        """Format of a file of this name, None when neither the source nor the suffix tells."""
        return self.format or _FORMATS.get(Path(plain_name(name)).suffix)

    def matches(self, name: str) -> bool:
        return fnmatchcase(plain_name(name), self.match.lower()) and self.format_of(name) is not None


class _SourceYml(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str
    files: tuple[SourceFile, ...]
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A data source: its kinds of files in order (first match wins) and one SQL text a contract table."""

    name: str
    description: str
    files: tuple[SourceFile, ...]
    ignore: tuple[str, ...]
    sql: dict[str, str]
    folder: Path

    def file_for(self, name: str) -> SourceFile | None:
        """The kind of file that `name` is, None when the source does not know it."""
        return next((kind for kind in self.files if kind.matches(name)), None)

    def ignores(self, name: str) -> bool:
        return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in self.ignore)

    @property
    def expected(self) -> str:
        """The files it brings, for a message."""
        return ", ".join(kind.match for kind in self.files)


class Sources(dict[str, Source]):
    """Sources by name, in alphabetical order; an unknown name raises UsageError with the known ones."""

    def __missing__(self, name: str) -> Source:
        raise UsageError(f"unknown source {name!r}; known: {', '.join(self) or 'none'}")


def load_sources(folder: Path) -> dict[str, Source]:
    """Read every `<folder>/<name>/source.yml` with its SQL. Raises ModelError naming the file that is wrong."""
    ymls = sorted(folder.glob("*/source.yml"))
    return Sources({yml.parent.name: _load_source(yml) for yml in ymls})


def plain_name(name: str) -> str:
    """The file name in lower case, without folders and compression suffix.

    >>> plain_name("a/Ratings.CSV.gz")
    'ratings.csv'
    """
    plain = Path(name).name.lower()
    return plain.removesuffix(next((suffix for suffix in COMPRESSIONS if plain.endswith(suffix)), ""))


def _load_source(yml: Path) -> Source:
    try:
        content: Any = yaml.safe_load(yml.read_text("utf-8"))
        read = _SourceYml.model_validate(content)
    except (yaml.YAMLError, ValidationError) as error:
        raise ModelError(f"{yml}: {error}") from None
    if read.name != yml.parent.name:
        raise ModelError(f"{yml}: name is {read.name!r}, its folder {yml.parent.name!r}; make them the same")
    for kind in read.files:
        _check_kind(yml, kind)
    tables = dict.fromkeys(table for kind in read.files for table in kind.tables)
    return Source(
        name=read.name,
        description=read.description,
        files=read.files,
        ignore=read.ignore,
        sql={table: _read_sql(yml.parent / f"{table}.sql") for table in tables},
        folder=yml.parent,
    )


def _check_kind(yml: Path, kind: SourceFile) -> None:
    _refuse(yml, kind, "feeds unknown tables", [table for table in kind.tables if table not in SOURCE_TABLES])
    _refuse(
        yml, kind, "requires undeclared columns", [name for name in kind.required_columns if name not in kind.columns]
    )
    if not kind.tables or not kind.columns:
        raise ModelError(f"{yml}: {kind.match} needs at least one table and one column")
    if kind.format == "csv":
        wrong = [name for name, dtype in kind.columns.items() if dtype.lower() not in ("varchar", AS_IT_COMES)]
        _refuse(yml, kind, "is csv, whose columns are varchar, not so", wrong)


def _refuse(yml: Path, kind: SourceFile, what: str, names: Sequence[str]) -> None:
    if names:
        raise ModelError(f"{yml}: {kind.match} {what}: {', '.join(names)}")


def _read_sql(path: Path) -> str:
    if not path.is_file():
        raise ModelError(f"{path} is missing; source.yml says that a file feeds this table")
    return path.read_text("utf-8").strip().rstrip(";")
