"""Retrieval: what candidates hold of what users go on to consume, what sources share and cover, how large indexes are.

Counting what sources offer is in `offers`, the page in `retrieval_page`.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from recs_platform.contracts import columns as c
from recs_platform.contracts.counted import counted
from recs_platform.contracts.tables import RETRIEVAL
from recs_platform.evaluation.metrics import CANDIDATE_RECALL
from recs_platform.stages.reports.inputs import ReportInputs
from recs_platform.stages.reports.offers import (
    ALL,
    COVERAGE,
    OTHER_SOURCE,
    ROWS_PER_USER,
    SHARE,
    Offers,
    RetrievalFacts,
    index_rows,
    offer_rows,
)
from recs_platform.stages.reports.offline import summarize_metrics
from recs_platform.stages.reports.offline_names import EVERYONE, chosen_protocol
from recs_platform.stages.reports.report import ReportResult, write_report
from recs_platform.stages.reports.retrieval_page import sections
from recs_platform.stages.reports.verdicts import Judgement, contract_frame, verdict_rows

if TYPE_CHECKING:
    import polars as pl

NAME = "retrieval"
ALL_CANDIDATES = "candidates"
SOURCES_SUBJECT = "enabled sources"


class RetrievalReportConfig(BaseModel):
    """When retrieval is worth a look. It never blocks: what must not flow on is stopped by `recall_audit`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recall_fall: Annotated[
        float, Field(gt=0, le=1, description="warn when the whole interval is below this share of the last recall")
    ] = 0.8
    users_min: Annotated[int, Field(ge=2, description="fewer held-out user windows: no_data")] = 30
    coverage_min: Annotated[
        float, Field(ge=0, le=1, description="least share of the items that so many candidates could cover at most")
    ] = 0.1


def measure_retrieval(
    facts: RetrievalFacts,
    user_metrics: pl.DataFrame,
    user_segments: pl.DataFrame,
    *,
    as_of: datetime,
    horizon_days: int,
    seed: int,
) -> pl.DataFrame:
    """Rows of `reports.retrieval`, ordered by metric, source, segment, other_source, share.

    `user_metrics` has the columns of `reports.user_metrics`, `user_segments` user_id, segment_name, one row a user.
    candidate_recall is reported for one protocol, see `chosen_protocol`; its intervals resample users. What was not
    measured has no rows.
    """
    counted = [*offer_rows(facts.offers), *index_rows(facts.indexes)]
    recall = _recall_rows(user_metrics, user_segments, as_of=as_of, horizon_days=horizon_days, seed=seed)
    rows = [{c.AS_OF: as_of, c.SEGMENT: EVERYONE, **row} for row in (*recall, *counted)]
    return contract_frame(rows, RETRIEVAL).sort(c.METRIC, c.SOURCE, c.SEGMENT, OTHER_SOURCE, SHARE)


def run(inputs: ReportInputs, config: RetrievalReportConfig | None = None) -> ReportResult:
    """The report, judged and written as a page with what was measured as of earlier instants."""
    facts = inputs.retrieval
    frame = measure_retrieval(
        facts,
        inputs.user_metrics,
        inputs.user_segments,
        as_of=inputs.as_of,
        horizon_days=inputs.horizon_days,
        seed=inputs.seed,
    )
    judgements = judge_retrieval(frame, facts, config or RetrievalReportConfig())
    verdicts = verdict_rows(NAME, judgements, as_of=inputs.as_of)
    page = write_report(inputs, NAME, "Retrieval", sections(frame, facts), verdicts)
    return ReportResult(RETRIEVAL.name, frame, verdicts, page, numbers=_numbers(frame))


def judge_retrieval(retrieval: pl.DataFrame, facts: RetrievalFacts, config: RetrievalReportConfig) -> list[Judgement]:
    """Three judgements: recall beside the last one, sources that offer nothing, items that nobody is offered."""
    return [
        _judge_recall(_everyone(retrieval, CANDIDATE_RECALL), facts.earlier, config),
        _judge_sources(_everyone(retrieval, ROWS_PER_USER), facts),
        _judge_coverage(_everyone(retrieval, COVERAGE), facts.offers, config),
    ]


def _judge_recall(found: dict[str, dict[str, Any]], earlier: pl.DataFrame, config: RetrievalReportConfig) -> Judgement:
    import polars as pl

    now = found.get(ALL, {})
    users, high = int(now.get(c.SAMPLE_SIZE, 0)), now.get(c.CI_HIGH)
    if high is None or users < config.users_min:
        text = f"{counted(users, 'held-out user window')}; {config.users_min} are needed."
        return Judgement(CANDIDATE_RECALL, "no_data", text, sample_size=users)
    recalls = earlier.filter(metric=CANDIDATE_RECALL, source=ALL, segment=EVERYONE)
    alike = recalls.filter(pl.col(c.PROTOCOL) == now[c.PROTOCOL]).sort(c.AS_OF)
    if alike.is_empty():
        text = (
            f"Nothing to hold it against yet: {now[c.VALUE]:.4f} over {users:,} user windows, "
            f"and no earlier as-of was measured by {now[c.PROTOCOL]}."
        )
        return Judgement(CANDIDATE_RECALL, "no_data", text, float(now[c.VALUE]), sample_size=users)
    last = alike.row(-1, named=True)
    limit = config.recall_fall * last[c.VALUE]
    text = (
        f"{now[c.VALUE]:.4f}, at most {high:.4f} (95 %), over {users} user windows; {last[c.VALUE]:.4f} as of "
        f"{last[c.AS_OF]:%Y-%m-%d %H:%M}; limit {limit:.4f}."
    )
    return Judgement(CANDIDATE_RECALL, "warn" if high < limit else "pass", text, float(high), limit, users)


def _judge_sources(found: dict[str, dict[str, Any]], facts: RetrievalFacts) -> Judgement:
    """Sources without any candidate are named; one that had candidates in the previous as-of is a warning."""
    offers = facts.offers
    if not (offers.enabled and offers.known_users and offers.eligible_items):
        return Judgement(SOURCES_SUBJECT, "no_data", f"{len(offers.enabled)} sources, {_describe(offers)}.")
    empty = [source for source in offers.enabled if not found[source][c.VALUE]]
    emptied = sorted(set(empty) & _had_candidates(facts.earlier))
    text = (
        f"{len(empty)} of {len(offers.enabled)} offer no candidates{': ' if empty else ''}{', '.join(empty)}; "
        f"{len(emptied)} of them did at the previous as-of{': ' if emptied else ''}{', '.join(emptied)}."
    )
    return Judgement(SOURCES_SUBJECT, "warn" if emptied else "pass", text, float(len(emptied)), 0.0, offers.known_users)


def _had_candidates(earlier: pl.DataFrame) -> set[str]:
    """Sources that offered candidates at the previous as-of."""
    import polars as pl

    rows = earlier.filter(pl.col(c.AS_OF) == pl.col(c.AS_OF).max(), metric=ROWS_PER_USER, segment=EVERYONE)
    return set(rows.filter(pl.col(c.VALUE) > 0)[c.SOURCE])


def _describe(offers: Offers) -> str:
    return f"{offers.known_users} known users and {offers.eligible_items} eligible items"


def _judge_coverage(found: dict[str, dict[str, Any]], offers: Offers, config: RetrievalReportConfig) -> Judgement:
    if not (offers.known_users and offers.eligible_items):
        return Judgement(COVERAGE, "no_data", f"{_describe(offers)}.")
    if not offers.row_count:
        text = (
            f"No user has any candidate, of {_describe(offers)}: everybody has consumed all that could be offered, or "
            "no source had any."
        )
        return Judgement(COVERAGE, "warn", text, 0.0, None, offers.eligible_items)
    value = float(found[ALL][c.VALUE])
    limit = config.coverage_min * min(offers.eligible_items, offers.row_count) / offers.eligible_items
    passed = value >= limit
    text = (
        f"{value:.1%} of {offers.eligible_items} eligible items are somebody's candidate, of {offers.row_count} "
        f"candidates; limit {limit:.1%}."
    )
    return Judgement(COVERAGE, "pass" if passed else "warn", text, value, limit, offers.eligible_items)


def _recall_rows(
    user_metrics: pl.DataFrame, user_segments: pl.DataFrame, *, as_of: datetime, horizon_days: int, seed: int
) -> list[dict[str, Any]]:
    import polars as pl

    found = user_metrics.filter(pl.col(c.METRIC) == CANDIDATE_RECALL)
    one = found.filter(pl.col(c.PROTOCOL) == pl.lit(chosen_protocol(found), pl.String))
    summary = summarize_metrics(one, user_segments, as_of=as_of, horizon_days=horizon_days, seed=seed)
    kept = [c.METRIC, c.SEGMENT, c.VALUE, c.CI_LOW, c.CI_HIGH, c.PROTOCOL]
    source = pl.col(c.MODEL).replace(ALL_CANDIDATES, ALL).alias(c.SOURCE)
    return summary.select(*kept, source, pl.col(c.N_USERS).alias(c.SAMPLE_SIZE)).to_dicts()


def _everyone(retrieval: pl.DataFrame, metric: str) -> dict[str, dict[str, Any]]:
    """The metric's rows over every segment, by source."""
    rows = retrieval.filter(metric=metric, segment=EVERYONE)
    return {row[c.SOURCE]: row for row in rows.iter_rows(named=True)}


def _numbers(retrieval: pl.DataFrame) -> dict[str, float]:
    """Recall and coverage of all candidates, recall of each source."""
    recall = {source: float(row[c.VALUE]) for source, row in _everyone(retrieval, CANDIDATE_RECALL).items()}
    whole = {CANDIDATE_RECALL: recall.pop(ALL)} if ALL in recall else {}
    covered = _everyone(retrieval, COVERAGE).get(ALL)
    return (
        whole
        | {f"{CANDIDATE_RECALL}/{source}": value for source, value in recall.items()}
        | ({} if covered is None else {COVERAGE: float(covered[c.VALUE])})
    )
