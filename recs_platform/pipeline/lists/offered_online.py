"""What filters let through of what is offered beside released lists: candidates, what is popular, boards of surfaces.

A filter of items makes the item unavailable, one of pairs keeps pairs away: a server, and whatever takes the place of
released rows, look at no rule.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.stages.releases.bundle.boards import Board
from recs_platform.stages.releases.bundle.content import EVERYWHERE
from recs_platform.stages.reranking import RULES, Filter, RerankContext, apply_checked, divided

_PAIR = [c.USER_ID, c.ITEM_ID]
_PAIRS_AT_ONCE = 4_000_000


def offered_by(
    filters: Sequence[Filter], ranked: pl.DataFrame, context: RerankContext
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Candidates that every filter lets through, and the catalogue, where an item that none may see is unavailable."""
    pairs, items = ranked, context.items.select(c.ITEM_ID)
    for rule in filters:
        pairs = apply_checked(rule, pairs, context)
        if rule.by == "item":
            items = apply_checked(rule, items, context)
    visible = pl.col(c.ITEM_ID).is_in(items[c.ITEM_ID].implode())
    return pairs, context.items.select(c.ITEM_ID, c.TITLE, c.CATEGORY, visible.alias(c.IS_AVAILABLE))


def hidden_on(
    context: RerankContext,
    on_surfaces: Mapping[str, RerankContext],
    filters: Sequence[Filter],
    fallbacks: Mapping[str, Sequence[str]],
    boards: Mapping[str, Board],
) -> dict[str, pl.DataFrame]:
    """`user_id`, `item_id` that filters of pairs keep away, `EVERYWHERE` and by surface where it is not the same there.

    Filters of the home say nothing but of pairs that they are given: those of every user with what is popular
    (`fallbacks`), or on the surface's board.
    """
    own = [rule for rule in filters if rule.by != "item" and rule not in RULES]
    popular = sorted({item for ranking in fallbacks.values() for item in ranking})
    found = {EVERYWHERE: _hidden(context, own, popular)}
    for surface, theirs in on_surfaces.items():
        board = boards.get(surface)
        shown = sorted({item for ranking in board.rankings.values() for item in ranking}) if board else []
        hidden = _hidden(theirs, own, shown)
        if own or not hidden.equals(found[EVERYWHERE]):
            found[surface] = hidden
    return {surface: hidden for surface, hidden in found.items() if surface != EVERYWHERE or hidden.height}


def _hidden(context: RerankContext, own: Sequence[Filter], items: Sequence[str]) -> pl.DataFrame:
    parts = [pl.DataFrame(schema={c.USER_ID: pl.String, c.ITEM_ID: pl.String})]
    parts.extend(rows.select(_PAIR) for rows in context.hidden.values())
    users, offered = context.users.to_frame(c.USER_ID), pl.DataFrame({c.ITEM_ID: items}, schema={c.ITEM_ID: pl.String})
    if own and items:
        for some in users.iter_slices(max(1, _PAIRS_AT_ONCE // len(items))):
            kept = some.join(offered, how="cross")
            for rule in own:
                kept, left_out = divided(rule, kept, context)
                parts.append(left_out)
    return pl.concat(parts).unique(_PAIR).sort(_PAIR)
