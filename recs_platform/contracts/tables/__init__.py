"""Tables that Python writes: columns, types, meaning, grain. Tables of SQL models are described by their yml."""

from recs_platform.contracts.tables.drift import (
    ACTIVITY_DRIFT,
    ACTIVITY_DRIFT_HISTORY,
    DATA_PROFILE,
    DATA_QUALITY,
    DRIFT,
    DRIFT_HISTORY,
)
from recs_platform.contracts.tables.features import INPUTS, ITEM_VECTORS
from recs_platform.contracts.tables.lists import (
    LIST_REFERENCES,
    LISTS,
    LISTS_HISTORY,
    RULE_CONFLICTS,
    SCORE_PARTS,
    SHARED_LISTS,
    SHORT_LISTS,
    SURFACE_LISTS,
)
from recs_platform.contracts.tables.metrics import (
    LIST_METRICS,
    OFFLINE_HISTORY,
    OFFLINE_METRICS,
    PROMOTIONS,
    RETRIEVAL,
    RETRIEVAL_HISTORY,
    USER_METRICS,
)
from recs_platform.contracts.tables.probability import PROBABILITY, TESTED_LISTS
from recs_platform.contracts.tables.ranking import CHAMPION, CONTENDERS, RANKED
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
from recs_platform.contracts.tables.releases import (
    CURRENT,
    LIST_CHANGES,
    LIST_EXPIRY,
    PERSONAL_LISTS,
    RELEASED_LISTS,
    RELEASES,
    RELEASES_IN_FORCE,
)
from recs_platform.contracts.tables.reports import BIAS, BUSINESS, EDGE_CASES, EXPERIMENTS, OFF_POLICY, VERDICTS
from recs_platform.contracts.tables.retrieval import CANDIDATES, ITEM_NEIGHBOURS, OFFER_COUNTS, OfferedUnit
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
    SHORT_LISTS, SHARED_LISTS, LIST_REFERENCES, RULE_CONFLICTS, SURFACE_LISTS, SCORE_PARTS,
    OFFLINE_METRICS, USER_METRICS, LIST_METRICS, TESTED_LISTS, PROBABILITY, DATA_PROFILE, DATA_QUALITY, DRIFT,
    ACTIVITY_DRIFT, BIAS, EDGE_CASES, BUSINESS, RETRIEVAL, EXPERIMENTS, OFF_POLICY,
    PROMOTIONS, VERDICTS, BEHAVIOUR_SEGMENTS, CLUSTER_TRIALS, CLUSTER_PROFILES, MIGRATIONS, SEGMENT_FACTORS,
)  # fmt: skip
# Never written: what models read of as_ofs before their own.
HISTORIES = (LISTS_HISTORY, RETRIEVAL_HISTORY, OFFLINE_HISTORY, DRIFT_HISTORY, ACTIVITY_DRIFT_HISTORY)

__all__ = [
    "ACTIVITY_DRIFT",
    "ACTIVITY_DRIFT_HISTORY",
    "AS_OF_TABLES",
    "BATCH_TABLES",
    "BEHAVIOUR_SEGMENTS",
    "BIAS",
    "BUSINESS",
    "CANDIDATES",
    "CHAMPION",
    "CLUSTER_PROFILES",
    "CLUSTER_TRIALS",
    "CONSENTS",
    "CONTENDERS",
    "CURRENT",
    "DATA_PROFILE",
    "DATA_QUALITY",
    "DRIFT",
    "DRIFT_HISTORY",
    "EDGE_CASES",
    "EVENTS",
    "EVENT_FLAGS",
    "EXPERIMENTS",
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
    "LIST_CHANGES",
    "LIST_EXPIRY",
    "LIST_METRICS",
    "LIST_REFERENCES",
    "MIGRATIONS",
    "OFFER_COUNTS",
    "OFFLINE_HISTORY",
    "OFFLINE_METRICS",
    "OFF_POLICY",
    "PERSONALIZATION",
    "PERSONAL_LISTS",
    "PROBABILITY",
    "PROMOTIONS",
    "QUARANTINE",
    "RANKED",
    "RAW_TABLES",
    "RELEASED_LISTS",
    "RELEASES",
    "RELEASES_IN_FORCE",
    "REMOVALS",
    "RETRIEVAL",
    "RETRIEVAL_HISTORY",
    "RULE_CONFLICTS",
    "SCORE_PARTS",
    "SEGMENT_FACTORS",
    "SHARED_LISTS",
    "SHORT_LISTS",
    "SURFACE_LISTS",
    "TESTED_LISTS",
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
