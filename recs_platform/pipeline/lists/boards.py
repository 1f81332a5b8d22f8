"""What fills lists of a surface: its board by group of users, or what is popular. The lists are made in `surfaces`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.rule_faults import surface_rules
from recs_platform.contracts.surface_settings import BoardSettings, SurfaceSettings
from recs_platform.contracts.time import SECOND_MICROSECONDS
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.lists.active_users import USER_FEATURES
from recs_platform.pipeline.lists.rule_facts import rule_facts
from recs_platform.stages import reranking
from recs_platform.stages.releases.bundle.boards import EVERYBODYS, GROUP, Board
from recs_platform.stages.releases.bundle.lists import POPULAR

# A board of a group tells something of its members: fewer users make none.
_USERS_MIN = 5
_EVERYBODY, _GROUP = "everybody", "_group"
_COLUMNS = {"country": c.COUNTRY, "region": c.REGION, "device": c.TOP_DEVICE, "segment": c.SEGMENT_ID}
_DEPTH = 200


def surface_contexts(run: AsOfRun, context: reranking.RerankContext) -> Mapping[str, reranking.RerankContext]:
    """The context of everybody on each surface of the settings."""
    surfaces = run.platform.settings.surfaces
    return {name: surface_context(run, surface, context) for name, surface in surfaces.items()}


def surface_boards(
    run: AsOfRun, contexts: Mapping[str, reranking.RerankContext], profiles: pl.DataFrame
) -> Mapping[str, Board]:
    """By surface what takes the place of rows that are shown no more, as `board_groups` has it."""
    found = dict[str, Board]()
    for name, theirs in contexts.items():
        surface = run.platform.settings.surfaces[name]
        rankings, groups = dict[str, list[str]](), [pl.DataFrame(schema={c.USER_ID: pl.String, GROUP: pl.String})]
        rankings[EVERYBODYS] = _ranking(theirs)
        for group, of_group in board_groups(run, surface, theirs, profiles).of(theirs):
            rankings[group or EVERYBODYS] = _ranking(of_group)
            if group is not None:
                groups.append(of_group.users.to_frame(c.USER_ID).with_columns(pl.lit(group).alias(GROUP)))
        reason = POPULAR if surface.board is None else "from the board of this list"
        found[name] = Board(rankings, pl.concat(groups), theirs.max_per_category, reason)
    return found


def _ranking(context: reranking.RerankContext) -> list[str]:
    available = context.items.filter(pl.col(c.IS_AVAILABLE)).select(c.ITEM_ID)
    return reranking.in_fallback_order(available, context)[c.ITEM_ID].head(_DEPTH).to_list()


def surface_context(
    run: AsOfRun, surface: SurfaceSettings, context: reranking.RerankContext
) -> reranking.RerankContext:
    """The context of everybody with the surface's length, rules and categories."""
    rules = surface_rules(context.rules, surface)
    with run.models() as models:
        facts = context.facts if rules == context.rules else rule_facts(models, rules, context.items)
    return on_surface(surface, context, facts)


def on_surface(
    surface: SurfaceSettings, context: reranking.RerankContext, facts: reranking.RuleFacts
) -> reranking.RerankContext:
    """The same of the users of any context; `facts`: for the rules of the surface."""
    rules = surface_rules(context.rules, surface)
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


@dataclass(frozen=True)
class BoardGroups:
    """Users by the board they see, and what each board counts.

    `members`: `user_id`, `_group`, missing where the board is everybody's; None where there is no board. `counts`: what
    users of a group chose, `everybody`: what all of them did.
    """

    members: pl.DataFrame | None = None
    counts: pl.DataFrame | None = None
    everybody: pl.DataFrame | None = None

    def of(self, context: reranking.RerankContext) -> Iterator[tuple[str | None, reranking.RerankContext]]:
        """The context of those of a group among its users, group by group; None is everybody's."""
        if self.members is None or self.counts is None or self.everybody is None:
            yield None, context
            return
        asked = context.users.to_frame(c.USER_ID)
        here = self.members.join(asked, on=c.USER_ID, how="semi", maintain_order="left")
        for (group,), members in here.partition_by(_GROUP, as_dict=True, maintain_order=True).items():
            counted = self.everybody if group is None else self.counts.filter(pl.col(_GROUP) == group)
            name = None if group is None else str(group)
            yield name, replace(context, users=members[c.USER_ID], fallback=_order(context, counted))


def board_groups(
    run: AsOfRun, surface: SurfaceSettings, context: reranking.RerankContext, profiles: pl.DataFrame
) -> BoardGroups:
    """Who sees which board of a surface; a group in which nothing was chosen by enough users sees everybody's."""
    board = surface.board
    if board is None or context.users.is_empty():
        return BoardGroups()
    placed = _placed(run, board, context.users, profiles)
    since_us = round((run.as_of - timedelta(days=board.days)).timestamp() * SECOND_MICROSECONDS)
    events = run.interactions.filter(pl.col(c.EVENT_TYPE) == board.event).with_columns(pl.lit(1.0).alias(c.WEIGHT))
    counts = reranking.group_popularity(events, placed, _GROUP, since_us).filter(pl.col(c.USER_COUNT) >= _USERS_MIN)
    known = counts[_GROUP].unique()
    shown = pl.when(pl.col(_GROUP).is_in(known.implode())).then(pl.col(_GROUP)).alias(_GROUP)
    return BoardGroups(placed.with_columns(shown), counts, reranking.item_popularity(events, since_us))


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
