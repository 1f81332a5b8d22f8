"""Tables of the published file: their columns, and where their rows come from.

They are written in `published_writer`; the file is built and moved into place in `publish`.
"""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownParameterType=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import content_key
from recs_platform.contracts.tables import TableContract
from recs_platform.warehouse.models import Model

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


@dataclass(frozen=True)
class PublishedColumn:
    """A column of the published file; `dtype` is a DuckDB type."""

    name: str
    dtype: str
    description: str
    unit: str = ""

    @property
    def comment(self) -> str:
        return f"{self.description} [{self.unit}]" if self.unit else self.description


@dataclass(frozen=True)
class Instead:
    """In the place of rows of a release with a key in the file `of`: those of the file `rows`, none where None."""

    of: Path
    key: tuple[str, ...]
    rows: Path | None


@dataclass(frozen=True)
class Refused:
    """Users (user_id) of whom no list of any release stays that has an item of a source beside these.

    Of a table without sources no row of theirs stays.
    """

    users: "pl.DataFrame"
    impersonal: tuple[str, ...]

    @cached_property
    def keys(self) -> frozenset[str]:
        """Hashes of the users' ids."""
        return frozenset(blake2b(user.encode(), digest_size=8).hexdigest() for user in self.users[c.USER_ID])


@dataclass(frozen=True)
class PublishedTable:
    """A table of the published file: `rows` as given, else those of the lake table of that name, none if absent.

    `releases`: Parquet files by release_id, a column that they lack, in the place of a lake table; `instead`: what is
    shown in the place of some of their rows; `refused`: whose lists are left out. `view`: SQL over
    tables of the file that are written before; then it is a view, whose rows are counted where `is_counted`: some take
    long to compute. `defaults`: SQL of columns that older files lack, null without.
    `as_ofs_max`: instants that it keeps, those that the
    file keeps where None.
    """

    name: str
    description: str
    columns: tuple[PublishedColumn, ...]
    partition_by: tuple[str, ...] = ()
    rows: "pl.DataFrame | pa.Table | None" = None
    releases: Mapping[str, Sequence[Path]] | None = None
    instead: Mapping[str, Instead] = field(default_factory=dict[str, Instead])
    refused: Refused | None = None
    view: str | None = None
    is_counted: bool = True
    defaults: Mapping[str, str] = field(default_factory=dict[str, str])
    as_ofs_max: int | None = None

    @property
    def is_as_of(self) -> bool:
        return self.releases is None and c.AS_OF in self.partition_by

    @property
    def key(self) -> str | None:
        """The column by which its parts are replaced, None where it has no parts."""
        return c.RELEASE_ID if self.releases is not None else c.AS_OF if self.is_as_of else None

    @property
    def types(self) -> dict[str, str]:
        return {column.name: column.dtype for column in self.columns}

    @property
    def definition(self) -> str:
        """Hash of all but the rows."""
        columns = [(column.name, column.dtype, column.comment) for column in self.columns]
        said = {"comment": self.description, "columns": columns, "partition_by": self.partition_by, "view": self.view}
        return content_key(said)


def published_contract(contract: TableContract, rows: "pl.DataFrame | pa.Table | None" = None) -> PublishedTable:
    """A contract table, from the lake or from `rows`."""
    columns = tuple(PublishedColumn(col.name, col.dtype, col.description, col.unit) for col in contract.columns)
    return PublishedTable(contract.name, contract.description, columns, contract.partition_by, rows)


def published_model(model: Model, *, is_as_of: bool) -> PublishedTable:
    """A stored model, from the lake."""
    columns = tuple(PublishedColumn(col.name, col.dtype, col.description, col.unit) for col in model.columns)
    return PublishedTable(model.name, model.description, columns, (c.AS_OF,) if is_as_of else ())
