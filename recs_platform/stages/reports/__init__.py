"""Reports: what is measured before a release, each with verdicts. Adding one is a module and a line in REPORTS."""

from recs_platform.contracts.tables import BIAS, DRIFT, OFFLINE_METRICS
from recs_platform.stages.reports import bias, drift, offline
from recs_platform.stages.reports.verdicts import Report, ReportInputs, ReportResult, worst

REPORTS = (
    Report(offline.NAME, "Offline metrics beside popularity and every single source", OFFLINE_METRICS, offline.run),
    Report(drift.NAME, "Drift of features since the previous as-of", DRIFT, drift.run),
    Report(bias.NAME, "Exposure by popularity tier and quality by user group", BIAS, bias.run),
)

__all__ = ["REPORTS", "Report", "ReportInputs", "ReportResult", "worst"]
