"""Reorders that work on slates, several of them in one pass over the ranked rows. The plain type is in `rule`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.rule_settings import RuleSettings
from recs_platform.contracts.threads import side_by_side
from recs_platform.stages.reranking.context import RerankContext, nothing_moved
from recs_platform.stages.reranking.demands import Demand, Pins, select
from recs_platform.stages.reranking.rules.rule import Reorder
from recs_platform.stages.reranking.slates import Bools, Ints, Slate, places, slates

# What a rule's functions are told of the settings: its own group, as it holds for the users at hand.
Plan = RuleSettings
Order = Callable[[Slate, "Plan"], Ints]
Demands = Callable[[Slate, "Plan"], Sequence[Demand]]
# Items that a rule needs in a list whether or not they were ranked: `user_id`, `item_id`, the most wanted first.
Offers = Callable[[pl.DataFrame, RerankContext, "Plan"], pl.DataFrame]


@dataclass(frozen=True)
class SlateReorder(Reorder):
    """A rule of the settings: `order` gives new places of a slate, or `demands` what `select` is to meet.

    `offers(users, context, plan)`: items that it may need, for `users` (`user_id`) that the plan holds for. `settings`:
    where its settings are; unset, `context.rules.<name>`, and then rows say when it moved them.
    """

    order: Order | None = None
    demands: Demands | None = None
    offers: Offers | None = None
    settings: Callable[[RerankContext], RuleSettings] | None = None

    def is_used(self, context: RerankContext) -> bool:
        """Whether it is on for anybody."""
        return any(plan.enabled for plan in self.plans(context).values())

    def plans(self, context: RerankContext) -> Mapping[str | None, Plan]:
        """What holds, by segment; None: everybody else."""
        settings: RuleSettings = getattr(context.rules, self.name) if self.settings is None else self.settings(context)
        return settings.plans()


def slate_rule(
    name: str,
    *,
    order: Order | None = None,
    demands: Demands | None = None,
    offers: Offers | None = None,
    settings: Callable[[RerankContext], RuleSettings] | None = None,
) -> SlateReorder:
    """A rule that its settings turn on; see SlateReorder."""

    def apply(ranked: pl.DataFrame, context: RerankContext) -> pl.DataFrame:
        return arrange(ranked, context, (rule,))[0]

    rule = SlateReorder(name, apply, order, demands, offers, settings)
    return rule


def arrange(
    ranked: pl.DataFrame, context: RerankContext, rules: Sequence[SlateReorder], keep: int | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows in the order that the rules give them one after the other, and `RerankResult.moved` of the first k.

    A rule that demands something keeps what those before it demand. `keep`: rows of each user that anybody looks at
    afterwards, all where it is not given; to take hundreds of rows a user from the frame costs more than the rules.
    """
    used = [rule for rule in rules if rule.is_used(context)]
    if not used or ranked.is_empty():
        return ranked, nothing_moved()

    def arrange_one(slate: Slate) -> tuple[Ints, pl.DataFrame]:
        demanded = list[Demand]()
        for number, rule in enumerate(used):
            _apply(slate, rule, number, demanded, context)
        row = np.take_along_axis(slate.row, places(slate.order)[:, :keep], axis=1)
        return row[row >= 0], _moved(slate, ranked, [rule.name for rule in used])

    rows, moved = zip(*side_by_side(arrange_one, slates(ranked, context), context.threads), strict=True)
    return ranked[pl.Series(np.concatenate(rows))], pl.concat([nothing_moved(), *moved])


def _apply(slate: Slate, rule: SlateReorder, number: int, demanded: list[Demand], context: RerankContext) -> None:
    """One rule on one slate: its places for the users that each plan holds for."""
    plans = rule.plans(context)
    named = [segment for segment in plans if segment is not None]
    affected = np.zeros(len(slate.users), dtype=np.bool_)
    order, own = slate.order.copy(), list[Demand]()
    for segment, plan in plans.items():
        users = slate.members(segment, named)
        if not plan.enabled or not users.any():
            continue
        affected |= users
        if rule.order is not None:
            order[users] = rule.order(slate, plan)[users]
        if rule.demands is not None:
            own.extend(each.of(users) for each in rule.demands(slate, plan))
    demanded.extend(own)
    if rule.demands is not None and affected.any():
        order[affected] = select(slate, demanded)[affected]
    if rule.settings is None:
        slate.moved_by = np.where(_put_there(slate, order, own), np.int8(number), slate.moved_by)
    slate.order = order


def _put_there(slate: Slate, order: Ints, own: Sequence[Demand]) -> Bools:
    """Columns that stand in the first k because of a rule, `own` what it demands.

    Of a rule that pins these are the pinned ones that moved: what comes up where one went down was not put there.
    """
    pins = [each.place >= 0 for each in own if isinstance(each, Pins)]
    if not pins:
        return _put_forward(slate, order)
    return np.logical_or.reduce(pins) & slate.exists & (order != slate.order)


def _put_forward(slate: Slate, order: Ints) -> Bools:
    """Columns that come into the first k, or before another one of them that stood before."""
    after = places(order)[:, : slate.k]
    before = np.take_along_axis(slate.order, after, axis=1)
    least = np.minimum.accumulate(before[:, ::-1], axis=1)[:, ::-1]
    found = np.zeros_like(slate.exists)
    np.put_along_axis(found, after, (before > least) | (before >= slate.k), axis=1)
    return found & slate.exists


def _moved(slate: Slate, ranked: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    inside = (slate.moved_by >= 0) & slate.exists & (slate.order < slate.k)
    rows = pl.Series(slate.row[inside])
    rules = pl.Series(c.RULE, [names[number] for number in slate.moved_by[inside].tolist()], dtype=pl.String)
    return ranked[rows].select(c.USER_ID, c.ITEM_ID).with_columns(rules)
