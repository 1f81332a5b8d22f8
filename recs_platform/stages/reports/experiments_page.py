"""What the page of experiments shows of one: a picture of what it found, the few numbers behind it, all of them folded.

What is found is worked out in `experiments` and `interleaving`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.evaluation.experiments.anytime import ALPHA
from recs_platform.evaluation.experiments.reading import EVERYBODY
from recs_platform.pages import Interval, Section, interval_table, percent
from recs_platform.stages.reports.interleaving import preference_sentence, rival_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from recs_platform.contracts.experiments import ExperimentSettings
    from recs_platform.evaluation.experiments.interleaving import Preference

_HALF = 0.5
_ALL_NUMBERS = "All numbers"
_OF_SPLITS = (c.VARIANT, c.METRIC, c.VALUE, c.CONTROL_VALUE, c.ADJUSTED_P, c.IS_FOUND)


def preference_section(name: str, table: pl.DataFrame, settings: ExperimentSettings, found: Preference) -> Section:
    """An interleaving: its share of wins about one half, and how many users preferred which."""
    import polars as pl

    if not found.users:
        return Section(name, preference_sentence(settings, found))
    rival, control = rival_of(settings), settings.control
    counts = {f"chose more of {rival}": found.wins, f"chose more of {control}": found.losses, "as much": found.ties}
    has_interval = found.p == found.p
    ends = (found.low, found.high) if has_interval else (None, None)
    share = Interval(rival, found.share, *ends, strong=found.p < ALPHA)
    return Section(
        name,
        f"{preference_sentence(settings, found)} Both drafted every list; the dashed line is no preference.",
        pl.DataFrame({"users who": list(counts), c.N_USERS: list(counts.values())}),
        figure=interval_table([share], corner="variant", title="share of wins", form=percent, rule=_HALF),
        folded=[(_ALL_NUMBERS, table)],
    )


def split_sections(name: str, table: pl.DataFrame) -> list[Section]:
    """An experiment whose variants have users of their own: lifts of everybody, then by segment."""
    is_everybody = table[c.SEGMENT] == EVERYBODY
    everybody, segments = table.filter(is_everybody), table.filter(~is_everybody)
    told = "Intervals and p-values hold at every look. Bold = found: it holds after Holm's correction."
    return [
        _split_section(name, told, everybody, _OF_SPLITS, lambda row: f"{row[c.VARIANT]}: {_words(row[c.METRIC])}"),
        _split_section(
            f"{name} by segment",
            "Corrected among themselves.",
            segments,
            (c.SEGMENT, *_OF_SPLITS),
            lambda row: f"{row[c.VARIANT]}: {_words(row[c.METRIC])}, {row[c.SEGMENT]}",
        ),
    ]


def _split_section(
    name: str, told: str, table: pl.DataFrame, columns: tuple[str, ...], label: Callable[[dict[str, str]], str]
) -> Section:
    lifts = [
        Interval(label(row), row[c.LIFT], row[c.LIFT_LOW], row[c.LIFT_HIGH], bool(row[c.IS_FOUND]))
        for row in table.iter_rows(named=True)
        if row[c.LIFT] is not None
    ]
    return Section(
        name,
        told,
        table.select(columns),
        figure=interval_table(lifts, corner="variant", title="lift", form=percent, rule=0.0),
        folded=[] if table.is_empty() else [(_ALL_NUMBERS, table)],
    )


def _words(metric: str) -> str:
    return metric.replace("_", " ")
