"""What became of the rules of the settings: rows they moved, and what they ask for that lists do not hold."""

from collections.abc import Sequence

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.surface_settings import DEFAULT_SURFACE
from recs_platform.stages import reranking

UNKNOWN = "the catalogue has none as of the instant"
NOTHING, IDLE = "nothing", "the rule is on and names nothing: it changes no list; fill it in, or turn it off"
_MOVED = "{}; put here by the rule '{}'"


def with_moves(lists: pl.DataFrame, moved: pl.DataFrame) -> pl.DataFrame:
    """The lists; the reason of a row that a rule moved up names the rule."""
    if moved.is_empty():
        return lists
    named = lists.join(moved, on=[c.USER_ID, c.ITEM_ID], how="left", maintain_order="left")
    told = pl.when(pl.col(c.RULE).is_not_null()).then(pl.format(_MOVED, c.REASON, c.RULE)).otherwise(c.REASON)
    return named.with_columns(told.alias(c.REASON)).drop(c.RULE)


def held_out_of(lists: pl.DataFrame) -> pl.Series:
    """Users of the hold-out, as one list to look in: no rule orders theirs."""
    return lists.filter(c.IS_HOLDOUT)[c.USER_ID].unique().implode()


def conflicts_of(
    lists: pl.DataFrame,
    context: reranking.RerankContext,
    filters: Sequence[reranking.Filter],
    surface: str = DEFAULT_SURFACE,
) -> pl.DataFrame:
    """Rows of recommendations.rule_conflicts, less as_of: what is not met, unknown names, idle rules."""
    unmet = reranking.conflicts(lists, context, filters)
    unknown = reranking.unknown_names(context.rules, context.items).with_columns(pl.lit(UNKNOWN).alias(c.REASON))
    idle = pl.DataFrame({c.RULE: reranking.idle_rules(context.rules)}, schema={c.RULE: pl.String})
    idle = idle.with_columns(pl.lit(NOTHING).alias(c.SUBJECT), pl.lit(IDLE).alias(c.REASON))
    named = pl.concat([unknown, idle]).with_columns(pl.lit(0, pl.Int64).alias(c.USER_COUNT))
    return added_up([pl.concat([unmet, named]).select(pl.lit(surface).alias(c.SURFACE), pl.all())])


def no_conflicts() -> pl.DataFrame:
    """No row of recommendations.rule_conflicts, less as_of."""
    texts = dict.fromkeys((c.SURFACE, c.RULE, c.SUBJECT, c.REASON), pl.String)
    return pl.DataFrame(schema={**texts, c.USER_COUNT: pl.Int64})


def added_up(conflicts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Rows of recommendations.rule_conflicts of different users as one, a row a rule, subject and reason."""
    keys = [c.SURFACE, c.RULE, c.SUBJECT, c.REASON]
    return pl.concat(conflicts).group_by(keys).agg(pl.col(c.USER_COUNT).sum()).sort(keys)
