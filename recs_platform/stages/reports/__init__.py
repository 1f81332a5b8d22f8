"""Reports: what is measured before a release, each with verdicts. Adding one is a module and a line in REPORTS."""

from recs_platform.contracts.tables import BIAS, CANDIDATES, DRIFT, OFFLINE_METRICS, RETRIEVAL
from recs_platform.stages.reports import bias, drift, offline, retrieval
from recs_platform.stages.reports.offers import IndexFacts, Offers, RetrievalFacts, offer_rows
from recs_platform.stages.reports.verdicts import Report, ReportInputs, ReportResult, worst

REPORTS = (
    Report(offline.NAME, "Offline metrics beside popularity and every single source", OFFLINE_METRICS, offline.run),
    Report(drift.NAME, "Drift of features since the previous as-of", DRIFT, drift.run),
    Report(bias.NAME, "Exposure by popularity tier and quality by user group", BIAS, bias.run),
    Report(
        retrieval.NAME,
        "Candidates and indexes: recall, overlap, coverage, size",
        RETRIEVAL,
        retrieval.run,
        reads=(CANDIDATES.name, "retrieval.item_index"),
    ),
)

__all__ = [
    "REPORTS",
    "IndexFacts",
    "Offers",
    "Report",
    "ReportInputs",
    "ReportResult",
    "RetrievalFacts",
    "offer_rows",
    "worst",
]
