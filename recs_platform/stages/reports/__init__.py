"""Reports: what is measured before a release, each with verdicts. Adding one is a module and a line in REPORTS."""

from recs_platform.contracts.tables import (
    ACTIVITY_DRIFT,
    BIAS,
    BUSINESS,
    CHAMPION,
    CONTENDERS,
    DATA_PROFILE,
    DATA_QUALITY,
    DRIFT,
    EDGE_CASES,
    EVENTS,
    EXPERIMENTS,
    INGESTIONS,
    ITEM_NEIGHBOURS,
    LIST_METRICS,
    LIST_REFERENCES,
    LISTS,
    OFF_POLICY,
    OFFER_COUNTS,
    OFFLINE_METRICS,
    PROBABILITY,
    RANKED,
    RETRIEVAL,
    SHARED_LISTS,
    TESTED_LISTS,
    USER_METRICS,
)
from recs_platform.stages.reports import (
    activity_drift,
    bias,
    business,
    data_profile,
    data_quality,
    drift,
    edge_cases,
    experiments,
    off_policy,
    offline,
    probability,
    retrieval,
)
from recs_platform.stages.reports.checked import Checked
from recs_platform.stages.reports.data_quality.catalogue import brought, standing
from recs_platform.stages.reports.drift import compared_users
from recs_platform.stages.reports.edge_lists import EdgeLists
from recs_platform.stages.reports.experiments import EXPERIMENT_DAYS
from recs_platform.stages.reports.inputs import ReportInputs
from recs_platform.stages.reports.offers import IndexFacts, Offers, RetrievalFacts, offer_rows
from recs_platform.stages.reports.report import Report, ReportResult
from recs_platform.stages.reports.verdicts import worst

_SEGMENTS, _USERS, _ITEMS = "segments.user_segments", "staging.stg_users", "staging.stg_items"
_USER_FEATURES, _ITEM_FEATURES = "features.user_features", "features.item_features"
# Read by what begins with events and asks for no model that reads them: its inputs are held against the as-of's.
_OPTED_OUT, _FLAGS = "staging.stg_opted_out", "raw.event_flags"
DAILY_MIX = "staging.stg_daily_mix"
WEEKLY_OUTCOMES, LISTED_USERS = "staging.stg_weekly_outcomes", "staging.stg_listed_users"
DAILY_QUALITY = "staging.stg_daily_quality"
ITEM_VERSIONS, USER_VERSIONS = "staging.stg_item_versions", "staging.stg_user_versions"
DRIFT_REPORTS = (drift.NAME, activity_drift.NAME)
DRIFT_TABLES = (_USER_FEATURES, _ITEM_FEATURES)
REPORTS = (
    Report(
        data_profile.NAME,
        "What the events are like, and what was chosen from it",
        DATA_PROFILE,
        data_profile.run,
        reads=("staging.stg_interactions", _USERS, "staging.stg_catalogue"),
    ),
    Report(
        data_quality.NAME,
        "Nulls, ranges, volumes, freshness, duplicates and unknown ids beside this home's own history",
        DATA_QUALITY,
        data_quality.run,
        reads=(DAILY_QUALITY, ITEM_VERSIONS, USER_VERSIONS, EVENTS.name, INGESTIONS.name, _OPTED_OUT, _FLAGS),
    ),
    Report(
        offline.NAME,
        "Offline metrics beside popularity and every single source",
        OFFLINE_METRICS,
        offline.run,
        reads=(USER_METRICS.name, LIST_METRICS.name, DATA_PROFILE.name, _SEGMENTS),
    ),
    Report(
        probability.NAME,
        "Whether listed items are chosen as often as their probability says",
        PROBABILITY,
        probability.run,
        reads=(TESTED_LISTS.name,),
    ),
    Report(
        drift.NAME,
        "Drift of features beyond that of quiet periods",
        DRIFT,
        drift.run,
        reads=(*DRIFT_TABLES, DATA_PROFILE.name, CHAMPION.name, "ranking.ranker"),
        recomputes=DRIFT_TABLES,
    ),
    Report(
        activity_drift.NAME,
        "Drift of events, catalogue, scores, lists and labels beyond that of quiet periods",
        ACTIVITY_DRIFT,
        activity_drift.run,
        reads=(DAILY_MIX, _ITEMS, LISTS.name, _ITEM_FEATURES, RANKED.name),
    ),
    Report(
        bias.NAME,
        "Exposure of items and quality by user group",
        BIAS,
        bias.run,
        reads=(
            *(LISTS.name, _ITEM_FEATURES, USER_METRICS.name, LIST_METRICS.name, _USERS, _ITEMS),
            *(_USER_FEATURES, TESTED_LISTS.name, "ranking.training_set"),
        ),
    ),
    Report(
        edge_cases.NAME,
        "Lists of made-up users: nothing known, everything consumed, far too much of it",
        EDGE_CASES,
        edge_cases.run,
        reads=(
            *(_ITEMS, _USERS, _ITEM_FEATURES, "features.item_transitions", ITEM_NEIGHBOURS.name),
            *("retrieval.embeddings", "retrieval.item_index", CHAMPION.name, CONTENDERS.name, "ranking.ranker"),
        ),
        recomputes=(_ITEM_FEATURES, _USERS),
    ),
    Report(
        business.NAME,
        "Clicks, conversions, dwell, return and visits, by release and segment, the hold-out beside",
        BUSINESS,
        business.run,
        reads=(WEEKLY_OUTCOMES, LISTED_USERS, _SEGMENTS),
    ),
    Report(
        retrieval.NAME,
        "Candidates and indexes: recall, overlap, coverage, size",
        RETRIEVAL,
        retrieval.run,
        reads=(
            OFFER_COUNTS.name,
            "retrieval.item_index",
            USER_METRICS.name,
            DATA_PROFILE.name,
            _SEGMENTS,
            _USERS,
            _ITEMS,
        ),
    ),
    Report(
        experiments.NAME,
        "Experiments: every variant against its control",
        EXPERIMENTS,
        experiments.run,
        reads=(EXPERIMENT_DAYS,),
    ),
    Report(
        off_policy.NAME,
        "What releases would have earned on the log of others",
        OFF_POLICY,
        off_policy.run,
        reads=(LISTS.name, SHARED_LISTS.name, LIST_REFERENCES.name, "staging.stg_resolved_events", _OPTED_OUT, _FLAGS),
    ),
)

__all__ = [
    "DAILY_MIX",
    "DAILY_QUALITY",
    "DRIFT_REPORTS",
    "DRIFT_TABLES",
    "EXPERIMENT_DAYS",
    "ITEM_VERSIONS",
    "LISTED_USERS",
    "REPORTS",
    "USER_VERSIONS",
    "WEEKLY_OUTCOMES",
    "Checked",
    "EdgeLists",
    "IndexFacts",
    "Offers",
    "Report",
    "ReportInputs",
    "ReportResult",
    "RetrievalFacts",
    "brought",
    "compared_users",
    "offer_rows",
    "standing",
    "worst",
]
