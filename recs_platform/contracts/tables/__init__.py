"""Tables that Python writes: columns, types, meaning, grain. Tables of SQL models are described by their yml."""

from recs_platform.contracts.tables.lists import (
    CANDIDATES,
    CURRENT,
    ITEM_NEIGHBOURS,
    LISTS,
    RANKED,
    RELEASES,
    SHORT_LISTS,
)
from recs_platform.contracts.tables.raw import (
    EVENTS,
    INGESTIONS,
    ITEM_HISTORY,
    ITEM_TAGS,
    ITEMS,
    QUARANTINE,
    USER_HISTORY,
    USERS,
)
from recs_platform.contracts.tables.reports import BIAS, DRIFT, LIST_METRICS, OFFLINE_METRICS, USER_METRICS, VERDICTS
from recs_platform.contracts.tables.table import Column, EventType, TableContract

RAW_TABLES = (EVENTS, ITEMS, USERS, ITEM_HISTORY, USER_HISTORY, ITEM_TAGS, QUARANTINE, INGESTIONS)
AS_OF_TABLES = (
    CANDIDATES, ITEM_NEIGHBOURS, RANKED, LISTS, SHORT_LISTS, OFFLINE_METRICS, USER_METRICS, LIST_METRICS,
    DRIFT, BIAS, VERDICTS,
)  # fmt: skip

__all__ = [
    "AS_OF_TABLES",
    "BIAS",
    "CANDIDATES",
    "CURRENT",
    "DRIFT",
    "EVENTS",
    "INGESTIONS",
    "ITEMS",
    "ITEM_HISTORY",
    "ITEM_NEIGHBOURS",
    "ITEM_TAGS",
    "LISTS",
    "LIST_METRICS",
    "OFFLINE_METRICS",
    "QUARANTINE",
    "RANKED",
    "RAW_TABLES",
    "RELEASES",
    "SHORT_LISTS",
    "USERS",
    "USER_HISTORY",
    "USER_METRICS",
    "VERDICTS",
    "Column",
    "EventType",
    "TableContract",
]
