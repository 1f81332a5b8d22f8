"""The report: every fact beside its past, corrected together, a verdict a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.counted import counted
from recs_platform.contracts.tables import DATA_QUALITY
from recs_platform.pages import amount, percent
from recs_platform.stages.reports.data_quality.arrivals import arrival_facts
from recs_platform.stages.reports.data_quality.catalogue import version_facts
from recs_platform.stages.reports.data_quality.events import event_facts
from recs_platform.stages.reports.data_quality.facts import EVERY, KINDS, DataQualityConfig, Fact, fact_rows
from recs_platform.stages.reports.data_quality.page import sections
from recs_platform.stages.reports.report import ReportResult, write_report
from recs_platform.stages.reports.verdicts import NO_DATA, Judgement, contract_frame, verdict_rows

if TYPE_CHECKING:
    from recs_platform.stages.reports.inputs import ReportInputs

NAME = "data_quality"
_NAMED_MAX = 5
_SHARES = ("share", "filled_of_expected")


def run(inputs: ReportInputs, config: DataQualityConfig | None = None) -> ReportResult:
    """A verdict a kind: it warns, and never stops a release; what must not flow on stops the ingestion."""
    config = config or DataQualityConfig()
    rows = fact_rows(measure(inputs, config), config)
    frame = contract_frame([{c.AS_OF: inputs.as_of, **row} for row in rows], DATA_QUALITY)
    verdicts = verdict_rows(NAME, [judge_kind(frame, kind) for kind in KINDS], as_of=inputs.as_of)
    page = write_report(
        inputs, NAME, "Data quality", sections(frame, inputs.daily_quality, inputs.as_of, config), verdicts
    )
    return ReportResult(DATA_QUALITY.name, frame, verdicts, page, numbers=_numbers(frame))


def measure(inputs: ReportInputs, config: DataQualityConfig) -> list[Fact]:
    """Every fact: of events, of catalogue and profiles, of what arrived."""
    found = [*event_facts(inputs.daily_quality, config)]
    for table, versions in inputs.versions.items():
        found.extend(version_facts(table, versions, config))
    return [*found, *arrival_facts(inputs.checked, inputs.ledger, config)]


def judge_kind(rows: pl.DataFrame, kind: str) -> Judgement:
    """A warning where any fact of the kind lies outside of its band; no_data where none could be judged, and why."""
    own = rows.filter(pl.col(c.KIND) == kind)
    judged = own.filter(pl.col(c.VERDICT) != NO_DATA)
    if judged.is_empty():
        reasons = own[c.MESSAGE].drop_nulls()
        why = f": {reasons[0]}" if len(reasons) else ": there is nothing of it"
        return Judgement(kind, NO_DATA, f"Too little is known to judge{why}.", None, None, 0)
    warned = judged.filter(pl.col(c.VERDICT) == "warn")
    sample = int(judged[c.SAMPLE_SIZE].sum())
    said = f"{warned.height} of {counted(judged.height, 'fact')} beyond what is usual here"
    each = _furthest(warned)
    named = "; ".join(in_words(row) for row in each.head(_NAMED_MAX).iter_rows(named=True))
    more = f"; and {each.height - _NAMED_MAX} more on the page" if each.height > _NAMED_MAX else ""
    message = f"{said}: {named}{more}." if named else f"{said}."
    return Judgement(kind, "warn" if warned.height else "pass", message, float(warned.height), 0.0, sample)


def in_words(row: dict[str, object]) -> str:
    """What is unusual of a row: whose, what, now and usually."""
    whose = ", ".join(str(row[name]) for name in (c.SOURCE, c.SEGMENT) if row[name] != EVERY)
    column = "" if row[c.COLUMN_NAME] == EVERY else f".{row[c.COLUMN_NAME]}"
    form = percent if str(row[c.METRIC]).endswith(_SHARES) else amount
    value, usual = row[c.VALUE], row[c.USUAL_VALUE]
    ends = [
        f"{word} {form(end)}"
        for word, end in (("at least", row[c.USUAL_LOW]), ("at most", row[c.USUAL_HIGH]))
        if isinstance(end, float)
    ]
    told = f"{row[c.TABLE_NAME]}{column}{f' ({whose})' if whose else ''}: {str(row[c.METRIC]).replace('_', ' ')} "
    told += form(value) if isinstance(value, float) else "unknown"
    usually = f"{form(usual)} usual, " if isinstance(usual, float) else ""
    note = f", {row[c.MESSAGE]}" if row[c.MESSAGE] else ""
    return f"{told} ({usually}{' and '.join(ends)} expected{note})"


def _furthest(rows: pl.DataFrame) -> pl.DataFrame:
    """A row a column and source: what the rules of ingestion found, else what surprises most."""
    whose = [c.TABLE_NAME, c.COLUMN_NAME, c.SOURCE]
    ordered = rows.sort(c.P_VALUE, *whose, c.SEGMENT, c.METRIC, nulls_last=False)
    return ordered.unique(whose, keep="first", maintain_order=True)


def _numbers(rows: pl.DataFrame) -> dict[str, float]:
    """How many facts of each kind are unusual, where any could be judged."""
    judged = rows.filter(pl.col(c.VERDICT) != NO_DATA)
    return {
        f"unusual_{kind}": float(own.filter(pl.col(c.VERDICT) == "warn").height)
        for kind in KINDS
        if (own := judged.filter(pl.col(c.KIND) == kind)).height
    }
