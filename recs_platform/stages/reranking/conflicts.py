"""What rules of the settings asked for and lists do not hold, and why; and names in rules that nothing has.

Rows of filters are in `violations`: a filter is never broken, what it takes is why something else is not met.
"""

from collections.abc import Iterator, Sequence
from math import ceil
from typing import cast

import numpy as np
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.rule_settings import (
    CreatorFloorSettings,
    NewItemsSettings,
    PinnedSettings,
    QuotaSettings,
    RuleSettings,
    RulesSettings,
)
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.facts import of_segment
from recs_platform.stages.reranking.own_rules import apply_checked
from recs_platform.stages.reranking.rules.creator_exposure_floor import patron_counts
from recs_platform.stages.reranking.rules.new_items_min import least
from recs_platform.stages.reranking.rules.pinned import pins_of
from recs_platform.stages.reranking.rules.quotas import floors_of
from recs_platform.stages.reranking.rules.rule import Filter
from recs_platform.stages.reranking.slates import ItemArrays

SCHEMA = {c.RULE: pl.String, c.SUBJECT: pl.String, c.REASON: pl.String, c.USER_COUNT: pl.Int64}
ELSEWHERE = "the place went to what another rule, the cap of categories or chance put there"
NO_PLACE = "the list is shorter"
OVER = "no other item was left for the list"
_PAIRS_AT_ONCE = 4_000_000
_HELD, _ELIGIBLE, _DUE = "_held", "_eligible", "_due"


def conflicts(lists: pl.DataFrame, context: RerankContext, filters: Sequence[Filter]) -> pl.DataFrame:
    """A row a rule, a subject (item, category, creator, "new items") and a reason: of how many users it is not met.

    `lists`: `user_id`, `rank`, `item_id`. Sorted by rule, subject and reason.
    """
    found = [pl.DataFrame(schema=SCHEMA)]
    segments = context.facts.segments
    placed = context.users.to_frame(c.USER_ID).join(segments, on=c.USER_ID, how="left", maintain_order="left")
    for name, rule in context.rules.each():
        named = list(rule.segments)
        for segment_id, plan in rule.plans().items():
            if plan.enabled:
                users = placed.filter(of_segment(segment_id, named)).select(c.USER_ID)
                theirs = lists.join(users, on=c.USER_ID, how="semi")
                for subject, missing in _of_plan(plan, users, theirs, context, filters):
                    counts = missing.group_by(c.REASON).agg(pl.col(c.USER_ID).n_unique().cast(pl.Int64))
                    labels = (pl.lit(name).alias(c.RULE), pl.lit(subject).alias(c.SUBJECT))
                    found.append(counts.select(*labels, c.REASON, pl.col(c.USER_ID).alias(c.USER_COUNT)))
    keys = [c.RULE, c.SUBJECT, c.REASON]
    return pl.concat(found).group_by(keys).agg(pl.col(c.USER_COUNT).sum()).sort(keys)


_Missing = Iterator[tuple[str, pl.DataFrame]]


def _of_plan(
    plan: RuleSettings, users: pl.DataFrame, lists: pl.DataFrame, context: RerankContext, filters: Sequence[Filter]
) -> _Missing:
    """Subjects, and who lacks them: `user_id`, `reason`."""
    if isinstance(plan, PinnedSettings):
        yield from _pins(plan, users, lists, context, filters)
    elif isinstance(plan, QuotaSettings):
        for column, name, count in floors_of(plan):
            if column in context.items.columns:
                members = context.items.filter(pl.col(column) == name).select(c.ITEM_ID)
                yield f"{column} {name}", _short_of(members, count, users, lists, context, filters)
        yield from _caps(plan, lists, context)
    elif isinstance(plan, NewItemsSettings):
        items = ItemArrays(context)
        new = pl.DataFrame({c.ITEM_ID: items.ids.filter(pl.Series(items.age_days[:-1] <= plan.days))})
        yield "new items", _short_of(new, least(plan, context.k), users, lists, context, filters)
    elif isinstance(plan, CreatorFloorSettings):
        yield from _creators(plan, users, lists, context)


def _pins(
    plan: PinnedSettings,
    users: pl.DataFrame,
    lists: pl.DataFrame,
    context: RerankContext,
    filters: Sequence[Filter],
) -> _Missing:
    for pin in pins_of(plan, context):
        there = lists.filter((pl.col(c.ITEM_ID) == pin.item_id) & (pl.col(c.RANK) == pin.place))
        lacking = users.join(there, on=c.USER_ID, how="anti").with_columns(pl.lit(pin.item_id).alias(c.ITEM_ID))
        lengths = lists.group_by(c.USER_ID).len()
        for rule in filters:
            kept = apply_checked(rule, lacking, context)
            dropped = lacking.join(kept, on=c.USER_ID, how="anti")
            yield f"item {pin.item_id}", dropped.select(c.USER_ID, pl.lit(f"{rule.why}").alias(c.REASON))
            lacking = kept
        is_short = pl.col("len").fill_null(0) < pin.place
        why = pl.when(is_short).then(pl.lit(NO_PLACE)).otherwise(pl.lit(ELSEWHERE)).alias(c.REASON)
        yield f"item {pin.item_id}", lacking.join(lengths, on=c.USER_ID, how="left").select(c.USER_ID, why)


def _short_of(
    members: pl.DataFrame,
    count: int,
    users: pl.DataFrame,
    lists: pl.DataFrame,
    context: RerankContext,
    filters: Sequence[Filter],
) -> pl.DataFrame:
    """Users with fewer than `count` of the members in their list: `user_id`, `reason`."""
    held = lists.join(members, on=c.ITEM_ID, how="semi").group_by(c.USER_ID).agg(pl.len().alias(_HELD))
    short = users.join(held, on=c.USER_ID, how="left").filter(pl.col(_HELD).fill_null(0) < count)
    parts = [pl.DataFrame(schema={c.USER_ID: pl.String, c.REASON: pl.String})]
    for some in short.iter_slices(max(1, _PAIRS_AT_ONCE // max(1, members.height))):
        pairs = some.select(c.USER_ID).join(members, how="cross")
        for rule in filters:
            pairs = apply_checked(rule, pairs, context)
        eligible = some.join(pairs.group_by(c.USER_ID).agg(pl.len().alias(_ELIGIBLE)), on=c.USER_ID, how="left")
        few = pl.format("{} of {} are eligible for the user", pl.col(_ELIGIBLE).fill_null(0), pl.lit(count))
        why = pl.when(pl.col(_ELIGIBLE).fill_null(0) < count).then(few).otherwise(pl.lit(ELSEWHERE))
        parts.append(eligible.select(c.USER_ID, why.alias(c.REASON)))
    return pl.concat(parts)


def _caps(plan: QuotaSettings, lists: pl.DataFrame, context: RerankContext) -> _Missing:
    """Groups of which a list holds more than is allowed."""
    for column, most, everyone in (
        (c.CATEGORY, plan.category_max, None),
        (c.CREATOR, plan.creator_max, plan.max_per_creator),
    ):
        if column not in context.items.columns:
            continue
        groups = context.items.select(c.ITEM_ID, column).drop_nulls()
        held = lists.join(groups, on=c.ITEM_ID).group_by(c.USER_ID, column).len()
        for name, count in sorted(most.items()):
            over = held.filter((pl.col(column) == name) & (pl.col("len") > count))
            yield f"{column} {name}", over.select(c.USER_ID, pl.lit(OVER).alias(c.REASON))
        if everyone is not None:
            over = held.filter(~pl.col(column).is_in(list(most)) & (pl.col("len") > everyone))
            yield f"any {column}", over.select(c.USER_ID, pl.lit(OVER).alias(c.REASON))


def _creators(plan: CreatorFloorSettings, users: pl.DataFrame, lists: pl.DataFrame, context: RerankContext) -> _Missing:
    """Creators with available items in fewer lists than are to show them; users are the lists that lack.

    Those are as many as were drawn for the creator, or as the share says where chance drew more.
    """
    if c.CREATOR not in context.items.columns or users.is_empty():
        return
    groups = context.items.filter(pl.col(c.IS_AVAILABLE)).select(c.ITEM_ID, c.CREATOR).drop_nulls()
    shown = lists.join(groups, on=c.ITEM_ID).group_by(c.CREATOR).agg(pl.col(c.USER_ID).n_unique().alias(_HELD))
    creators = groups.select(c.CREATOR).unique().sort(c.CREATOR)
    drawn = patron_counts(users[c.USER_ID], creators[c.CREATOR], plan.lists_share)
    due = creators.with_columns(pl.Series(_DUE, np.minimum(drawn, ceil(plan.lists_share * users.height))))
    rare = due.join(shown, on=c.CREATOR, how="left", maintain_order="left").with_columns(pl.col(_HELD).fill_null(0))
    for creator, count, held in rare.filter(pl.col(_HELD) < pl.col(_DUE)).iter_rows():
        reason = "fewer lists than the share says: patrons have consumed its items, or other creators have the places"
        lacking = users.head(cast("int", count) - cast("int", held))
        yield f"creator {creator}", lacking.select(c.USER_ID, pl.lit(reason).alias(c.REASON))


def unknown_names(rules: RulesSettings, items: pl.DataFrame) -> pl.DataFrame:
    """Items, categories and creators that rules name and the catalogue lacks: `rule`, `subject`; sorted."""
    named = set[tuple[str, str, str]]()
    for pin in (pin for plan in rules.pinned.plans().values() for pin in plan.items):
        named.add(("pinned", c.ITEM_ID, pin.item_id))
    for boost in (boost for plan in rules.boosted.plans().values() for boost in plan.items):
        subjects = ((c.ITEM_ID, boost.item_id), (c.CATEGORY, boost.category), (c.CREATOR, boost.creator))
        named |= {("boosted", column, name) for column, name in subjects if name is not None}
    for plan in rules.quotas.plans().values():
        named |= {("quotas", c.CATEGORY, name) for name in (*plan.category_max, *plan.category_min)}
        named |= {("quotas", c.CREATOR, name) for name in (*plan.creator_max, *plan.creator_min)}
    known = {
        column: set(items[column].drop_nulls()) if column in items.columns else set[str]()
        for column in (c.ITEM_ID, c.CATEGORY, c.CREATOR)
    }
    unknown = [
        (rule, f"{'item' if column == c.ITEM_ID else column} {name}")
        for rule, column, name in named
        if name not in known[column]
    ]
    return pl.DataFrame(sorted(unknown), schema={c.RULE: pl.String, c.SUBJECT: pl.String}, orient="row")


def idle_rules(rules: RulesSettings) -> list[str]:
    """Rules that are on and name nothing for anybody, so that they do nothing; by name."""
    named: dict[str, list[tuple[bool, bool]]] = {
        "boosted": [(plan.enabled, bool(plan.items)) for plan in rules.boosted.plans().values()],
        "pinned": [(plan.enabled, bool(plan.items)) for plan in rules.pinned.plans().values()],
        "quotas": [(plan.enabled, _has_limits(plan)) for plan in rules.quotas.plans().values()],
    }
    of_those_on = {name: [names for is_on, names in plans if is_on] for name, plans in named.items()}
    return [name for name, plans in of_those_on.items() if plans and not any(plans)]


def _has_limits(plan: QuotaSettings) -> bool:
    limits = (plan.category_max, plan.category_min, plan.creator_max, plan.creator_min, plan.max_per_creator)
    return any(limits)
