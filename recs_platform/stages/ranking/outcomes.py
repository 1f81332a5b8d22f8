"""What became of pairs after a cutoff, beyond whether they were chosen: how strongly, refused or not, shown and where.

`training` adds it to the rows that a ranker learns from, `relevance` says what of it counts.
"""

import polars as pl

from recs_platform.contracts import columns as c

IMPRESSION, DISMISS = "impression", "dismiss"
# Events that say no more than that an item was opened, and the seconds below which that was a bounce.
OPENING = ("view", "click")
BOUNCE_SECONDS = 5.0
PAIR = (c.USER_ID, c.ITEM_ID)
COLUMNS = {
    c.STRENGTH: pl.Float32(),
    c.IS_REFUSED: pl.Boolean(),
    c.IS_SHOWN: pl.Boolean(),
    c.SHOWN_POSITION: pl.Int32(),
}


def outcomes_of(events: pl.DataFrame) -> pl.DataFrame:
    """One row a pair of `events` (user_id, item_id, event_type, weight, dwell_seconds, position), sorted by pair.

    Returns:
        user_id, item_id, and COLUMNS: `strength`, the greatest weight of an event that is no impression, 0 without one;
        `is_refused`, dismissed, or opened for less than five seconds at most and no more than that; `is_shown`, whether
        there is an impression; `shown_position`, the best place of one, from 1, NULL where none is known.
    """
    kind, is_impression = pl.col(c.EVENT_TYPE), pl.col(c.EVENT_TYPE) == IMPRESSION
    is_liking = ~is_impression & (pl.col(c.WEIGHT) > 0)
    is_bounce = (is_liking.any() & (kind.is_in(OPENING) | ~is_liking).all()) & (
        pl.col(c.DWELL_SECONDS).max() < BOUNCE_SECONDS
    ).fill_null(value=False)
    return (
        events.group_by(PAIR)
        .agg(
            pl.col(c.WEIGHT).filter(~is_impression).max().fill_null(0).cast(pl.Float32).alias(c.STRENGTH),
            ((kind == DISMISS).any() | is_bounce).alias(c.IS_REFUSED),
            is_impression.any().alias(c.IS_SHOWN),
            pl.col(c.POSITION).filter(is_impression).min().cast(pl.Int32).alias(c.SHOWN_POSITION),
        )
        .sort(PAIR)
    )


def no_outcomes() -> pl.DataFrame:
    """The same without a row: where only whether pairs were chosen is known."""
    return pl.DataFrame(schema={**dict.fromkeys(PAIR, pl.String()), **COLUMNS})
