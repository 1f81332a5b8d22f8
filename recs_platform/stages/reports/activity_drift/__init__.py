"""Drift of what happens, beside that of features: events, catalogue, scores, lists, labels.

`periods` holds what is compared, `measures` the distances, `kinds` where each comes from, `judging` what is said of it,
`page` the page. Drift of features is in `stages.reports.drift`.
"""

from recs_platform.stages.reports.activity_drift.report import NAME, run

__all__ = ["NAME", "run"]
