"""Business: what people did, by release and segment, with intervals, the hold-out beside.

`measures` holds the metrics, `report` the verdicts, `page` the page. Experiments have a report of their own.
"""

from recs_platform.stages.reports.business.report import NAME, run

__all__ = ["NAME", "run"]
