"""Training rows: which candidates were chosen after a cutoff, and which others are shown beside them."""

from datetime import datetime

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.stages.ranking.outcomes import no_outcomes

GROUP_KEYS = (c.CUTOFF, c.FOLD, c.USER_ID)
ROW_KEYS = (*GROUP_KEYS, c.ITEM_ID)
LAST_FOLD = 1

_SEPARATOR = "\x1f"
_NTH = "_nth"


def label_rows(
    rows: pl.DataFrame,
    positives: pl.DataFrame,
    *,
    cutoff: datetime,
    fold: int = LAST_FOLD,
    outcomes: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Say of each candidate row whether the user chose the item in the label window, and what else became of it.

    Args:
        rows: Candidates with features as of `cutoff`; one row a `user_id`, `item_id`.
        positives: `user_id`, `item_id` of first-time choices after `cutoff`; repeats count once, pairs that were no
            candidate are left out.
        cutoff: UTC instant the features were computed as of.
        fold: Fold of the users' histories that was held out, in time order; windows of one cutoff differ in it.
        outcomes: As `outcomes_of` the events of the label window; none are known by default.

    Returns:
        `rows` in their order with `cutoff` (Datetime us UTC), `fold`, `label` (Int8, 0 or 1) and the columns of
        `outcomes` added, missing where nothing became of the pair; no other column changed.

    Raises:
        ContractError: A pair has more than one outcome, so that rows would be repeated.
    """
    chosen = positives.select(c.USER_ID, c.ITEM_ID).unique().with_columns(pl.lit(1, pl.Int8).alias(c.LABEL))
    labelled = with_columns_of(rows, chosen).with_columns(
        pl.lit(cutoff).dt.cast_time_unit("us").dt.convert_time_zone("UTC").alias(c.CUTOFF),
        pl.lit(fold, pl.Int8).alias(c.FOLD),
        pl.col(c.LABEL).fill_null(0),
    )
    return with_columns_of(labelled, no_outcomes() if outcomes is None else outcomes)


def with_columns_of(rows: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """`rows` in their order with the columns that `found` has of their pairs, missing where it has none.

    Raises ContractError where a pair of `found` repeats and rows in would not be rows out.
    """
    joined = rows.join(found, on=[c.USER_ID, c.ITEM_ID], how="left", maintain_order="left")
    if joined.height != rows.height:
        raise ContractError(
            f"{rows.height} training rows became {joined.height} when {sorted(set(found.columns) - set(rows.columns))} "
            "were joined: each user_id, item_id must come once"
        )
    return joined


def sample_rows(rows: pl.DataFrame, negatives_per_user: int, seed: int, *, shown_only: bool = False) -> pl.DataFrame:
    """Keep what a ranker learns from: groups with a positive, all their positives and some negatives.

    Negatives are drawn evenly, by a hash of cutoff, fold, user, item and seed, so that neither row order nor other
    groups decide which. Preferring hard ones (by `fused_score`) taught the ranker to distrust its best sources.

    `shown_only`: of the cutoffs at which anything was shown, rows that were shown to the user in the label window and
    no others, whatever became of them: what was never seen was not refused.

    Returns:
        Rows of `rows`, sorted by cutoff, fold, user, item: at most `negatives_per_user` negatives a group (cutoff,
        fold, user).
    """
    is_negative = pl.col(c.LABEL) == 0
    # An earlier fold counts as a microsecond before its cutoff, so that its draws differ from the last's.
    group = pl.col(c.CUTOFF).dt.epoch("us") + pl.col(c.FOLD) - LAST_FOLD
    identity = pl.concat_str(group, c.USER_ID, c.ITEM_ID, separator=_SEPARATOR)
    return (
        (_shown(rows) if shown_only else rows)
        .filter((pl.col(c.LABEL) > 0).any().over(GROUP_KEYS))
        .with_columns(pl.when(is_negative).then(identity.hash(seed)).rank("ordinal").over(GROUP_KEYS).alias(_NTH))
        .filter(~is_negative | (pl.col(_NTH) <= negatives_per_user))
        .drop(_NTH)
        .sort(ROW_KEYS)
    )


def _shown(rows: pl.DataFrame) -> pl.DataFrame:
    is_shown = pl.col(c.IS_SHOWN).fill_null(value=False)
    return rows.filter(is_shown | ~is_shown.any().over(c.CUTOFF, c.FOLD))
