"""Before and after mitigation: groups of users and lists, with what the settings do for them and without it.

Both were measured at the same test windows; how lists without it are made is decided in `pipeline`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recs_platform.contracts import columns as c
from recs_platform.pages import Section, bar_table, decimals
from recs_platform.stages.reports.quality import NO_GROUP, QualityConfig, quality_rows
from recs_platform.stages.reports.verdicts import DIMENSION, NO_DATA, RATIO, REFERENCE

if TYPE_CHECKING:
    import polars as pl

MITIGATION = "mitigation"
NDCG_RATIO = "ndcg_ratio"
LISTS = "lists"
EVERYONE = "all"
# Of metrics that speak of all lists together, those that mitigation is for.
_TOLD = ("coverage", "gini", "novelty", "miscalibration", "popularity_lift")
_BEFORE, _AFTER = "before", "after"


def mitigation_rows(
    before: pl.DataFrame, after: pl.DataFrame, users: pl.DataFrame, *, seed: int, config: QualityConfig
) -> Iterator[dict[str, Any]]:
    """Rows of `reports.bias`, dimension `mitigation`: each group's NDCG over everyone's after and (reference) before.

    `before`, `after`: user_id, value without and with mitigation; `users` as in `quality_rows`. No rows where nothing
    was measured before; unknown and too small groups are left out.
    """
    if before.is_empty():
        return
    told = [
        {(row[c.ATTRIBUTE], row[c.GROUP]): row for row in quality_rows(given, users, seed=seed, config=config)}
        for given in (before, after)
    ]
    for (attribute, group), row in told[1].items():
        earlier = told[0].get((attribute, group))
        if earlier is None or row[c.VERDICT] == NO_DATA or group == NO_GROUP or not earlier[RATIO]:
            continue
        yield _row(attribute, group, NDCG_RATIO, row[RATIO], earlier[RATIO], row[c.SAMPLE_SIZE])


def list_rows(before: pl.DataFrame, after: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """The same of all lists together; both frames hold metric, value, under one protocol."""
    earlier = dict(before.select(c.METRIC, c.VALUE).iter_rows())
    now = dict(after.select(c.METRIC, c.VALUE).iter_rows())
    for metric in _TOLD:
        if metric in earlier and metric in now:
            yield _row(LISTS, EVERYONE, metric, now[metric], earlier[metric], 0)


def section(rows: pl.DataFrame, names: Sequence[str]) -> Section:
    """The table of both, groups first; `names`: what is on."""
    own = rows.filter(rows[DIMENSION] == MITIGATION)
    groups: dict[str, tuple[float, float]] = {}
    lists: dict[str, tuple[float, float]] = {}
    for attribute, group, metric, *both in own.select(c.ATTRIBUTE, c.GROUP, c.METRIC, REFERENCE, c.VALUE).iter_rows():
        told, label = (lists, metric) if attribute == LISTS else (groups, f"{attribute}: {group}")
        told[label] = (both[0], both[1])
    text = (
        f"What {', '.join(names)} changed, at the same test windows without and with it. Of groups: NDCG over "
        "everyone's; the nearer to 1, the smaller the gap."
    )
    if not own.height:
        text = f"{', '.join(names)}: nothing was measured."
    figure = _table(groups, "NDCG over everyone's") + _table(lists, "all lists")
    return Section("Before and after mitigation", text, figure=figure)


def _table(told: Mapping[str, tuple[float, float]], corner: str) -> str:
    """Bars of both; nothing where there is none."""
    if not told:
        return ""
    columns = [(_BEFORE, decimals), (_AFTER, decimals)]
    cells = {
        (label, name): value for label, both in told.items() for (name, _), value in zip(columns, both, strict=True)
    }
    return bar_table(list(told), columns, cells, corner=corner, together=True)


def worst_ratio(rows: pl.DataFrame) -> dict[str, float]:
    """The worst served group's NDCG over everyone's, before and after; nothing where nothing mitigates."""
    own = rows.filter((rows[DIMENSION] == MITIGATION) & (rows[c.METRIC] == NDCG_RATIO))
    if own.is_empty():
        return {}
    return {
        "worst_group_ndcg_ratio_unmitigated": min(own[REFERENCE].to_list()),
        "worst_group_ndcg_ratio_mitigated": min(own[c.VALUE].to_list()),
    }


def _row(attribute: str, group: str, metric: str, now: float, earlier: float, sample: int) -> dict[str, Any]:
    return {
        DIMENSION: MITIGATION,
        c.ATTRIBUTE: attribute,
        c.GROUP: group,
        c.METRIC: metric,
        c.VALUE: now,
        REFERENCE: earlier,
        RATIO: now / earlier if earlier else None,
        c.SAMPLE_SIZE: sample,
        c.VERDICT: NO_DATA,
    }
