"""The page of the retrieval report: what it shows and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.evaluation.metrics import CANDIDATE_RECALL
from recs_platform.pages import Format, Line, Section, amount, bar_table, heat_table, line_chart, percent
from recs_platform.stages.reports.offers import (
    ALL,
    AUDIT_RECALL,
    COVERAGE,
    INDEX_ITEMS,
    INDEX_MEGABYTES,
    ONLY_HERE,
    OTHER_SOURCE,
    OVERLAP,
    ROWS_PER_USER,
    SHARE,
    USERS_SERVED,
    RetrievalFacts,
)
from recs_platform.stages.reports.offline_names import EVERYONE

if TYPE_CHECKING:
    import polars as pl

_OFFERS: tuple[tuple[str, str, Format], ...] = (
    (COVERAGE, "items covered", percent),
    (USERS_SERVED, "users served", percent),
    (ROWS_PER_USER, "candidates a user", amount),
    (ONLY_HERE, "only from here", percent),
)
_OVER_TIME: tuple[tuple[str, str, Format], ...] = (
    (CANDIDATE_RECALL, "Candidate recall", percent),
    (COVERAGE, "Share of eligible items offered to anybody", percent),
    (AUDIT_RECALL, "Recall of the indexes, at the least share of items allowed", percent),
    (INDEX_MEGABYTES, "Vectors in the indexes, megabytes", amount),
)


def sections(retrieval: pl.DataFrame, facts: RetrievalFacts) -> list[Section]:
    """Sections of the page: recall, offers, overlap, indexes, then all of it over the as-ofs."""
    offered = facts.offers
    return [
        _recall_section(retrieval, offered.sources),
        _offers_section(retrieval, facts),
        Section(
            "Overlap between sources",
            "Share of the row's candidates that the column's source offers to the same users too.",
            figure=_pairs(retrieval.filter(metric=OVERLAP), c.SOURCE, OTHER_SOURCE, offered.sources, "source"),
        ),
        _index_section(retrieval),
        _time_section(retrieval, facts),
    ]


def _recall_section(retrieval: pl.DataFrame, sources: Sequence[str]) -> Section:
    found = retrieval.filter(metric=CANDIDATE_RECALL)
    everyone = found.filter(source=ALL, segment=EVERYONE)
    text = "No events were held out."
    for row in everyone.iter_rows(named=True):
        text = (
            f"Share of what {row[c.SAMPLE_SIZE]} held-out user windows went on to consume that is among their "
            f"candidates; protocol {row[c.PROTOCOL]}. A source is measured by those of its candidates that were kept."
        )
    return Section(
        "Recall by source and segment", text, figure=_pairs(found, c.SOURCE, c.SEGMENT, [ALL, *sources], "source")
    )


def _pairs(found: pl.DataFrame, row: str, column: str, order: Sequence[str], corner: str) -> str:
    """A heat table of the metric's rows; rows in `order`, columns too where they are sources, else `all` first."""
    cells = {(r, k): v for r, k, v in found.select(row, column, c.VALUE).iter_rows()}
    if not cells:
        return ""
    rows, columns = _ordered({r for r, _ in cells}, order), _ordered({k for _, k in cells}, [EVERYONE, *order])
    return heat_table(rows, columns, cells, corner=corner, form=percent)


def _ordered(names: Iterable[str], order: Sequence[str]) -> list[str]:
    """Names in `order`, then the others by name."""
    positions = {name: position for position, name in reversed([*enumerate(order)])}
    return sorted(set(names), key=lambda name: (positions.get(name, len(positions)), name))


def _offers_section(retrieval: pl.DataFrame, facts: RetrievalFacts) -> Section:
    offered = facts.offers
    metrics = {metric: name for metric, name, _ in _OFFERS}
    found = retrieval.filter(retrieval[c.METRIC].is_in(list(metrics)))
    cells = {
        (source, metrics[metric]): value for source, metric, value in found.select(c.SOURCE, c.METRIC, c.VALUE).rows()
    }
    text = (
        f"{offered.row_count:,} candidates for {offered.known_users:,} known users, of {offered.eligible_items:,} "
        "eligible items. Only from here: candidates that no other source offers."
    )
    columns = [(name, form) for _, name, form in _OFFERS]
    figure = bar_table([ALL, *offered.sources], columns, cells, corner="source") if cells else ""
    return Section("Coverage and reach", text, figure=figure)


def _index_section(retrieval: pl.DataFrame) -> Section:
    import polars as pl

    found = retrieval.filter(pl.col(c.METRIC).is_in([INDEX_ITEMS, INDEX_MEGABYTES, AUDIT_RECALL]))
    if found.is_empty():
        return Section("Indexes", "No source has vectors.")
    audited = pl.concat_str(pl.lit("recall at "), (100 * pl.col(SHARE)).round(2).cast(pl.String), pl.lit(" % of items"))
    names = {INDEX_ITEMS: "items", INDEX_MEGABYTES: "megabytes"}
    labels = pl.when(pl.col(SHARE).is_null()).then(pl.col(c.METRIC).replace(names)).otherwise(audited)
    ordered = found.sort(pl.col(SHARE).fill_null(2.0), c.METRIC, descending=[True, False])
    table = ordered.with_columns(labels.alias(c.METRIC)).pivot(on=c.METRIC, index=c.SOURCE, values=c.VALUE)
    return Section(
        "Indexes",
        "Size of each vector index, and what its searches find of the true best with a share of the items allowed.",
        table.sort(c.SOURCE).with_columns(pl.col("items").cast(pl.Int64)),
    )


def _time_section(retrieval: pl.DataFrame, facts: RetrievalFacts) -> Section:
    import polars as pl

    rows = pl.concat([facts.earlier.select(retrieval.columns), retrieval]).filter(segment=EVERYONE)
    n = rows[c.AS_OF].n_unique()
    if n <= 1:
        return Section("Over time", "This as-of is the first that was measured; lines begin with the second.")
    least = rows.sort(SHARE).group_by(c.AS_OF, c.METRIC, c.SOURCE).agg(pl.col(c.VALUE).first()).sort(c.AS_OF)
    charts = [
        line_chart(_lines(least.filter(metric=metric), facts.offers.sources), title=title, form=form)
        for metric, title, form in _OVER_TIME
    ]
    text = f"The last {n} as-ofs, this one included."
    return Section("Over time", text, _over_time(least.filter(source=ALL)), figure="\n".join(charts))


def _over_time(rows: pl.DataFrame) -> pl.DataFrame:
    """What the dark lines show, as text: a row an as-of, the last first, a column a metric."""
    import polars as pl

    columns = [
        rows.filter(metric=metric).select(
            c.AS_OF, pl.col(c.VALUE).map_elements(form, return_dtype=pl.String).alias(title)
        )
        for metric, title, form in _OVER_TIME
    ]
    table = rows.select(c.AS_OF).unique()
    for column in columns:
        table = table.join(column, on=c.AS_OF, how="left")
    return table.sort(c.AS_OF, descending=True)


def _lines(rows: pl.DataFrame, sources: Sequence[str]) -> list[Line]:
    return [
        Line(source, rows.filter(source=source).select(c.AS_OF, c.VALUE).rows(), strong=source == ALL)
        for source in _ordered(rows[c.SOURCE], [ALL, *sources])
    ]
