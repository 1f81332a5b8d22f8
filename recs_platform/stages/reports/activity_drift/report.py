"""The report: every kind measured, corrected together, judged and drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import ACTIVITY_DRIFT
from recs_platform.stages.reports.activity_drift.judging import judge_kind, judge_silence, rows_of_silence, table_rows
from recs_platform.stages.reports.activity_drift.kinds import EVENT_MIX, KINDS
from recs_platform.stages.reports.activity_drift.measures import Compared, compare_mix, compare_spread
from recs_platform.stages.reports.activity_drift.page import sections
from recs_platform.stages.reports.activity_drift.periods import ActivityConfig, Mix
from recs_platform.stages.reports.inputs import ReportInputs
from recs_platform.stages.reports.report import ReportResult, write_report
from recs_platform.stages.reports.verdicts import verdict_rows

if TYPE_CHECKING:
    import polars as pl

NAME = "activity_drift"


def run(inputs: ReportInputs, config: ActivityConfig | None = None) -> ReportResult:
    """A verdict a kind: it warns, and never stops a release."""
    config = config or ActivityConfig()
    compared = measure(inputs, config)
    rows = table_rows(compared, inputs.as_of, config)
    silence = judge_silence(inputs.daily_mix, inputs.as_of, config)
    if silence is not None:
        rows = rows_of_silence(rows)
    judgements = [judge_kind(rows, kind.name) for kind in KINDS]
    if silence is not None:
        judgements = [silence if each.subject == EVENT_MIX else each for each in judgements]
    verdicts = verdict_rows(NAME, judgements, as_of=inputs.as_of)
    page = write_report(inputs, NAME, "Drift of activity", sections(compared, rows), verdicts)
    return ReportResult(ACTIVITY_DRIFT.name, rows, verdicts, page, numbers=_numbers(rows))


def measure(inputs: ReportInputs, config: ActivityConfig) -> list[Compared]:
    """Everything that is compared, by kind."""
    return [
        compare_mix(one, config, seed=inputs.seed)
        if isinstance(one, Mix)
        else compare_spread(one, config, seed=inputs.seed)
        for kind in KINDS
        for one in kind.make(inputs, config)
    ]


def _numbers(rows: pl.DataFrame) -> dict[str, float]:
    """How many rows of each kind drifted, where any could be compared."""
    known = rows.filter(rows[c.VALUE].is_not_null())
    return {
        f"drifted_{kind.name}": float(part.filter(c.IS_DRIFTED).height)
        for kind in KINDS
        if (part := known.filter(known[c.KIND] == kind.name)).height
    }
