"""Deep lists in, lists of k out: the first places as they are, each slot drawn, each row with its chance."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.shared_settings import ExplorationSettings
from recs_platform.stages.reranking.caps import NO_LIMIT, caps_of
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.exploration.draws import keys_of, uniforms
from recs_platform.stages.reranking.exploration.policies import EXACT, POLICIES, Slots, posterior_rates, thompson
from recs_platform.stages.reranking.exploration.slots import Grid, Limit, deal_slots
from recs_platform.stages.reranking.slates import ItemArrays, in_segment

_USER, _ITEM, _CODE, _BOOST, _MEAN, _SHOWN = "_user", "_item", "_code", "_boost", "_mean", "_shown"
_USERS_AT_ONCE = 50_000


@dataclass(frozen=True)
class Exploration:
    """How slots are drawn.

    Attributes:
        settings: Slots, at least one, policy and what it needs.
        items: `item_id` (distinct), `is_new` Boolean, `item_click_through_rate` (missing = not known),
            `impression_count`; an item without a row is old and was never shown.
        seed_text: What the draws follow from beside the user: other texts, other draws.
        seed: Of what is drawn for all users alike.
    """

    settings: ExplorationSettings
    items: pl.DataFrame
    seed_text: str
    seed: int

    def depth(self, k: int) -> int:
        """Places of the deep lists that `explore` needs for lists of k."""
        return max(k - self.settings.slots, 0) + max(self.settings.candidates, min(self.settings.slots, k))


def explore(deep: pl.DataFrame, context: RerankContext, exploration: Exploration) -> pl.DataFrame:
    """Lists of at most `context.k` with `propensity` and `propensity_method`.

    `deep`: `user_id`, `rank`, `item_id` and other columns, sorted by user and rank, every item one that the user may be
    shown; see `Exploration.depth`. A row outside the slots has the propensity 1. A user with no more than k items gets
    them as they are.

    `propensity` is the chance of that item at that place. Slots are independent, so it is the same whatever the other
    slots drew. The same input gives the same lists.
    """
    settings, first = exploration.settings, max(context.k - exploration.settings.slots, 0)
    ids = deep[c.USER_ID].unique(maintain_order=True)
    items = ItemArrays(context, ids)
    rows = _with_facts(deep, items, exploration, first)
    keys, segments = keys_of(ids, exploration.seed_text), _segments(ids, context)
    posterior = _posterior(rows, exploration)
    users = rows[_USER].to_numpy().astype(np.int64)
    drawn = _Drawn.none(rows.height)
    for start in range(0, len(keys), _USERS_AT_ONCE):
        low, high = np.searchsorted(users, [start, start + _USERS_AT_ONCE])
        inside = slice(start, start + _USERS_AT_ONCE)
        block = _Block(rows[int(low) : int(high)], keys[inside], segments[inside], items, context, settings, posterior)
        _draw(block, drawn.view(int(low), int(high)))
    is_fixed = deep[c.RANK].to_numpy() <= first
    method = np.where(drawn.slot >= 0, POLICIES[settings.policy][1], EXACT)
    lists = deep.with_columns(
        pl.Series(c.RANK, np.where(is_fixed, deep[c.RANK].to_numpy(), first + drawn.slot + 1), pl.Int32),
        pl.Series(c.PROPENSITY, drawn.chance),
        pl.Series(c.PROPENSITY_METHOD, method),
    )
    return lists.filter(pl.Series(is_fixed | (drawn.slot >= 0))).sort(c.USER_ID, c.RANK)


@dataclass(frozen=True, eq=False)
class _Block:
    """Deep rows of some users, whole, and a key and a segment for each of the users."""

    rows: pl.DataFrame
    keys: NDArray[np.uint64]
    segments: pl.Series
    items: ItemArrays
    context: RerankContext
    settings: ExplorationSettings
    posterior: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Drawn:
    """By deep row the slot that drew it, -1 for none, and the chance of that; written by `_draw`."""

    slot: NDArray[np.int64]
    chance: NDArray[np.float64]

    @classmethod
    def none(cls, n: int) -> "_Drawn":
        return cls(np.full(n, -1, dtype=np.int64), np.ones(n))

    def view(self, low: int, high: int) -> "_Drawn":
        return _Drawn(self.slot[low:high], self.chance[low:high])


def _segments(users: pl.Series, context: RerankContext) -> pl.Series:
    """The segment of each user, missing where none is known."""
    known = context.facts.segments.select(c.USER_ID, c.SEGMENT_ID)
    return users.to_frame(c.USER_ID).join(known, on=c.USER_ID, how="left", maintain_order="left")[c.SEGMENT_ID]


def _with_facts(deep: pl.DataFrame, catalogue: ItemArrays, exploration: Exploration, first: int) -> pl.DataFrame:
    """Rows in their order with codes of user and item, another of items that may be drawn, boost and click rate."""
    facts = exploration.items.select(
        c.ITEM_ID,
        pl.when(c.IS_NEW).then(exploration.settings.new_item_boost).otherwise(1.0).alias(_BOOST),
        pl.col(c.ITEM_CLICK_THROUGH_RATE).alias(_MEAN),
        pl.col(c.IMPRESSION_COUNT).cast(pl.Float64).alias(_SHOWN),
    )
    items = (
        pl.DataFrame({c.ITEM_ID: catalogue.ids})
        .with_row_index(_CODE)
        .join(facts, on=c.ITEM_ID, how="left")
        .with_columns(
            pl.col(_BOOST).fill_null(1.0),
            pl.col(_SHOWN).fill_null(0.0),
            # An item of which nothing is known is as good as the mean of the others; where none is, all are alike.
            pl.col(_MEAN).fill_null(pl.col(_MEAN).mean()).fill_null(0.5),
        )
    )
    may_be_drawn = deep.filter(pl.col(c.RANK) > first).select(pl.col(c.ITEM_ID).unique().sort()).with_row_index(_ITEM)
    user = pl.col(c.USER_ID).rle_id().alias(_USER)
    rows = deep.select(c.USER_ID, c.RANK, c.ITEM_ID, user).join(items, on=c.ITEM_ID, how="left", maintain_order="left")
    return rows.join(may_be_drawn, on=c.ITEM_ID, how="left", maintain_order="left")


def _posterior(rows: pl.DataFrame, exploration: Exploration) -> NDArray[np.float32]:
    """Click rates of the items that may be drawn, by their code; none where the policy does not ask."""
    if POLICIES[exploration.settings.policy][0] is not thompson:
        return np.empty((0, 0), dtype=np.float32)
    items = rows.filter(pl.col(_ITEM).is_not_null()).unique(_ITEM).sort(_ITEM)
    mean, shown, boost = (items[name].to_numpy() for name in (_MEAN, _SHOWN, _BOOST))
    return posterior_rates(items[c.ITEM_ID], mean, shown, boost, exploration.seed)


def _draw(block: _Block, drawn: _Drawn) -> None:
    """Draw the slots of some users."""
    rows, k = block.rows, block.context.k
    if rows.is_empty():
        return
    user = (rows[_USER] - rows[_USER].min()).to_numpy().astype(np.int64)
    column = rows[c.RANK].to_numpy().astype(np.int64) - 1
    row_at = np.full((len(block.keys), int(column.max()) + 1), -1, dtype=np.int64)
    row_at[user, column] = np.arange(rows.height)
    item = np.append(rows[_CODE].cast(pl.Int64).fill_null(-1).to_numpy(), -1)[row_at]
    count = min(block.settings.slots, k)
    slot_of = deal_slots(Grid(row_at >= 0, list(_limits(item, block))), k, count)
    points = uniforms(block.keys, count)
    for slot in range(count):
        members, users = _members(slot_of == slot, row_at)
        if len(members):
            chances = _chances(members, block)
            chosen = _chosen(chances, members >= 0, points[users, slot])
            every = np.arange(len(members))
            drawn.slot[members[every, chosen]] = slot
            # Of chances that sum to 1 but for rounding, the only one may lie above.
            drawn.chance[members[every, chosen]] = np.minimum(chances[every, chosen], 1.0)


def _limits(item: NDArray[np.int64], block: _Block) -> Iterator[Limit]:
    """What lists of `item` (n_users, width), codes of items, may hold: the cap of categories and those of quotas."""
    items, context = block.items, block.context
    yield Limit(items.category[item], np.full(item.shape, context.max_per_category, dtype=np.int64))
    plans = context.rules.quotas.plans()
    named = [segment_id for segment_id in plans if segment_id is not None]
    most = dict[str, NDArray[np.int64]]()
    for segment_id, plan in plans.items():
        users = in_segment(block.segments, segment_id, named)
        if plan.enabled and users.any():
            for column, limit in caps_of(plan, items):
                every = most.setdefault(column, np.full(item.shape, NO_LIMIT, dtype=np.int64))
                every[users] = limit[item[users]]
    for column, every in most.items():
        yield Limit((items.category if column == c.CATEGORY else items.creator)[item], every)


def _members(is_member: NDArray[np.bool_], row_at: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers of each user's items of a slot, in list order, -1 behind; and the users who have any."""
    width = int(is_member.sum(axis=1).max(initial=0))
    order = np.argsort(~is_member, axis=1, kind="stable")[:, :width]
    there = np.take_along_axis(is_member, order, axis=1)
    members = np.where(there, np.take_along_axis(row_at, order, axis=1), -1)
    users = np.flatnonzero(is_member.any(axis=1)).astype(np.int64)
    return members[users], users


def _chances(members: NDArray[np.int64], block: _Block) -> NDArray[np.float64]:
    known = np.maximum(members, 0)
    slots = Slots(
        exists=members >= 0,
        place=block.rows[c.RANK].to_numpy().astype(np.int64)[known],
        boost=block.rows[_BOOST].to_numpy()[known],
        item=block.rows[_ITEM].fill_null(0).to_numpy().astype(np.int64)[known],
        posterior=block.posterior,
    )
    return POLICIES[block.settings.policy][0](slots, block.settings)


def _chosen(chances: NDArray[np.float64], exists: NDArray[np.bool_], points: NDArray[np.float64]) -> NDArray[np.int64]:
    """The column each row draws: the first whose cumulative chance passes the point; never one without a chance."""
    cumulative = chances.cumsum(axis=1)
    passed = cumulative > (points * cumulative[:, -1])[:, None]
    return (passed & exists & (chances > 0)).argmax(axis=1).astype(np.int64)
