"""The profile of the data: what the events are like, and what a home that names nothing does about it.

The facts are measured in `evaluation.data_profile`, the choices made in `pipeline.fitting`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import DATA_PROFILE
from recs_platform.pages import Section, amount
from recs_platform.stages.reports.inputs import ReportInputs
from recs_platform.stages.reports.report import ReportResult, write_report
from recs_platform.stages.reports.verdicts import NO_DATA, Judgement, contract_frame, verdict_rows

if TYPE_CHECKING:
    import polars as pl

NAME = "data_profile"
_GLOBAL = "global"
_SECTIONS = (
    ("choice", "Choices", "What is in force; a line of recs.toml fixes any of them."),
    ("fact", "Facts", "Measured on what lies before the first test."),
    ("trial", "Trials", "What a choice was made from."),
)


def run(inputs: ReportInputs) -> ReportResult:
    """The report: a warning where no horizon leaves windows that lie in the future of all users."""
    rows = inputs.data_profile
    frame = contract_frame(rows.with_columns(_as_of(inputs)), DATA_PROFILE)
    verdicts = verdict_rows(NAME, [judge_protocol(inputs.protocol, rows)], as_of=inputs.as_of)
    page = write_report(inputs, NAME, "Profile of the data", _sections(rows), verdicts)
    return ReportResult(DATA_PROFILE.name, frame, verdicts, page)


def judge_protocol(protocol: str, rows: pl.DataFrame) -> Judgement:
    """Whether quality is measured on a time split: one within each user's history flatters what follows others."""
    choice = rows.filter((rows[c.KIND] == "choice") & (rows[c.NAME] == c.HORIZON_DAYS))
    if choice.is_empty():
        return Judgement(c.PROTOCOL, NO_DATA, "There are no events to look at.")
    return Judgement(c.PROTOCOL, "pass" if protocol == _GLOBAL else "warn", str(choice[c.MESSAGE].item()))


def _as_of(inputs: ReportInputs) -> pl.Expr:
    import polars as pl

    return pl.lit(inputs.as_of).alias(c.AS_OF)


def _sections(rows: pl.DataFrame) -> list[Section]:
    import polars as pl

    # Counts, days and shares stand in one column: each as it is read.
    shown = rows.with_columns(pl.col(c.VALUE).map_elements(amount, return_dtype=pl.String))
    return [Section(title, text, shown.filter(shown[c.KIND] == kind).drop(c.KIND)) for kind, title, text in _SECTIONS]
