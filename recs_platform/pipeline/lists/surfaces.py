"""Lists of the surfaces of the settings: one for every user and surface, made from the same ranked rows.

Nothing is drawn by chance here, and nobody shares a list. What a surface may change is in `contracts.surface_settings`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.rule_settings import RulesSettings
from recs_platform.contracts.tables import SURFACE_LISTS
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.lists.boards import BoardGroups, board_groups, surface_context
from recs_platform.pipeline.lists.list_inputs import ListInputs, ranked_of, some_at_a_time
from recs_platform.pipeline.lists.rules_kept import added_up, conflicts_of, no_conflicts
from recs_platform.stages import reranking

_NOBODY = pl.Series(c.USER_ID, [], pl.String)
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
        here = surface_context(run, surface, context)
        groups = board_groups(run, surface, here, known.profiles)
        for some in some_at_a_time(here):
            # Read once: users of every group are spread over all of them.
            ranked = ranked_of(run, known, some.users if surface.personal else _NOBODY)
            for of_users, is_personal in _parts(groups, some, held_out):
                theirs = (of_users.users if is_personal else _NOBODY).to_frame(c.USER_ID)
                made = reranking.rerank(ranked.join(theirs, on=c.USER_ID, how="semi"), of_users, rules)
                lists.append(made.lists.select(list(_LISTED)))
                moved.append(made.moved)
                unmet.extend((conflicts_of(made.lists, of_users, filters, name), _too_short(made, name, of_users.k)))
        yield SurfaceLists(name, pl.concat(lists).sort(c.USER_ID, c.RANK), pl.concat(moved), added_up(unmet))


def _parts(
    groups: BoardGroups, some: reranking.RerankContext, held_out: pl.Series
) -> Iterator[tuple[reranking.RerankContext, bool]]:
    """The context of users by group; those held out last, for whom no rule orders anything: False."""
    for _, group in groups.of(some):
        inside = group.users.is_in(held_out.implode())
        for users, is_personal in ((group.users.filter(~inside), True), (group.users.filter(inside), False)):
            if not users.is_empty():
                rules = group.rules if is_personal else RulesSettings()
                yield replace(group, users=users.sort(), rules=rules), is_personal


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
