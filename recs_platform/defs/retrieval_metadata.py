"""Metadata of the retrieval assets: tables for a reader, and numbers under stable names."""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.defs import metadata
from recs_platform.pipeline.retrieval.facts import index_facts
from recs_platform.stages.reports import Offers, offer_rows
from recs_platform.stages.reports.offers import ALL, COVERAGE, ONLY_HERE, OTHER_SOURCE, ROWS_PER_USER
from recs_platform.stages.retrieval import IndexReport


def index_metadata(reports: Mapping[str, IndexReport]) -> dict[str, Any]:
    """The indexes as a table, and for each space items, megabytes, build_seconds, audit_recall."""
    return {"indexes": dg.MetadataValue.md(metadata.markdown_table(_table(reports))), **_numbers(reports)}


def offer_metadata(offers: Offers) -> dict[str, Any]:
    """Offers as a table, a row a source, and of each source rows_per_user and only_here, and the coverage of all."""
    rows = list(offer_rows(offers))
    shown = pl.DataFrame(_wide(rows), infer_schema_length=None)
    values = {(row[c.SOURCE], row[c.METRIC]): float(row[c.VALUE]) for row in rows if OTHER_SOURCE not in row}
    charted = {ROWS_PER_USER, ONLY_HERE}
    return {
        "sources": dg.MetadataValue.md(metadata.markdown_table(shown)),
        **({COVERAGE: values[ALL, COVERAGE]} if (ALL, COVERAGE) in values else {}),
        **{f"{source}/{name}": value for (source, name), value in values.items() if name in charted and source != ALL},
    }


def _wide(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a source, one entry a metric that is not measured of pairs."""
    wide: dict[str, dict[str, Any]] = {}
    for row in rows:
        if OTHER_SOURCE not in row:
            wide.setdefault(row[c.SOURCE], {c.SOURCE: row[c.SOURCE]})[row[c.METRIC]] = row[c.VALUE]
    return list(wide.values())


def _table(reports: Mapping[str, IndexReport]) -> pl.DataFrame:
    """One row a vector space: kind and size of its index, and what the audit found."""
    return pl.DataFrame(
        {
            "source": name,
            "kind": report.kind,
            "items": report.items,
            "dimensions": report.dimensions,
            "megabytes": round(report.items * report.dimensions * 4 / 1e6, 2),
            **{f"recall at {part.share:.1%}": round(part.recall, 4) for part in report.recall},
        }
        for name, report in reports.items()
    )


def _numbers(reports: Mapping[str, IndexReport]) -> dict[str, float]:
    """Numbers of each space, which Dagster draws beside a check; audit_recall is the least over the shares."""
    numbers: dict[str, float] = {}
    for facts in index_facts(reports):
        numbers[f"{facts.source}/items"] = float(facts.items)
        numbers[f"{facts.source}/megabytes"] = facts.megabytes
        numbers[f"{facts.source}/build_seconds"] = reports[facts.source].build_seconds
        if facts.audit:
            numbers[f"{facts.source}/audit_recall"] = min(recall for _, recall, _ in facts.audit)
    return numbers
