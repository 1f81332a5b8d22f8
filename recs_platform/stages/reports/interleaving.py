"""Experiments whose variants draft lists together: what users chose of each, as a row and a sentence of the report.

The draft and what may be concluded are in `evaluation.experiments.interleaving`; splits are read in `experiments`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recs_platform.contracts import columns as c
from recs_platform.evaluation.experiments.anytime import ALPHA
from recs_platform.evaluation.experiments.interleaving import Preference, read_preference
from recs_platform.evaluation.experiments.reading import EVERYBODY

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from recs_platform.contracts.experiments import ExperimentSettings

SHARE_OF_WINS = "share_of_wins"
_CHOSEN, _OF_CONTROL, _DAYS = "_chosen", "_of_control", "_days"


def rival_of(settings: ExperimentSettings) -> str:
    """The variant that drafts against the control."""
    return next(name for name in sorted(settings.variants) if name != settings.control)


def preference_of(days: pl.DataFrame, settings: ExperimentSettings, as_of: datetime) -> Preference:
    """What users preferred, from the rows of `staging.stg_experiment_days` of one experiment."""
    import polars as pl

    exposed = pl.col(c.IS_EXPOSED)
    users = (
        days.group_by(c.USER_ID)
        .agg(
            *(
                pl.col(c.CLICKED_VARIANTS).filter(exposed).list.count_matches(name).sum().cast(pl.Int64).alias(column)
                for name, column in ((rival_of(settings), _CHOSEN), (settings.control, _OF_CONTROL))
            ),
            (pl.lit(as_of.date()) - pl.col(c.EXPOSED_DATE).first()).dt.total_days().clip(1).alias(_DAYS),
        )
        .sort(c.USER_ID)
    )
    chosen, of_control, user_days = (users[name].to_numpy() for name in (_CHOSEN, _OF_CONTROL, _DAYS))
    return read_preference(chosen, of_control, user_days, float(settings.user_days_planned))


def preference_row(name: str, settings: ExperimentSettings, found: Preference) -> dict[str, Any]:
    """The row of reports.experiments, without its as-of. `value - control_value` is the difference, as everywhere."""
    numbers = {
        c.VALUE: found.share, c.CONTROL_VALUE: 1 - found.share, c.DIFFERENCE: 2 * found.share - 1,
        c.CI_LOW: 2 * found.low - 1, c.CI_HIGH: 2 * found.high - 1, c.P_VALUE: found.p, c.ADJUSTED_P: found.p,
    }  # fmt: skip
    known = {column: value for column, value in numbers.items() if value == value}  # noqa: PLR0124 - not NaN
    return {
        c.EXPERIMENT: name, c.VARIANT: rival_of(settings), c.SEGMENT: EVERYBODY, c.METRIC: SHARE_OF_WINS,
        c.N_USERS: found.users, c.CONTROL_USERS: found.users, c.IS_FOUND: found.p < ALPHA, **known,
    }  # fmt: skip


def preference_sentence(settings: ExperimentSettings, found: Preference) -> str:
    """What the operator reads."""
    rival, control = rival_of(settings), settings.control
    if not found.users:
        return "Nobody chose anything of a drafted list yet."
    counted = f"{found.wins:,} users chose more of {rival}, {found.losses:,} more of {control}, {found.ties:,} as much"
    if found.p != found.p:
        return f"{counted}: too few to conclude from."
    said = "preferred" if found.p < ALPHA else "not told from no preference"
    interval = f"{found.share:.1%} of wins, {found.low:.1%} to {found.high:.1%} at any look"
    return f"{counted}: {rival} has {interval}; p = {found.p:.2g}, {said}."
