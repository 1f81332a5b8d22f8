"""Off-policy: what lists would have earned on the log, two releases side by side.

The coming lists are held against the release in force on impressions logged from the as-of on, where the lake has any;
the release in force against the one before it on those of its own time. Lists are never held against a log that they
were made from. The numbers come from `evaluation.off_policy`, the log from the pipeline.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import OFF_POLICY
from recs_platform.pages import Section
from recs_platform.stages.reports.held_lists import Comparison, Held
from recs_platform.stages.reports.inputs import ReportInputs
from recs_platform.stages.reports.report import ReportResult, write_report
from recs_platform.stages.reports.verdicts import NO_DATA, Judgement, contract_frame, verdict_rows

if TYPE_CHECKING:
    from recs_platform.evaluation.off_policy import Estimate

NAME = "off_policy"
COMING, IN_FORCE, BEFORE = "coming", "in_force", "before"
LOGGED = "logged"
# The estimator that decides: where the log overlaps it is right if either the chances or the reward model are.
DECIDES = "doubly_robust"
_COMPARED = {
    COMING: "coming: the lists of this as-of, which are not released yet, against the release in force (in_force).",
    IN_FORCE: "in_force: the release in force against the one before it (before).",
}
_DIGITS = 4


def judge(found: Comparison) -> Judgement:
    """A warning where the lists earn less than the others surely; no verdict where the log cannot tell."""
    if found.of is None or found.instead is None:
        return Judgement(found.subject, NO_DATA, found.why)
    lacks = [
        f"{held.policy}: {'; '.join(held.overlap.lacks)}" for held in (found.of, found.instead) if held.overlap.lacks
    ]
    rows = found.of.overlap.n_rows
    if lacks:
        return Judgement(found.subject, NO_DATA, f"Not estimable from this log: {'. '.join(lacks)}.", sample_size=rows)
    mine, other = _deciding(found.of), _deciding(found.instead)
    if not all(map(math.isfinite, (mine.high, other.low))):
        why = "No 95 % interval can be worked out: the log has one user, or no reward of it differs."
        return Judgement(found.subject, NO_DATA, why, sample_size=rows)
    said = (
        f"{found.of.policy} {mine.value:.5f} ({mine.low:.5f} to {mine.high:.5f}) clicks of a shown item, "
        f"{found.instead.policy} {other.value:.5f} ({other.low:.5f} to {other.high:.5f}), over {found.n_users:,} users."
        f" Only an interval of {found.of.policy} that ends below the other's warns."
    )
    verdict = "warn" if mine.high < other.low else "pass"
    return Judgement(found.subject, verdict, said, mine.high, other.low, rows)


def _deciding(held: Held) -> Estimate:
    return next(each for each in held.estimates if each.estimator == DECIDES)


def table_rows(found: Comparison) -> Iterator[Mapping[str, Any]]:
    """Rows of reports.off_policy without their as-of: every estimate of both, and what the log itself earned."""
    if found.of is None or found.instead is None or found.logged is None:
        return
    for held in (found.of, found.instead):
        overlap = held.overlap
        for each in (*held.estimates, found.logged):
            numbers = {c.VALUE: each.value, c.CI_LOW: each.low, c.CI_HIGH: each.high, c.EFFECTIVE_ROWS: each.ess}
            yield {
                c.SUBJECT: found.subject, c.POLICY: held.policy, c.ESTIMATOR: each.estimator, c.K: found.k,
                c.RELEASE_ID: held.release_id, c.ROW_COUNT: overlap.n_rows, c.N_USERS: found.n_users,
                c.SUPPORTED_SHARE: overlap.supported, c.IS_ESTIMABLE: not overlap.lacks,
                # NaN is what could not be worked out: missing in a table.
                **{name: value for name, value in numbers.items() if value == value},  # noqa: PLR0124
            }  # fmt: skip


def run(inputs: ReportInputs) -> ReportResult:
    """The report: one comparison a subject."""
    found = inputs.held_lists
    rows = [{c.AS_OF: inputs.as_of} | dict(row) for each in found for row in table_rows(each)]
    frame = contract_frame(rows, OFF_POLICY)
    verdicts = verdict_rows(NAME, [judge(each) for each in found], as_of=inputs.as_of)
    page = write_report(inputs, NAME, "Off-policy: releases held against the log", _sections(found, frame), verdicts)
    return ReportResult(OFF_POLICY.name, frame, verdicts, page)


def _sections(found: Sequence[Comparison], frame: Any) -> list[Section]:  # noqa: ANN401 - polars is imported late
    import polars as pl
    import polars.selectors as cs

    told = (
        "Mean clicks of a shown item that each would have earned, with 95 % intervals by user. Believe nothing of it "
        "where is_estimable is false: the log did not show enough of what the lists show."
    )
    return [
        Section(
            each.subject,
            f"{_COMPARED[each.subject]} {each.why or told}",
            None
            if each.of is None
            else frame.filter(pl.col(c.SUBJECT) == each.subject)
            .drop(c.AS_OF, c.SUBJECT)
            .with_columns(cs.float().round_sig_figs(_DIGITS)),
        )
        for each in found
    ]
