"""Facts of catalogue and profiles by ingestion: nulls of what each brought, and of everything as it stood then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.stages.reports.data_quality.facts import NULLS, SHARE, DataQualityConfig, Fact, share_floor

NEW, WHOLE = "new", "whole"
INGESTIONS = "ingestions"
_BEGAN = "began"
_SUFFIX = "_count"
# Earlier ingestions that a band is drawn from, the newest.
_PERIODS_MAX = 30

Counts = Mapping[str, int]


def version_facts(table: str, versions: pl.DataFrame, config: DataQualityConfig) -> Iterator[Fact]:
    """Null shares of each column; `versions` has the columns of `staging.stg_item_versions` or `stg_user_versions`."""
    for segment, states in ((NEW, brought(versions)), (WHOLE, standing(versions))):
        known = [state for state in states if state[c.ROW_COUNT] >= config.rows_min][: _PERIODS_MAX + 1]
        if not known:
            continue
        now, past = known[0], known[1:]
        for column in version_columns(versions):
            if not any(state[column] for state in known):
                continue
            shares = [1 - state[column] / state[c.ROW_COUNT] for state in past]
            n = now[c.ROW_COUNT]
            yield Fact(
                NULLS, table, "null_share", 1 - now[column] / n, shares, n, column=column, segment=segment,
                compared_with=INGESTIONS, least=config.null_share, floor=share_floor(shares, n), direction=1,
                bounds=SHARE,
            )  # fmt: skip


def version_columns(versions: pl.DataFrame) -> list[str]:
    """Columns whose values are counted."""
    return [name.removesuffix(_SUFFIX) for name in versions.columns if name.endswith(_SUFFIX) and name != c.ROW_COUNT]


def brought(versions: pl.DataFrame) -> list[dict[str, Any]]:
    """What each ingestion brought, the newest first: changed_at, row_count and the values of each column."""
    began = versions.filter(pl.col(c.CHANGE) == _BEGAN).sort(c.CHANGED_AT, descending=True)
    return began.drop(c.CHANGE).rename(_renamed(versions)).to_dicts()


def standing(versions: pl.DataFrame) -> list[dict[str, Any]]:
    """As `brought`, of all rows that were in force after each ingestion."""
    counts = [c.ROW_COUNT, *(f"{name}{_SUFFIX}" for name in version_columns(versions))]
    sign = pl.when(pl.col(c.CHANGE) == _BEGAN).then(1).otherwise(-1)
    changes = versions.select(c.CHANGED_AT, *(pl.col(name) * sign for name in counts))
    sums = changes.group_by(c.CHANGED_AT).agg(pl.sum(*counts)).sort(c.CHANGED_AT)
    stood = sums.with_columns(pl.col(counts).cum_sum()).sort(c.CHANGED_AT, descending=True)
    return stood.rename(_renamed(versions)).to_dicts()


def _renamed(versions: pl.DataFrame) -> dict[str, str]:
    return {f"{name}{_SUFFIX}": name for name in version_columns(versions)}
