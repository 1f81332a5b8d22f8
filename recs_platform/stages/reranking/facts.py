"""What the rules of the settings look at beside items and users: segments, tastes, dismissals, impressions.

What is left out for whom follows from it in `hidden`; where the facts come from is in `pipeline.lists.rule_facts`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from recs_platform.contracts import columns as c

SHARE = "share"


def _segments() -> pl.DataFrame:
    return pl.DataFrame(schema={c.USER_ID: pl.String, c.SEGMENT_ID: pl.String})


def _dismissed() -> pl.DataFrame:
    return pl.DataFrame(schema={c.USER_ID: pl.String, c.ITEM_ID: pl.String, c.AGE_DAYS: pl.Float64})


def _shown() -> pl.DataFrame:
    return pl.DataFrame(
        schema={
            c.USER_ID: pl.String,
            c.ITEM_ID: pl.String,
            c.DAYS_AGO: pl.Int64,
            c.IMPRESSION_COUNT: pl.Int64,
            c.INTERACTION_COUNT: pl.Int64,
        }
    )


def _tastes() -> pl.DataFrame:
    return pl.DataFrame(schema={c.USER_ID: pl.String, c.CATEGORY: pl.String, SHARE: pl.Float64})


@dataclass(frozen=True)
class RuleFacts:
    """What was known by the as-of; nothing of users of whom nothing is known, or who refused to be profiled.

    Attributes:
        as_of: The instant; None where no rule asks.
        segments: `user_id` (distinct), `segment_id`.
        dismissed: `user_id`, `item_id` (distinct pairs), `age_days` since the latest dismissal.
        shown: `user_id`, `item_id`, `days_ago` (whole days before the as-of, from 0), `impression_count`,
            `interaction_count`: of other events.
        tastes: `user_id`, `category`, `share` of the items that the user chose; they add up to 1 a user.
    """

    as_of: datetime | None = None
    segments: pl.DataFrame = field(default_factory=_segments)
    dismissed: pl.DataFrame = field(default_factory=_dismissed)
    shown: pl.DataFrame = field(default_factory=_shown)
    tastes: pl.DataFrame = field(default_factory=_tastes)


def of_segment(segment_id: str | None, named: Sequence[str]) -> pl.Expr:
    """Rows with `segment_id` of a segment; None: those of none of the `named`."""
    if segment_id is None:
        return ~pl.col(c.SEGMENT_ID).is_in(list(named)) | pl.col(c.SEGMENT_ID).is_null()
    return (pl.col(c.SEGMENT_ID) == segment_id).fill_null(value=False)


def tastes_of(chosen: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """Tastes from pairs `user_id`, `item_id`; items of no category count nowhere. Sorted by user and category."""
    categories = items.select(c.ITEM_ID, c.CATEGORY).drop_nulls()
    counts = (
        chosen.select(c.USER_ID, c.ITEM_ID)
        .unique()
        .join(categories, on=c.ITEM_ID)
        .group_by(c.USER_ID, c.CATEGORY)
        .len()
    )
    share = (pl.col("len") / pl.col("len").sum().over(c.USER_ID)).alias(SHARE)
    return counts.select(c.USER_ID, c.CATEGORY, share).sort(c.USER_ID, c.CATEGORY)
