"""The page of offline metrics: the final lists beside their rivals, by segment and over as-ofs, then all numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from recs_platform.contracts import columns as c
from recs_platform.contracts.counted import counted
from recs_platform.pages import Interval, Line, Section, decimals, heat_table, interval_table, line_chart
from recs_platform.stages.reports.offline_names import (
    EVERYONE,
    FINAL,
    MINUS_BEST,
    MINUS_POPULARITY,
    NDCG,
    POPULARITY,
    chosen_protocol,
)

if TYPE_CHECKING:
    import polars as pl

COVERAGE = "coverage"
_DIFFERENCES = {MINUS_POPULARITY: "minus popularity", MINUS_BEST: "minus best source"}
_LINES_MAX = 8


def sections(metrics: pl.DataFrame, earlier: pl.DataFrame) -> list[Section]:
    """Sections of the page; `earlier` are rows of reports.offline_metrics of as-ofs before this one."""
    import polars as pl

    shown = metrics.drop(c.AS_OF, c.HORIZON_DAYS)
    everyone = pl.col(c.SEGMENT) == EVERYONE
    reported = reported_rows(metrics)
    if reported.is_empty():
        return [Section("Every number", "No user had held-out events.", shown)]
    return [
        _rivals(reported),
        _differences(reported),
        _by_segment(reported),
        _beyond(metrics, reported),
        _over_time(reported, earlier),
        Section(
            "Every number",
            "Means over held-out user windows: a user counts once in each test window, and n_users is the number of "
            "these. Intervals draw users.",
            folded=[
                (f"Everyone: {counted(shown.filter(everyone).height, 'row')}", shown.filter(everyone)),
                (f"By segment: {counted(shown.filter(~everyone).height, 'row')}", shown.filter(~everyone)),
            ],
        ),
    ]


def reported_rows(metrics: pl.DataFrame) -> pl.DataFrame:
    """NDCG and its differences under the one protocol and k that are reported, the differences of `final`."""
    import polars as pl

    told = metrics.filter(pl.col(c.METRIC).is_in([NDCG, *_DIFFERENCES]), pl.col(c.VALUE).is_not_null())
    one = told.filter(pl.col(c.PROTOCOL).is_in([chosen_protocol(told)]))
    return one.filter(pl.col(c.K) == pl.col(c.K).max())


def numbers(metrics: pl.DataFrame) -> dict[str, float]:
    """What is worth a line over the as-ofs: NDCG of final, popularity and the best source, differences, coverage."""
    import polars as pl

    rows = reported_rows(metrics).filter(segment=EVERYONE)
    models = dict(rows.filter(metric=NDCG).select(c.MODEL, c.VALUE).iter_rows())
    sources = [value for model, value in models.items() if model != FINAL]
    named = {f"{NDCG}_{model}": models[model] for model in (FINAL, POPULARITY) if model in models}
    best = {f"{NDCG}_best_source": max(sources)} if sources else {}
    differences = dict(rows.filter(pl.col(c.METRIC).is_in(list(_DIFFERENCES))).select(c.METRIC, c.VALUE).iter_rows())
    covered = metrics.filter(
        pl.col(c.PROTOCOL).is_in(rows[c.PROTOCOL].unique().implode()), metric=COVERAGE, model=FINAL, segment=EVERYONE
    )
    return named | best | differences | ({COVERAGE: float(covered[c.VALUE][0])} if covered.height else {})


def _rivals(reported: pl.DataFrame) -> Section:
    rows = reported.filter(metric=NDCG, segment=EVERYONE).sort(c.VALUE, c.MODEL, descending=[True, False])
    first = rows.row(0, named=True)
    return Section(
        "Final lists and their rivals",
        f"NDCG@{first[c.K]} of everyone, best first; {counted(first[c.N_USERS], 'user window')}, "
        f"{counted(first[c.N_WINDOWS], 'test')}; "
        f"protocol {first[c.PROTOCOL]}. The dashed line is popularity; a source alone is its own first {first[c.K]}.",
        figure=interval_table(
            [_interval(row, row[c.MODEL], strong=row[c.MODEL] == FINAL) for row in rows.iter_rows(named=True)],
            corner="lists",
            title="NDCG",
            form=decimals,
            rule=next((row[c.VALUE] for row in rows.iter_rows(named=True) if row[c.MODEL] == POPULARITY), None),
        ),
    )


def _differences(reported: pl.DataFrame) -> Section:
    import polars as pl

    rows = reported.filter(pl.col(c.METRIC).is_in(list(_DIFFERENCES)), model=FINAL)
    ordered = rows.sort(pl.col(c.SEGMENT) != EVERYONE, c.SEGMENT, pl.col(c.METRIC) != MINUS_POPULARITY)
    return Section(
        "Differences",
        "NDCG of the final lists less that of a rival, paired within user and window. An interval right of the dashed "
        "line is a gain beyond chance.",
        figure=interval_table(
            [
                _interval(
                    row, f"{_segment(row[c.SEGMENT])}, {_DIFFERENCES[row[c.METRIC]]}", strong=row[c.SEGMENT] == EVERYONE
                )
                for row in ordered.iter_rows(named=True)
            ],
            corner="segment",
            title="difference in NDCG",
            form=decimals,
            rule=0.0,
        ),
    )


def _by_segment(reported: pl.DataFrame) -> Section:
    rows = reported.filter(metric=NDCG)
    everyone = rows.filter(segment=EVERYONE).sort(c.VALUE, c.MODEL, descending=[True, False])
    segments = [name for name in rows[c.SEGMENT].unique().sort() if name != EVERYONE]
    models = [FINAL, *(model for model in everyone[c.MODEL] if model != FINAL)]
    cells = {(model, segment): value for model, segment, value in rows.select(c.MODEL, c.SEGMENT, c.VALUE).iter_rows()}
    return Section(
        "By segment",
        "NDCG of each segment of users: the stronger the colour, the better served.",
        figure=heat_table(models, [EVERYONE, *segments], cells, corner="lists", form=decimals),
    )


def _beyond(metrics: pl.DataFrame, reported: pl.DataFrame) -> Section:
    """Every other metric of final, popularity and the best source, a row a metric."""
    import polars as pl

    protocol, k = reported[c.PROTOCOL][0], reported[c.K][0]
    one = metrics.filter(~pl.col(c.METRIC).is_in(list(_DIFFERENCES)), segment=EVERYONE, protocol=protocol, k=k)
    chosen = _chosen(reported)
    table = one.filter(pl.col(c.MODEL).is_in(chosen)).pivot(on=c.MODEL, index=c.METRIC, values=c.VALUE)
    kept = [model for model in chosen if model in table.columns]
    return Section(
        "Other metrics",
        "Accuracy first, then what lists are like: coverage, inequality, novelty, variety.",
        table.select(c.METRIC, *kept),
    )


def _chosen(reported: pl.DataFrame) -> list[str]:
    """Final, popularity and the best source, each once."""
    rows = reported.filter(metric=NDCG, segment=EVERYONE).sort(c.VALUE, c.MODEL, descending=[True, False])
    models: list[str] = rows[c.MODEL].to_list()
    best = [model for model in models if model != FINAL][:1]
    return [*dict.fromkeys(model for model in (FINAL, POPULARITY, *best) if model in models)]


def _over_time(reported: pl.DataFrame, earlier: pl.DataFrame) -> Section:
    import polars as pl

    now = reported.filter(metric=NDCG, segment=EVERYONE)
    before = earlier.filter(metric=NDCG, segment=EVERYONE, protocol=now[c.PROTOCOL][0], k=now[c.K][0])
    columns = [c.AS_OF, c.MODEL, c.VALUE]
    rows = pl.concat([before.select(columns), now.select(columns)]).sort(c.AS_OF)
    ranked = now.sort(c.VALUE, c.MODEL, descending=[True, False])[c.MODEL].to_list()
    models = [*dict.fromkeys([*_chosen(reported), *ranked])][:_LINES_MAX]
    lines = [
        Line(model, rows.filter(model=model).select(c.AS_OF, c.VALUE).rows(), strong=model == FINAL) for model in models
    ]
    count = rows[c.AS_OF].n_unique()
    if count == 1:
        return Section("Over as-ofs", "This as-of is the first that was measured.")
    text = f"NDCG at {count} as-ofs, this one included; neighbouring as-ofs share most of their tests."
    return Section("Over as-ofs", text, figure=line_chart(lines, title="NDCG", form=decimals))


def _segment(name: str) -> str:
    return "everyone" if name == EVERYONE else name


def _interval(row: Mapping[str, Any], name: str, *, strong: bool) -> Interval:
    return Interval(name, row[c.VALUE], row[c.CI_LOW], row[c.CI_HIGH], strong)
