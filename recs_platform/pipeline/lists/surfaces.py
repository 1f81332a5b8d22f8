"""Lists of the surfaces of the settings: one for every user and surface, made from the same ranked rows.

Nothing is drawn by chance here, and nobody shares a list. What a surface may change is in `contracts.surface_settings`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.rule_faults import surface_rules
from recs_platform.contracts.rule_settings import RulesSettings
from recs_platform.contracts.surface_settings import BoardSettings, SurfaceSettings
from recs_platform.contracts.tables import SURFACE_LISTS
from recs_platform.contracts.time import SECOND_MICROSECONDS
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.lists.active_users import USER_FEATURES
from recs_platform.pipeline.lists.list_inputs import ListInputs, ranked_of, some_at_a_time
from recs_platform.pipeline.lists.rule_facts import rule_facts
from recs_platform.pipeline.lists.rules_kept import added_up, conflicts_of, no_conflicts
from recs_platform.stages import reranking

# A board of a group tells something of its members: fewer users make none.
_USERS_MIN = 5
_NOBODY = pl.Series(c.USER_ID, [], pl.String)
_EVERYBODY, _GROUP = "everybody", "_group"
_COLUMNS = {"country": c.COUNTRY, "region": c.REGION, "device": c.TOP_DEVICE, "segment": c.SEGMENT_ID}
_LENGTH = "length"
_LISTED = {c.USER_ID: pl.String, c.RANK: pl.Int32, c.ITEM_ID: pl.String, c.SCORE: pl.Float64,
           c.SOURCES: pl.List(pl.String)}  # fmt: skip
_MOVED = {c.USER_ID: pl.String, c.ITEM_ID: pl.String, c.RULE: pl.String}


@dataclass(frozen=True)
class SurfaceLists:
    """Lists of one surface (`user_id`, `rank`, `item_id`, `score`, `sources`), what rules moved, and what is unmet."""

    name: str
    lists: pl.DataFrame
    moved: pl.DataFrame
    conflicts: pl.DataFrame


def surface_lists(
    run: AsOfRun,
    known: ListInputs,
    context: reranking.RerankContext,
    rules: Sequence[reranking.Rule],
    held_out: pl.Series,
) -> Iterator[SurfaceLists]:
    """Every surface of the settings.

    `context`: of everybody on the default surface. `held_out`: users who get popular items only, here too.
    """
    filters = reranking.filters_of((*reranking.RULES, *rules))
    for name, surface in run.platform.settings.surfaces.items():
        lists, moved, unmet = [pl.DataFrame(schema=_LISTED)], [pl.DataFrame(schema=_MOVED)], [no_conflicts()]
        for group in _groups(run, surface, _context(run, surface, context), known.profiles):
            for of_users, is_personal in _some_at_a_time(group, held_out):
                ranked = ranked_of(run, known, of_users.users if is_personal and surface.personal else _NOBODY)
                made = reranking.rerank(ranked, of_users, rules)
                lists.append(made.lists.select(list(_LISTED)))
                moved.append(made.moved)
                unmet.extend((conflicts_of(made.lists, of_users, filters, name), _too_short(made, name, of_users.k)))
        yield SurfaceLists(name, pl.concat(lists).sort(c.USER_ID, c.RANK), pl.concat(moved), added_up(unmet))


def _some_at_a_time(
    group: reranking.RerankContext, held_out: pl.Series
) -> Iterator[tuple[reranking.RerankContext, bool]]:
    """The context of some of its users after another; those held out last, for whom no rule orders anything: False."""
    inside = group.users.is_in(held_out.implode())
    for users, is_personal in ((group.users.filter(~inside), True), (group.users.filter(inside), False)):
        if not users.is_empty():
            rules = group.rules if is_personal else RulesSettings()
            for some in some_at_a_time(users):
                yield replace(group, users=some, rules=rules), is_personal


def _context(run: AsOfRun, surface: SurfaceSettings, context: reranking.RerankContext) -> reranking.RerankContext:
    """The context of everybody with the surface's length, rules and categories."""
    rules = surface_rules(context.rules, surface)
    with run.models() as models:
        facts = context.facts if rules == context.rules else rule_facts(models, rules, context.items)
    may = pl.col(c.IS_AVAILABLE)
    if surface.categories:
        may &= pl.col(c.CATEGORY).is_in(list(surface.categories)).fill_null(value=False)
    if surface.without_categories:
        may &= ~pl.col(c.CATEGORY).is_in(list(surface.without_categories)).fill_null(value=False)
    items = context.items.with_columns(may.alias(c.IS_AVAILABLE))
    return replace(
        context,
        items=items,
        k=surface.k or context.k,
        max_per_category=surface.max_per_category or context.max_per_category,
        diversity=context.diversity if surface.diversity is None else surface.diversity,
        rules=rules,
        facts=facts,
        hidden=reranking.hidden_pairs(rules, facts, items),
    )


def _groups(
    run: AsOfRun, surface: SurfaceSettings, context: reranking.RerankContext, profiles: pl.DataFrame
) -> Iterator[reranking.RerankContext]:
    """The context by group of users who see the same board; one group where there is none."""
    board = surface.board
    if board is None or context.users.is_empty():
        yield context
        return
    placed = _placed(run, board, context.users, profiles)
    since_us = round((run.as_of - timedelta(days=board.days)).timestamp() * SECOND_MICROSECONDS)
    events = run.interactions.filter(pl.col(c.EVENT_TYPE) == board.event).with_columns(pl.lit(1.0).alias(c.WEIGHT))
    counts = reranking.group_popularity(events, placed, _GROUP, since_us).filter(pl.col(c.USER_COUNT) >= _USERS_MIN)
    everybody = reranking.item_popularity(events, since_us)
    known = counts[_GROUP].unique()
    shown = pl.when(pl.col(_GROUP).is_in(known.implode())).then(pl.col(_GROUP)).alias(_GROUP)
    for (group,), members in placed.with_columns(shown).partition_by(_GROUP, as_dict=True, maintain_order=True).items():
        counted = everybody if group is None else counts.filter(pl.col(_GROUP) == group)
        yield replace(context, users=members[c.USER_ID], fallback=_order(context, counted))


def _placed(run: AsOfRun, board: BoardSettings, users: pl.Series, profiles: pl.DataFrame) -> pl.DataFrame:
    """`user_id` and `_group`, missing where there is none."""
    if board.by == _EVERYBODY:
        return users.to_frame(c.USER_ID).with_columns(pl.lit(None, pl.String).alias(_GROUP))
    column = _COLUMNS[board.by]
    with run.models() as models:
        features = models.frame(USER_FEATURES, [c.USER_ID, c.REGION, c.TOP_DEVICE])
    source = profiles if board.by in ("country", "segment") else features
    groups = source.select(c.USER_ID, pl.col(column).alias(_GROUP))
    return users.to_frame(c.USER_ID).join(groups, on=c.USER_ID, how="left", maintain_order="left")


def _order(context: reranking.RerankContext, counts: pl.DataFrame) -> pl.DataFrame:
    """`item_id`, `score`: the board first, then what is popular; greater is better."""
    ordered = context.fallback.join(counts.select(c.ITEM_ID, c.USER_COUNT), on=c.ITEM_ID, how="left").sort(
        c.USER_COUNT, c.SCORE, c.ITEM_ID, descending=[True, True, False], nulls_last=True
    )
    return ordered.select(c.ITEM_ID, -pl.int_range(pl.len()).cast(pl.Float64).alias(c.SCORE))


def _too_short(made: reranking.RerankResult, surface: str, k: int) -> pl.DataFrame:
    """Whose list is short, as a row of recommendations.rule_conflicts."""
    rows = made.short_lists.select(
        pl.lit(surface).alias(c.SURFACE),
        pl.lit(_LENGTH).alias(c.RULE),
        pl.format("{} of {} items", c.LIST_LENGTH, pl.lit(k)).alias(c.SUBJECT),
        pl.lit("no more are eligible for the user here").alias(c.REASON),
    )
    return rows.group_by(pl.all()).agg(pl.len().cast(pl.Int64).alias(c.USER_COUNT))


def nothing_shown() -> pl.DataFrame:
    """No row of recommendations.surface_lists, less as_of."""
    return pl.DataFrame(schema={**_LISTED, c.SURFACE: pl.String, c.REASON: pl.String}).select(
        [column for column in SURFACE_LISTS.column_names if column != c.AS_OF]
    )
