"""Experiments: users by variant from their days, every variant against the control, and whether the split holds.

What may be concluded is worked out in `evaluation.experiments`; days come from `staging.stg_experiment_days`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from recs_platform.contracts import columns as c
from recs_platform.contracts.exposures import INTERLEAVED
from recs_platform.contracts.tables import EXPERIMENTS
from recs_platform.evaluation.experiments.anytime import ALPHA, USERS_MIN
from recs_platform.evaluation.experiments.reading import EVERYBODY, Exposed, Outcome, Reading, read_experiment
from recs_platform.evaluation.experiments.sample_ratio import P_MIN
from recs_platform.pages import Section
from recs_platform.stages.reports.experiments_page import preference_section, split_sections
from recs_platform.stages.reports.inputs import ReportInputs
from recs_platform.stages.reports.interleaving import (
    SHARE_OF_WINS,
    preference_of,
    preference_row,
    preference_sentence,
)
from recs_platform.stages.reports.report import ReportResult, write_report
from recs_platform.stages.reports.verdicts import NO_DATA, Judgement, contract_frame, verdict_rows

if TYPE_CHECKING:
    import polars as pl

    from recs_platform.contracts.experiments import ExperimentSettings
    from recs_platform.evaluation.experiments.interleaving import Preference

NAME = "experiments"
EXPERIMENT_DAYS = "staging.stg_experiment_days"
SAMPLE_RATIO = "sample_ratio"
# Numerator, denominator (None: users) and covariate of each metric; the covariate is summed before the first exposure.
_METRICS: Mapping[str, tuple[str, str | None, str]] = {
    "click_through_rate": (c.CLICKED_COUNT, c.IMPRESSION_COUNT, c.INTERACTION_COUNT),
    "interactions_per_user": (c.INTERACTION_COUNT, None, c.INTERACTION_COUNT),
    "conversions_per_user": (c.CONVERSION_COUNT, None, c.CONVERSION_COUNT),
    "conversion_value_per_user": (c.CONVERSION_VALUE, None, c.CONVERSION_VALUE),
}
METRICS = (*_METRICS, SHARE_OF_WINS)
_SUMS = (c.IMPRESSION_COUNT, c.CLICKED_COUNT, c.INTERACTION_COUNT, c.CONVERSION_COUNT, c.CONVERSION_VALUE)
_BEFORE = "_before"
_DIGITS = 4


@dataclass(frozen=True)
class Read:
    """One experiment as it was read. `left_out`: users who were shown more than one variant.

    `preference`: of an interleaving, whose reading holds its users and nothing else.
    """

    name: str
    settings: ExperimentSettings
    reading: Reading
    left_out: int
    preference: Preference | None = None

    @property
    def users(self) -> int:
        return sum(self.reading.users.values())


def read_days(
    name: str, settings: ExperimentSettings, days: pl.DataFrame, as_of: datetime, first: date | None = None
) -> Read:
    """Read one experiment from rows of `staging.stg_experiment_days`; `first` leaves out users exposed before it."""
    import polars as pl

    own = days.filter(pl.col(c.EXPERIMENT) == name, pl.col(c.VARIANT).is_in(list(settings.variants)))
    if settings.ends_on is not None:  # what users do once it is over is no effect of it
        own = own.filter(pl.col(c.EVENT_DATE) <= settings.ends_on)
        over = datetime.combine(settings.ends_on + timedelta(days=1), time(), UTC)
        as_of = min(as_of, over)
    if first is not None:
        own = own.filter(pl.col(c.EXPOSED_DATE) >= first)
    if settings.kind == "interleaving":
        users = {INTERLEAVED: own[c.USER_ID].n_unique()}
        return Read(name, settings, Reading(users, 1.0, ()), 0, preference_of(own, settings, as_of))
    left_out = own.filter(pl.col(c.VARIANT_COUNT) > 1)[c.USER_ID].n_unique()
    users = _by_user(own.filter(pl.col(c.VARIANT_COUNT) == 1))
    return Read(name, settings, read_experiment(_exposed(users, settings, as_of)), left_out)


def _by_user(days: pl.DataFrame) -> pl.DataFrame:
    """One row a user, in their order: what they did from the first exposure on, and (`…_before`) until then."""
    import polars as pl

    is_exposed = pl.col(c.IS_EXPOSED)
    return (
        days.group_by(c.USER_ID)
        .agg(
            pl.col(c.VARIANT, c.DEVICE, c.EXPOSED_DATE).first(),
            *(pl.col(name).filter(is_exposed).sum() for name in _SUMS),
            *(pl.col(name).filter(~is_exposed).sum().name.suffix(_BEFORE) for name in _SUMS),
        )
        .sort(c.USER_ID)
    )


def _exposed(users: pl.DataFrame, settings: ExperimentSettings, as_of: datetime) -> Exposed:
    import numpy as np
    import polars as pl

    names = [settings.control, *sorted(set(settings.variants) - {settings.control})]
    place = users[c.VARIANT].replace_strict({name: at for at, name in enumerate(names)}, return_dtype=pl.Int64)
    days = (pl.lit(as_of.date()) - pl.col(c.EXPOSED_DATE)).dt.total_days().clip(1).alias(c.EXPOSED_DATE)

    def values(name: str | None) -> Any:  # noqa: ANN401 - an array of polars
        return np.ones(users.height) if name is None else users[name].to_numpy().astype(np.float64)

    outcomes = {
        metric: Outcome(values(top), values(below), values(before + _BEFORE))
        for metric, (top, below, before) in _METRICS.items()
    }
    is_new = users[c.INTERACTION_COUNT + _BEFORE].to_numpy() == 0
    segments = {
        "history": np.where(is_new, "none", "some"),
        "device": users[c.DEVICE].to_numpy().astype(np.str_),
    }
    return Exposed(
        names,
        np.array([settings.variants[name].weight for name in names]),
        place.to_numpy(),
        users.select(days).to_series().to_numpy(),
        outcomes,
        segments,
        float(settings.user_days_planned),
    )


def table_rows(read: Read) -> Iterator[dict[str, Any]]:
    """Rows of reports.experiments without their as-of: the users' shares first, then the comparisons."""
    if read.preference is not None:
        yield preference_row(read.name, read.settings, read.preference)
        return
    control = read.reading.users[read.settings.control]
    for variant, users in read.reading.users.items():
        weight, p = read.settings.variants[variant].weight, read.reading.sample_ratio_p
        share = users / read.users if read.users else None
        yield {
            c.EXPERIMENT: read.name, c.VARIANT: variant, c.SEGMENT: EVERYBODY, c.METRIC: SAMPLE_RATIO,
            c.N_USERS: users, c.CONTROL_USERS: control, c.VALUE: share, c.CONTROL_VALUE: weight,
            c.P_VALUE: p, c.IS_FOUND: read.reading.is_split_broken,
        }  # fmt: skip
    for row in read.reading.rows:
        numbers = {
            c.VALUE: row.value, c.CONTROL_VALUE: row.control, c.DIFFERENCE: row.difference, c.CI_LOW: row.low,
            c.CI_HIGH: row.high, c.LIFT: row.lift, c.LIFT_LOW: row.lift_low, c.LIFT_HIGH: row.lift_high,
            c.P_VALUE: row.p, c.ADJUSTED_P: row.adjusted_p, c.NARROWED_SHARE: row.narrowed,
            c.DETECTABLE: row.detectable,
        }  # fmt: skip
        # NaN is what could not be worked out: missing in a table.
        known = {name: value for name, value in numbers.items() if value == value}  # noqa: PLR0124
        yield {
            c.EXPERIMENT: read.name, c.VARIANT: row.variant, c.SEGMENT: row.segment, c.METRIC: row.metric,
            c.N_USERS: row.users, c.CONTROL_USERS: row.control_users, c.IS_FOUND: row.is_found, **known,
        }  # fmt: skip


def judge(read: Read) -> Judgement:
    """Whether the split holds; a broken one warns, for nothing of the experiment may be believed."""
    if not read.users:
        return Judgement(read.name, NO_DATA, "Nobody was exposed yet.")
    if read.preference is not None:
        said = preference_sentence(read.settings, read.preference)
        p = None if read.preference.users < USERS_MIN else read.preference.p
        return Judgement(read.name, "pass", said, p, ALPHA, read.users)
    p, found = read.reading.sample_ratio_p, sum(row.is_found and row.segment == EVERYBODY for row in read.reading.rows)
    if read.reading.is_split_broken:
        shares = ", ".join(f"{variant} {users:,}" for variant, users in read.reading.users.items())
        message = f"Users came in other shares than were set ({shares}): find the fault; nothing else is concluded."
        return Judgement(read.name, "warn", message, p, P_MIN, read.users)
    said = f"The split holds; {found} differences hold after correction, {read.left_out} users saw several variants."
    return Judgement(read.name, "pass", said, p, P_MIN, read.users)


def run(inputs: ReportInputs) -> ReportResult:
    """The report: a warning for every experiment whose split is broken."""
    settings = inputs.experiments
    days = inputs.experiment_days if settings else None
    reads = [] if days is None else [read_days(name, each, days, inputs.as_of) for name, each in settings.items()]
    rows = [{c.AS_OF: inputs.as_of} | row for read in reads for row in table_rows(read)]
    judgements = [judge(read) for read in reads] or [Judgement(NAME, "pass", "No experiment is set.")]
    verdicts = verdict_rows(NAME, judgements, as_of=inputs.as_of)
    page = write_report(inputs, NAME, "Experiments", sections(reads), verdicts)
    return ReportResult(EXPERIMENTS.name, contract_frame(rows, EXPERIMENTS), verdicts, page)


def sections(reads: Sequence[Read]) -> list[Section]:
    """The page: what each experiment found; of splits by segment too."""
    found: list[Section] = []
    for read in reads:
        table = shown_rows(read)
        if read.preference is not None:
            found.append(preference_section(read.name, table, read.settings, read.preference))
        else:
            found.extend(split_sections(read.name, table))
    return found


def shown_rows(read: Read) -> pl.DataFrame:
    """The rows for people: rounded, without what repeats."""
    import polars.selectors as cs

    unshown = {c.AS_OF: datetime.fromtimestamp(0, UTC)}
    frame = contract_frame([unshown | row for row in table_rows(read)], EXPERIMENTS)
    return frame.drop(c.AS_OF, c.EXPERIMENT).with_columns(cs.float().round_sig_figs(_DIGITS))
