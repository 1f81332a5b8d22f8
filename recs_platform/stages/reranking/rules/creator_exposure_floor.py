"""Reorder: every creator in a share of the lists. Which user is shown which follows from their ids alone.

A user is a patron of a creator with the chance that the share says, and sees one item of theirs; of more creators than
there are places for, those with the smallest number drawn.
"""

from typing import cast

import numpy as np
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.rule_settings import CreatorFloorSettings
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.demands import Demand, Floor
from recs_platform.stages.reranking.exploration.draws import keys_of, uniforms
from recs_platform.stages.reranking.offered_items import available, in_fallback_order
from recs_platform.stages.reranking.rules.slate_rule import Plan, slate_rule
from recs_platform.stages.reranking.slates import Bools, Floats, Ints, Slate

_SALT = "creator_exposure_floor"
_PER_CREATOR = 3  # items offered of a creator: the user may have consumed the best
_PAIRS_AT_ONCE = 4_000_000


def drawn(users: pl.Series, creators: pl.Series) -> Floats:
    """A number in [0, 1) for each user and creator, (n_users, n_creators)."""
    mine, theirs = keys_of(users, _SALT), keys_of(creators, _SALT)
    mixed = (mine[:, None] ^ theirs[None, :]).ravel()
    return uniforms(mixed, 1).reshape(len(users), len(creators))


def patron_counts(users: pl.Series, creators: pl.Series, share: float) -> Ints:
    """How many users are patrons of each creator, (n_creators,): by chance a little more or less than the share."""
    found = np.zeros(len(creators), dtype=np.int64)
    for some in users.to_frame().iter_slices(max(1, _PAIRS_AT_ONCE // max(1, len(creators)))):
        found += (drawn(some.to_series(), creators) < share).sum(axis=0)
    return found


def demand_creators(slate: Slate, plan: Plan) -> list[Demand]:
    """The best item of each creator of whom the user is a patron, as many as there are places for."""
    settings = cast("CreatorFloorSettings", plan)
    names = slate.items.names(c.CREATOR)
    creators = pl.DataFrame({"name": names, "code": slate.items.creator}).unique("code").sort("code")
    creators = creators.filter(pl.col("code") >= 0)
    if creators.is_empty():
        return []
    numbers = np.append(drawn(slate.users, creators["name"]), np.ones((len(slate.users), 1)), axis=1)
    number = np.take_along_axis(numbers, slate.creator, axis=1)
    is_patron = (number < settings.lists_share) & slate.exists & _is_best(slate)
    nearest = np.argsort(np.where(is_patron, number, np.inf), axis=1, kind="stable")[:, : settings.places_max]
    chosen = np.zeros_like(is_patron)
    np.put_along_axis(chosen, nearest, values=True, axis=1)
    members: Bools = chosen & is_patron
    return [Floor(members, members.sum(axis=1).astype(np.int64))]


def _is_best(slate: Slate) -> Bools:
    """Columns that stand before every other one of their creator."""
    n_users, width = slate.exists.shape
    user = np.repeat(np.arange(n_users, dtype=np.int64), width)
    flat = user * (int(slate.creator.max(initial=0)) + 2) + slate.creator.ravel() + 1
    order: Ints = np.lexsort((slate.order.ravel(), flat))
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = np.diff(flat[order]) != 0
    best = np.zeros(n_users * width, dtype=np.bool_)
    best[order[first]] = True
    return best.reshape(n_users, width)


def offer_creators(users: pl.DataFrame, context: RerankContext, plan: Plan) -> pl.DataFrame:
    """The best items of the creators of whom each user is a patron."""
    settings = cast("CreatorFloorSettings", plan)
    nobody = users.select(c.USER_ID, pl.lit(None, pl.String).alias(c.ITEM_ID)).clear()
    if c.CREATOR not in context.items.columns:
        return nobody
    best = in_fallback_order(available(context).filter(pl.col(c.CREATOR).is_not_null()), context)
    best = best.filter(pl.int_range(pl.len()).over(c.CREATOR) < _PER_CREATOR).select(c.CREATOR, c.ITEM_ID)
    parts, creators = [nobody], best[c.CREATOR].unique().sort()
    if creators.is_empty():
        return nobody
    for some in users.select(c.USER_ID).iter_slices(max(1, _PAIRS_AT_ONCE // len(creators))):
        user, creator = np.nonzero(drawn(some[c.USER_ID], creators) < settings.lists_share)
        pairs = pl.DataFrame({c.USER_ID: some[c.USER_ID].gather(user), c.CREATOR: creators.gather(creator)})
        parts.append(pairs.join(best, on=c.CREATOR, maintain_order="left_right").select(c.USER_ID, c.ITEM_ID))
    return pl.concat(parts)


RULE = slate_rule("creator_exposure_floor", demands=demand_creators, offers=offer_creators)
