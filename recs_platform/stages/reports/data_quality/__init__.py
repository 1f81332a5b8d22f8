"""Data quality: what the data are now beside what they were on earlier days and ingestions of this home.

`facts` holds one fact and its band, `events`, `catalogue` and `arrivals` where facts come from, `report` what is said
of them, `page` the page. How activity drifts is in `stages.reports.activity_drift`.
"""

from recs_platform.stages.reports.data_quality.report import NAME, run

__all__ = ["NAME", "run"]
