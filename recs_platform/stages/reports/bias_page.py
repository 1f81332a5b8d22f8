"""The page of the bias report: exposure as bars beside fair shares, quality of groups with intervals, then all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.counted import counted
from recs_platform.pages import Interval, Section, bar_table, decimals, interval_table, percent
from recs_platform.stages.reports.bias_limits import (
    BiasConfig,
    calibration_limits,
    exposure_limits,
    quality_limits,
    training_limits,
)
from recs_platform.stages.reports.exposure import EXPOSURE, POPULARITY_TIER, TIERS, VS_INTERACTIONS
from recs_platform.stages.reports.quality import ATTRIBUTES, NO_GROUP, QUALITY
from recs_platform.stages.reports.representation import CALIBRATION, TRAINING
from recs_platform.stages.reports.shares import SHARED_ATTRIBUTES
from recs_platform.stages.reports.verdicts import DIMENSION, REFERENCE

if TYPE_CHECKING:
    import polars as pl

_PLACES, _INTERACTIONS, _CATALOGUE = "share of list places", "share of interactions", "share of items"
_TEXTS = {
    POPULARITY_TIER: "Whether lists favour what is popular already beyond how much it is consumed. Head and tail are "
    "the items that make the first and the last fifth of all interactions.",
    c.CATEGORY: "What lists offer beside what is consumed, and what there is.",
    c.CREATOR: "Creators with the most list places; the others together.",
}


def sections(bias: pl.DataFrame, config: BiasConfig) -> list[Section]:
    """Sections of the page: exposure by attribute, quality by attribute, every row."""
    exposure = bias.filter(bias[DIMENSION] == EXPOSURE)
    quality = bias.filter(bias[DIMENSION] == QUALITY)
    shown = bias.drop(c.AS_OF)
    return [
        *(
            _exposure(exposure, attribute, config)
            for attribute in _told(exposure, (POPULARITY_TIER, *SHARED_ATTRIBUTES))
        ),
        *(_quality(quality, attribute, config) for attribute in _told(quality, ATTRIBUTES)),
        *_represented(bias, config),
        Section("Every number", "Intervals draw users.", folded=[(counted(shown.height, "row"), shown)]),
    ]


def _represented(bias: pl.DataFrame, config: BiasConfig) -> list[Section]:
    """Groups in what the ranker learns from, and in the probabilities; nothing of what was not measured."""
    parts = (
        (
            TRAINING,
            "Who the ranker learns from",
            (
                "Users with a choice in the training windows beside everybody who is given lists. A group that is "
                f"hardly there is ranked by what others like. {training_limits(config.representation)}"
            ),
            ("share of training", "share of users"),
        ),
        (
            CALIBRATION,
            "Probabilities by group",
            (
                "Listed items of the tests that were chosen, beside the probability that was given of them. "
                f"{calibration_limits(config.representation)}"
            ),
            ("share chosen", "expected"),
        ),
    )
    found: list[Section] = []
    for dimension, title, text, names in parts:
        part = bias.filter(bias[DIMENSION] == dimension)
        if part.height:
            found.append(Section(title, text, figure=_pairs(part, names)))
    return found


def _pairs(part: pl.DataFrame, names: tuple[str, str]) -> str:
    """Bars of each group's value beside its reference, groups with attributes of the same name together."""
    cells: dict[tuple[str, str], float] = {}
    labels: list[str] = []
    for attribute, group, value, reference in part.select(c.ATTRIBUTE, c.GROUP, c.VALUE, REFERENCE).iter_rows():
        labels.append(f"{_words(attribute)}: {group}")
        cells[labels[-1], names[0]], cells[labels[-1], names[1]] = value, reference
    return bar_table(labels, [(name, percent) for name in names], cells, corner="users", together=True)


def _told(rows: pl.DataFrame, attributes: tuple[str, ...]) -> list[str]:
    """Attributes of which something was measured: a group with a value that is not that of the unknown alone."""
    import polars as pl

    known = rows.filter(pl.col(c.VALUE).is_not_null(), pl.col(c.GROUP) != NO_GROUP)
    return [attribute for attribute in attributes if attribute in set(known[c.ATTRIBUTE])]


def _exposure(rows: pl.DataFrame, attribute: str, config: BiasConfig) -> Section:
    part = rows.filter(rows[c.ATTRIBUTE] == attribute)
    cells: dict[tuple[str, str], float] = {}
    for group, metric, value, reference in part.select(c.GROUP, c.METRIC, c.VALUE, REFERENCE).iter_rows():
        cells[group, _PLACES] = value
        cells[group, _INTERACTIONS if metric == VS_INTERACTIONS else _CATALOGUE] = reference or 0.0
    groups = [name for name in TIERS if name in set(part[c.GROUP])] or part[c.GROUP].unique(maintain_order=True)
    columns = [(name, percent) for name in (_PLACES, _INTERACTIONS, _CATALOGUE)]
    figure = bar_table(list(groups), columns, cells, corner=_words(attribute), together=True)
    limits = f" {exposure_limits(config.exposure)}" if attribute == POPULARITY_TIER else ""
    return Section(f"Exposure by {_words(attribute)}", f"{_TEXTS[attribute]}{limits}", figure=figure)


def _quality(rows: pl.DataFrame, attribute: str, config: BiasConfig) -> Section:
    part = rows.filter(rows[c.ATTRIBUTE] == attribute).sort(c.SAMPLE_SIZE, c.GROUP, descending=[True, False])
    everyone = part[REFERENCE].drop_nulls()
    found = [
        Interval(f"{row[c.GROUP]} (n = {row[c.SAMPLE_SIZE]:,})", row[c.VALUE], row[c.CI_LOW], row[c.CI_HIGH])
        for row in part.iter_rows(named=True)
        if row[c.VALUE] is not None
    ]
    return Section(
        f"Quality by {_words(attribute)}",
        "NDCG of the final lists; intervals draw users, and the dashed line is everyone. A group whose whole interval "
        f"lies left of it is served worse. {quality_limits(config.quality)}",
        figure=interval_table(
            found,
            corner=_words(attribute),
            title="NDCG",
            form=decimals,
            rule=float(everyone[0]) if len(everyone) else None,
        ),
    )


def _words(attribute: str) -> str:
    return attribute.replace("_", " ")
