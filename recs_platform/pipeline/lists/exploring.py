"""Lists with exploration and hold-out, as the settings say. Made for releases only: what is tested is the ranker.

How places are drawn is in `stages.reranking.exploration`.
"""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.rule_settings import RulesSettings
from recs_platform.contracts.time import as_of_key
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.stages import reranking

ITEM_FEATURES = "features.item_features"
# Of rows that no slot drew.
NOT_DRAWN = (pl.lit(1.0).alias(c.PROPENSITY), pl.lit(reranking.EXACT).alias(c.PROPENSITY_METHOD))
HOLDOUT_REASON = "{}; shown to a comparison group, which gets popular items only"


def rerank_explored(
    run: AsOfRun, rows: pl.DataFrame, context: reranking.RerankContext, rules: Sequence[reranking.Rule]
) -> reranking.RerankResult:
    """Lists as `reranking.rerank` makes them, with `propensity`, `propensity_method` and `is_holdout`.

    Whoever is in the hold-out is served from the fallback, whatever was ranked, and nothing is drawn for them.
    """
    held_out = hold_out(run, context.users)
    others = context.users.filter(~context.users.is_in(held_out.implode()))
    ranked = rows.filter(~pl.col(c.USER_ID).is_in(held_out.implode()))
    made = reranking.rerank(ranked, replace(context, users=others), rules, exploration_of(run))
    if c.PROPENSITY not in made.lists.columns:
        made = replace(made, lists=made.lists.with_columns(NOT_DRAWN))
    lists = [made.lists.with_columns(pl.lit(value=False).alias(c.IS_HOLDOUT))]
    if held_out.is_empty():
        return reranking.RerankResult(lists[0], made.short_lists, made.moved)
    # What orders and places items is part of what is compared with; what may not be shown stays away here too.
    plain = replace(context, users=held_out, rules=RulesSettings())
    compared = reranking.rerank(ranked.clear(), plain, rules)
    lists.append(compared.lists.with_columns(*NOT_DRAWN, pl.lit(value=True).alias(c.IS_HOLDOUT)))
    return reranking.RerankResult(pl.concat(lists), pl.concat([made.short_lists, compared.short_lists]), made.moved)


def hold_out(run: AsOfRun, users: pl.Series) -> pl.Series:
    """Those of the users that the settings hold out."""
    settings = run.platform.settings.exploration
    return reranking.held_out_users(users, settings.holdout_share, settings.holdout_salt)


def with_holdout_reasons(lists: pl.DataFrame) -> pl.DataFrame:
    """The lists with reasons that say why they are not personal."""
    return lists.with_columns(pl.format(HOLDOUT_REASON, c.REASON).alias(c.REASON))


def exploration_of(run: AsOfRun) -> reranking.Exploration | None:
    """How the settings draw places; None where they draw none."""
    settings, seed = run.platform.settings.exploration, run.platform.settings.seed
    if not settings.slots:
        return None
    with run.models() as models:
        items = models.frame(ITEM_FEATURES, [c.ITEM_ID, c.AGE_DAYS, c.IMPRESSION_COUNT, c.ITEM_CLICK_THROUGH_RATE])
    is_new = (pl.col(c.AGE_DAYS) <= settings.new_item_days).fill_null(value=False).alias(c.IS_NEW)
    return reranking.Exploration(settings, items.with_columns(is_new), f"{seed} {as_of_key(run.as_of)}", seed)
