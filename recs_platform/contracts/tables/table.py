"""What a table is: columns, types, meaning, grain; and the kinds of column that tables share. Names no table."""

from dataclasses import dataclass, replace
from enum import StrEnum

from recs_platform.contracts import columns as c


class EventType(StrEnum):
    """What a user did, or was shown."""

    IMPRESSION = "impression"
    VIEW = "view"
    CLICK = "click"
    SCROLL = "scroll"
    PLAY = "play"
    LIKE = "like"
    SHARE = "share"
    COMMENT = "comment"
    BOOKMARK = "bookmark"
    FOLLOW = "follow"
    DOWNLOAD = "download"
    RATING = "rating"
    CART_ADD = "cart_add"
    PURCHASE = "purchase"
    SUBSCRIBE = "subscribe"
    DISMISS = "dismiss"


@dataclass(frozen=True)
class Range:
    """Numbers from `lowest` to `highest`, both within it unless `is_above` leaves out the lowest."""

    lowest: float
    highest: float
    is_above: bool = False

    def __str__(self) -> str:
        return f"{'above' if self.is_above else 'at least'} {self.lowest:g} and at most {self.highest:g}"


@dataclass(frozen=True)
class Column:
    """A column: `dtype` is a DuckDB type; `unit` is empty where the value has none.

    `within` is what rows are refused for at ingestion, and what every model that reads the column may rely on.
    """

    name: str
    dtype: str
    description: str
    required: bool = False
    unit: str = ""
    within: Range | None = None


@dataclass(frozen=True)
class TableContract:
    """A table of the lake: `name` is `schema.table`; `grain` names the columns that identify a row.

    With `history_of` it is never written: it is that table's rows of every as_of before the one that reads it.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    grain: tuple[str, ...]
    partition_by: tuple[str, ...] = ()
    history_of: str | None = None

    @property
    def schema(self) -> str:
        return self.name.split(".")[0]

    @property
    def table(self) -> str:
        return self.name.split(".")[1]

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def is_as_of(self) -> bool:
        return c.AS_OF in self.partition_by

    def with_columns(self, *extra: Column) -> "TableContract":
        return replace(self, columns=(*self.columns, *extra))


def text(name: str, description: str, required: bool = False) -> Column:
    """A VARCHAR column."""
    return Column(name, "VARCHAR", description, required)


def instant(name: str, description: str, required: bool = False) -> Column:
    """A TIMESTAMPTZ column, in UTC."""
    return Column(name, "TIMESTAMPTZ", description, required, "UTC")


def count(name: str, description: str, required: bool = True, unit: str = "rows") -> Column:
    """A BIGINT column that counts."""
    return Column(name, "BIGINT", description, required, unit)


def number(name: str, description: str, unit: str = "", required: bool = False, within: Range | None = None) -> Column:
    """A DOUBLE column."""
    return Column(name, "DOUBLE", description, required, unit, within)


AS_OF = instant(c.AS_OF, "Only events before this instant were used", required=True)
USER = text(c.USER_ID, "The user", required=True)
ITEM = text(c.ITEM_ID, "The item", required=True)
INGESTED = instant(c.INGESTED_AT, "When the platform learned of the row", required=True)
