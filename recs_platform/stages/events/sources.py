"""Sources: which raw files a data source brings, which SQL turns each into contract rows.

How a path fits a pattern is described in `file_names`, whether the SQL of a source can run in `source_sql`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recs_platform.contracts.errors import ModelError, UsageError
from recs_platform.contracts.spelling import did_you_mean
from recs_platform.contracts.tables import CONSENTS, EVENTS, IDENTITIES, ITEM_TAGS, ITEMS, USERS
from recs_platform.contracts.validation_errors import first_fault, line_of
from recs_platform.contracts.yaml_text import read_yaml
from recs_platform.stages.events.file_names import Fit, fit, partitions, plain_name

FileFormat = Literal["csv", "jsonl", "parquet"]

# The tables a source may feed, in the order in which their counts are reported.
SOURCE_TABLES = {contract.table: contract for contract in (EVENTS, ITEMS, USERS, ITEM_TAGS, IDENTITIES, CONSENTS)}
AS_IT_COMES = "any"
SOURCE_YML = "source.yml"

FORMATS: dict[str, FileFormat] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}
_DELIMITERS = {".tsv": "\t", ".tab": "\t"}
_DELIMITED_TEXT = (".txt", ".dat", ".psv")


class SourceFile(BaseModel):
    """One kind of raw file: how its path looks, what it holds, which tables it feeds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    match: str = Field(
        min_length=1,
        description="fnmatch pattern on the file name or, with a /, the path; without compression suffix, any case; "
        "`events.*` also takes parts such as events-00.csv and files below a folder `events`",
    )
    format: FileFormat | None = Field(default=None, description="absent: by the suffix")
    delimiter: Annotated[str | None, Field(pattern=r"^[^\"\r\n]$")] = Field(
        default=None, description="one character between values of a csv; absent: a comma, a tab in .tsv"
    )
    columns: dict[str, str] = Field(description="DuckDB type by column; `any` takes a Parquet column as it comes")
    required: tuple[str, ...] | None = Field(
        default=None, description="columns a csv or parquet must have; absent: all"
    )
    tables: tuple[str, ...]
    constants: dict[str, str] = Field(
        default={}, description="columns that have one value in every file of this kind; they need not be declared"
    )
    partitions: dict[str, str] = Field(
        default={}, description="values of columns that the path gives; filled in for each file, not in source.yml"
    )

    @property
    def required_columns(self) -> tuple[str, ...]:
        """Columns that the file itself must have."""
        needed = tuple(self.columns) if self.required is None else self.required
        return tuple(name for name in needed if name not in self.partitions)

    def format_of(self, name: str) -> FileFormat | None:
        """Format of a file of this name, None when neither the source nor the suffix tells."""
        suffix = Path(plain_name(name)).suffix
        is_delimited = self.delimiter is not None and suffix in _DELIMITED_TEXT
        return self.format or ("csv" if is_delimited else FORMATS.get(suffix))

    def fits(self, path: str) -> Fit | None:
        """How a path below the source's folder fits, None when it does not or its format is not known."""
        return fit(self.match, path) if self.format_of(path) is not None else None

    def of_file(self, path: str) -> "SourceFile":
        """The same for one file: its delimiter, and the columns whose values its folders tell."""
        by_lower = {name.lower(): name for name in self.columns}
        from_path = {by_lower[key.lower()]: value for key, value in partitions(path).items() if key.lower() in by_lower}
        delimiter = self.delimiter or _DELIMITERS.get(Path(plain_name(path)).suffix, ",")
        columns = {**self.columns, **dict.fromkeys(self.constants, "varchar")}
        from_path |= self.constants
        return self.model_copy(update={"partitions": from_path, "delimiter": delimiter, "columns": columns})


class SourceYml(BaseModel):
    """What source.yml says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str
    files: Annotated[tuple[SourceFile, ...], Field(min_length=1)]
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataSource:
    """A data source: its kinds of files in order and one SQL text a contract table."""

    name: str
    description: str
    files: tuple[SourceFile, ...]
    ignore: tuple[str, ...]
    sql: dict[str, str]
    folder: Path

    def file_for(self, path: str) -> SourceFile | None:
        """The kind of file that a path below the source's folder is, None when the source does not know it.

        A name goes before a part, a part before a folder; of several kinds that fit alike the first one wins.
        """
        fits = [(found, place) for place, kind in enumerate(self.files) if (found := kind.fits(path)) is not None]
        return self.files[min(fits)[1]].of_file(path) if fits else None

    def ignores(self, path: str) -> bool:
        name = PurePosixPath(path).name.lower()
        return any(fnmatchcase(name, pattern.lower()) for pattern in self.ignore)

    @property
    def expected(self) -> str:
        """The files it brings, for a message."""
        return ", ".join(kind.match for kind in self.files)


class Sources(dict[str, DataSource]):
    """Sources by name, in alphabetical order; an unknown name raises UsageError with the nearest and the known ones.

    `broken` holds what is wrong with sources of one's own that are left out, by name.
    """

    def __init__(self, sources: dict[str, DataSource], broken: dict[str, str] | None = None) -> None:
        super().__init__(sorted(sources.items()))
        self.broken = MappingProxyType(broken or {})

    def __missing__(self, name: str) -> DataSource:
        if name in self.broken:
            raise UsageError(f"source {name!r} is left out: {self.broken[name]}")
        known = ", ".join(self) or "none"
        raise UsageError(f"no source {name!r}{did_you_mean(name, [*self, *self.broken]) or f'; there are: {known}'}")


Proof = Callable[[DataSource], str | None]


def load_sources(folder: Path, own: Path | None = None, prove: Proof | None = None) -> Sources:
    """Read every `<folder>/<name>/source.yml` with its SQL, and those of one's own in `own`.

    Raises ModelError naming the file that is wrong. One of `own` that is wrong, that `prove` finds a fault with, or
    that has the name of another is left out, and is in `broken`.
    """
    packaged = {yml.parent.name: load_source(yml) for yml in sorted(folder.glob(f"*/{SOURCE_YML}"))}
    found, broken = dict(packaged), dict[str, str]()
    for each in _own_folders(own):
        if each.name in packaged:
            broken[each.name] = f"{each}: the platform has a source {each.name!r} already; rename the folder"
            continue
        try:
            source = load_source(each / SOURCE_YML)
        except (ModelError, OSError, UnicodeDecodeError) as error:
            broken[each.name] = str(error)
            continue
        fault = None if prove is None else prove(source)
        if fault is None:
            found[each.name] = source
        else:
            broken[each.name] = fault
    return Sources(found, broken)


def _own_folders(own: Path | None) -> list[Path]:
    if own is None or not own.is_dir():
        return []
    return sorted(path for path in own.iterdir() if path.is_dir() and not path.name.startswith("."))


def load_source(yml: Path) -> DataSource:
    """One source. Raises ModelError naming file, line and field."""
    if not yml.is_file():
        raise ModelError(f"{yml} is missing; it says which files the source reads")
    text = yml.read_text("utf-8")
    try:
        content: Any = read_yaml(text)
        read = SourceYml.model_validate(content)
    except yaml.YAMLError as error:
        raise ModelError(f"{yml}: not yaml: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        loc, fault = first_fault(error, SourceYml)
        line = line_of(text, loc)
        raise ModelError(f"{yml}{'' if line is None else f':{line}'}: {fault}") from None
    if read.name != yml.parent.name:
        raise ModelError(f"{yml}: name is {read.name!r}, its folder {yml.parent.name!r}; make them the same")
    for kind in read.files:
        _check_kind(yml, kind)
    tables = dict.fromkeys(table for kind in read.files for table in kind.tables)
    return DataSource(
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
    if kind.partitions:
        raise ModelError(f"{yml}: {kind.match}: partitions are read from the path of each file; declare the columns")
    if kind.format == "csv" or kind.delimiter is not None:
        wrong = [name for name, dtype in kind.columns.items() if dtype.lower() not in ("varchar", AS_IT_COMES)]
        _refuse(yml, kind, "is csv, whose columns are varchar, not so", wrong)


def _refuse(yml: Path, kind: SourceFile, what: str, names: Sequence[str]) -> None:
    if names:
        raise ModelError(f"{yml}: {kind.match} {what}: {', '.join(names)}")


def _read_sql(path: Path) -> str:
    if not path.is_file():
        raise ModelError(f"{path} is missing; source.yml says that a file feeds this table")
    return path.read_text("utf-8").rstrip().rstrip(";")
