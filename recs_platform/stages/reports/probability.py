"""Whether the probability that a listed item is chosen came true in the test windows.

It is learned in `pipeline.training.probabilities`, from windows before the tests; the formulas are in `evaluation`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import PROBABILITY
from recs_platform.evaluation.probability import Reliability, brier_skill, reliability
from recs_platform.pages import Interval, Section, interval_table, percent
from recs_platform.stages.reports.inputs import ReportInputs
from recs_platform.stages.reports.report import ReportResult, write_report
from recs_platform.stages.reports.verdicts import NO_DATA, Judgement, contract_frame, verdict_rows

if TYPE_CHECKING:
    import polars as pl

NAME = "probability"
_SUBJECT = "probability of being chosen"


class ProbabilityConfig(BaseModel):
    """What predicted probabilities are held to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bins: Annotated[int, Field(ge=2, le=100, description="bins of as many items each")] = 10
    excess_max: Annotated[
        float, Field(gt=0, description="share of the chosen items by which the expected ones may miss them")
    ] = 0.25
    chosen_min: Annotated[int, Field(ge=1, description="fewer chosen items: no_data")] = 50


def run(inputs: ReportInputs, config: ProbabilityConfig | None = None) -> ReportResult:
    """The report: bins by predicted probability with the share that was chosen, judged and drawn."""
    config = config or ProbabilityConfig()
    told = inputs.tested_lists
    told = told.filter(told[c.PROBABILITY].is_not_null())
    found = {
        str(protocol): reliability(*_arrays(rows), bins=config.bins)
        for (protocol,), rows in told.group_by(c.PROTOCOL, maintain_order=True)
    }
    frame = contract_frame(
        [{c.AS_OF: inputs.as_of, **row} for protocol, each in found.items() for row in _bins(protocol, each)],
        PROBABILITY,
    )
    verdicts = verdict_rows(NAME, [judge_probabilities(told, config)], as_of=inputs.as_of)
    sections = [_section(protocol, each) for protocol, each in found.items()] or [_nothing()]
    page = write_report(inputs, NAME, "Probability of being chosen", sections, verdicts)
    return ReportResult(PROBABILITY.name, frame, verdicts, page, numbers=numbers(told, found))


def judge_probabilities(told: pl.DataFrame, config: ProbabilityConfig) -> Judgement:
    """Whether as many items were chosen as the probabilities sum to; `told`: probability, was_chosen."""
    chosen = int(told[c.WAS_CHOSEN].sum())
    if chosen < config.chosen_min:
        text = f"{chosen} listed items with a probability were chosen; {config.chosen_min} are needed."
        return Judgement(_SUBJECT, NO_DATA, text, sample_size=told.height)
    expected = float(told[c.PROBABILITY].sum())
    excess = expected / chosen - 1
    text = (
        f"Of {told.height:,} listed items {expected:,.0f} were expected to be chosen, {chosen:,} were: "
        f"{percent(abs(excess))} too {'many' if excess >= 0 else 'few'} expected."
    )
    passed = abs(excess) <= config.excess_max
    return Judgement(_SUBJECT, "pass" if passed else "warn", text, excess, config.excess_max, told.height)


def numbers(told: pl.DataFrame, found: dict[str, Reliability]) -> dict[str, float]:
    """Expected calibration error, and the Brier skill over one and the same probability for every item."""
    if not found:
        return {}
    predicted, chosen = _arrays(told)
    errors = [each.calibration_error for each in found.values()]
    share = float(chosen.mean())
    skill = {"brier_skill": brier_skill(predicted, chosen, share)} if 0 < share < 1 else {}
    return {
        "calibration_error": max(errors),
        "expected_chosen_share": float(predicted.mean()),
        "chosen_share": share,
    } | skill


def _arrays(rows: pl.DataFrame) -> tuple[Any, Any]:
    return rows[c.PROBABILITY].to_numpy(), rows[c.WAS_CHOSEN].to_numpy()


def _bins(protocol: str, found: Reliability) -> list[dict[str, Any]]:
    names = (c.PREDICTED, c.OBSERVED, c.CI_LOW, c.CI_HIGH, c.ITEM_COUNT)
    columns = (found.predicted, found.observed, found.low, found.high, found.counts)
    values = zip(*(each.tolist() for each in columns), strict=True)
    return [{c.PROTOCOL: protocol, c.BIN: at, **dict(zip(names, row, strict=True))} for at, row in enumerate(values, 1)]


def _section(protocol: str, found: Reliability) -> Section:
    rows = zip(found.predicted, found.observed, found.low, found.high, strict=True)
    return Section(
        f"Predicted and chosen ({protocol})",
        f"{found.counts.sum():,} items of final lists in the test windows, in {len(found.counts)} bins of as many by "
        "the probability that they were given from earlier windows alone. Where the probability of a bin is true, it "
        "lies within the 95 % interval of the share that was chosen nineteen times in twenty; the mean distance is "
        f"{100 * found.calibration_error:.2f} %. The verdict is of the sum over all bins.",
        figure=interval_table(
            [Interval(f"predicted {100 * predicted:.2f} %", share, low, high) for predicted, share, low, high in rows],
            corner="items",
            title="share chosen",
            form=percent,
        ),
    )


def _nothing() -> Section:
    return Section("Predicted and chosen", "No window before the tests taught a probability.")
