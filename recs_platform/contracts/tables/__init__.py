"""Tables that Python writes: columns, types, meaning, grain. Tables of SQL models are described by their yml."""

from recs_platform.contracts.tables.features import ITEM_VECTORS
from recs_platform.contracts.tables.lists import (
    CANDIDATES,
    CHAMPION,
    CONTENDERS,
    CURRENT,
    INPUTS,
    ITEM_NEIGHBOURS,
    LISTS,
    LISTS_HISTORY,
    OFFER_COUNTS,
    RANKED,
    RELEASES,
    SHORT_LISTS,
    OfferedUnit,
)
from recs_platform.contracts.tables.raw import (
    CONSENTS,
    EVENT_FLAGS,
    EVENTS,
    IDENTITIES,
    INGESTIONS,
    ITEM_HISTORY,
    ITEM_TAGS,
    ITEMS,
    PERSONALIZATION,
    QUARANTINE,
    REMOVALS,
    USER_HISTORY,
    USERS,
)
from recs_platform.contracts.tables.reports import (
    BIAS,
    DATA_PROFILE,
    DRIFT,
    LIST_METRICS,
    OFFLINE_METRICS,
    PROMOTIONS,
    RETRIEVAL,
    RETRIEVAL_HISTORY,
    USER_METRICS,
    VERDICTS,
)
from recs_platform.contracts.tables.segments import (
    BEHAVIOUR_SEGMENTS,
    CLUSTER_PROFILES,
    CLUSTER_TRIALS,
    MIGRATIONS,
    SEGMENT_FACTORS,
)
from recs_platform.contracts.tables.table import Column, EventType, Range, TableContract

# Written together by ingestion, a batch at a time.
BATCH_TABLES = (
    EVENTS, ITEMS, USERS, ITEM_HISTORY, USER_HISTORY, ITEM_TAGS, IDENTITIES, CONSENTS, QUARANTINE, INGESTIONS,
)  # fmt: skip
RAW_TABLES = (*BATCH_TABLES, EVENT_FLAGS, REMOVALS)
AS_OF_TABLES = (
    INPUTS, CANDIDATES, OFFER_COUNTS, ITEM_NEIGHBOURS, ITEM_VECTORS, CHAMPION, CONTENDERS, RANKED, LISTS,
    SHORT_LISTS, OFFLINE_METRICS, USER_METRICS, LIST_METRICS, DATA_PROFILE, DRIFT, BIAS, RETRIEVAL, PROMOTIONS,
    VERDICTS, BEHAVIOUR_SEGMENTS, CLUSTER_TRIALS, CLUSTER_PROFILES, MIGRATIONS, SEGMENT_FACTORS,
)  # fmt: skip
# Never written: what models read of as_ofs before their own.
HISTORIES = (LISTS_HISTORY, RETRIEVAL_HISTORY)

__all__ = [
    "AS_OF_TABLES",
    "BATCH_TABLES",
    "BEHAVIOUR_SEGMENTS",
    "BIAS",
    "CANDIDATES",
    "CHAMPION",
    "CLUSTER_PROFILES",
    "CLUSTER_TRIALS",
    "CONSENTS",
    "CONTENDERS",
    "CURRENT",
    "DATA_PROFILE",
    "DRIFT",
    "EVENTS",
    "EVENT_FLAGS",
    "HISTORIES",
    "IDENTITIES",
    "INGESTIONS",
    "INPUTS",
    "ITEMS",
    "ITEM_HISTORY",
    "ITEM_NEIGHBOURS",
    "ITEM_TAGS",
    "ITEM_VECTORS",
    "LISTS",
    "LISTS_HISTORY",
    "LIST_METRICS",
    "MIGRATIONS",
    "OFFER_COUNTS",
    "OFFLINE_METRICS",
    "PERSONALIZATION",
    "PROMOTIONS",
    "QUARANTINE",
    "RANKED",
    "RAW_TABLES",
    "RELEASES",
    "REMOVALS",
    "RETRIEVAL",
    "RETRIEVAL_HISTORY",
    "SEGMENT_FACTORS",
    "SHORT_LISTS",
    "USERS",
    "USER_HISTORY",
    "USER_METRICS",
    "VERDICTS",
    "Column",
    "EventType",
    "OfferedUnit",
    "Range",
    "TableContract",
]
