"""Training rows: which candidates were chosen after a cutoff, and which others are shown beside them."""

from datetime import datetime

import polars as pl

from recs_platform.contracts import columns as c

GROUP_KEYS = (c.CUTOFF, c.FOLD, c.USER_ID)
ROW_KEYS = (*GROUP_KEYS, c.ITEM_ID)
LAST_FOLD = 1

_SEPARATOR = "\x1f"
_NTH = "_nth"


def label_rows(rows: pl.DataFrame, positives: pl.DataFrame, *, cutoff: datetime, fold: int = LAST_FOLD) -> pl.DataFrame:
    """Say of each candidate row whether the user chose the item in the label window.

    Args:
        rows: Candidates with features as of `cutoff`; one row a `user_id`, `item_id`.
        positives: `user_id`, `item_id` of first-time choices after `cutoff`; repeats count once, pairs that were no
            candidate are left out.
        cutoff: UTC instant the features were computed as of.
        fold: Fold of the users' histories that was held out, in time order; windows of one cutoff differ in it.

    Returns:
        `rows` in their order with `cutoff` (Datetime us UTC), `fold` and `label` (Int8, 0 or 1) added, no other
        column changed.
    """
    chosen = positives.select(c.USER_ID, c.ITEM_ID).unique().with_columns(pl.lit(1, pl.Int8).alias(c.LABEL))
    return rows.join(chosen, on=[c.USER_ID, c.ITEM_ID], how="left", maintain_order="left").with_columns(
        pl.lit(cutoff).dt.cast_time_unit("us").dt.convert_time_zone("UTC").alias(c.CUTOFF),
        pl.lit(fold, pl.Int8).alias(c.FOLD),
        pl.col(c.LABEL).fill_null(0),
    )


def sample_rows(rows: pl.DataFrame, negatives_per_user: int, seed: int) -> pl.DataFrame:
    """Keep what a ranker learns from: groups with a positive, all their positives and some negatives.

    Negatives are drawn evenly, by a hash of cutoff, fold, user, item and seed, so that neither row order nor other
    groups decide which. Preferring hard ones (by `fused_score`) taught the ranker to distrust its best sources.

    Returns:
        Rows of `rows`, sorted by cutoff, fold, user, item: at most `negatives_per_user` negatives a group (cutoff,
        fold, user).
    """
    is_negative = pl.col(c.LABEL) == 0
    # An earlier fold counts as a microsecond before its cutoff, so that its draws differ from the last's.
    group = pl.col(c.CUTOFF).dt.epoch("us") + pl.col(c.FOLD) - LAST_FOLD
    identity = pl.concat_str(group, c.USER_ID, c.ITEM_ID, separator=_SEPARATOR)
    return (
        rows.filter((pl.col(c.LABEL) > 0).any().over(GROUP_KEYS))
        .with_columns(pl.when(is_negative).then(identity.hash(seed)).rank("ordinal").over(GROUP_KEYS).alias(_NTH))
        .filter(~is_negative | (pl.col(_NTH) <= negatives_per_user))
        .drop(_NTH)
        .sort(ROW_KEYS)
    )
