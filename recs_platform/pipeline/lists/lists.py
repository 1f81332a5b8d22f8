"""The lists of an as-of: ranked rows re-ranked, filled, explained; users not active lately share some.

The stage is `stages.reranking`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.geo_availability import run_geo_availability
from recs_platform.pipeline.lists.context import rerank_context
from recs_platform.pipeline.lists.explaining import Reasons, explained, explained_shared
from recs_platform.pipeline.lists.exploring import hold_out, rerank_explored
from recs_platform.pipeline.lists.list_inputs import ListInputs, ranked_of, read_inputs, some_at_a_time
from recs_platform.pipeline.lists.rules_kept import added_up, conflicts_of, held_out_of
from recs_platform.pipeline.lists.sharing import share_lists_of, shared_violations, without_sharers
from recs_platform.pipeline.lists.surfaces import nothing_shown, surface_lists
from recs_platform.pipeline.platform import Platform
from recs_platform.stages import reranking


@dataclass(frozen=True)
class Lists:
    """Lists and short lists of one as-of, what they were made under, and by check the rows that break a promise.

    `shared` and `references`: rows of recommendations.shared_lists and of recommendations.list_references, without
    as_of; users in `references` are in none of the others. `context` is that of everybody. `conflicts`: rows of
    recommendations.rule_conflicts, `surfaces`: of recommendations.surface_lists, without as_of.
    """

    lists: pl.DataFrame
    short_lists: pl.DataFrame
    shared: pl.DataFrame
    references: pl.DataFrame
    context: reranking.RerankContext
    violations: Mapping[str, pl.DataFrame]
    conflicts: pl.DataFrame
    surfaces: pl.DataFrame


def list_filters(platform: Platform) -> tuple[reranking.Filter, ...]:
    """Every filter that lists obey: those of the package, then those of the home."""
    return reranking.filters_of((*reranking.RULES, *platform.own_rules.rules))


def home_rules(platform: Platform) -> tuple[reranking.Rule, ...]:
    """Rules of the home, for lists. Raises ContractError where one is broken: without it lists may show anything."""
    broken = platform.own_rules.broken
    if broken:
        raise ContractError(
            f"rules of the home cannot be used, and no list is made without them: {'; '.join(broken.values())}; mend "
            f"the file or take it out of {platform.home.rules}"
        )
    return platform.own_rules.rules


def make_lists(run: AsOfRun) -> Lists:
    """Re-rank the champion's order, serve everybody, give each row its reason, segment and propensity.

    Users without consent are served from the fallback, whatever was ranked, and get no personal reason.
    """
    known = read_inputs(run)
    context = rerank_context(
        run.platform, known.items, run.consumed, known.users[c.USER_ID], run_geo_availability(run), known.facts
    )
    rules, filters = home_rules(run.platform), list_filters(run.platform)
    reasons = Reasons.of(run, known)
    shared = share_lists_of(run, context, rules, known.since_us)
    own = without_sharers(context, shared.references)
    made = _together([_made_for(run, known, theirs, rules, reasons) for theirs in some_at_a_time(own)])
    shared_lists, references = explained_shared(known, shared, reasons)
    broken = shared_violations(shared_lists, references, run.as_of, context, filters)
    on_surfaces, unmet = _on_surfaces(run, known, context, rules, reasons)
    return Lists(
        lists=made.lists,
        short_lists=made.short_lists,
        shared=shared_lists,
        references=references,
        context=context,
        violations={name: pl.concat([rows, broken.get(name, rows.clear())]) for name, rows in made.violations.items()},
        conflicts=pl.concat([made.conflicts, *unmet]),
        surfaces=on_surfaces,
    )


@dataclass(frozen=True)
class _OwnLists:
    """Lists of users who have one of their own, and what they break and lack, as in `Lists`."""

    lists: pl.DataFrame
    short_lists: pl.DataFrame
    violations: Mapping[str, pl.DataFrame]
    conflicts: pl.DataFrame


def _made_for(
    run: AsOfRun,
    known: ListInputs,
    context: reranking.RerankContext,
    rules: Sequence[reranking.Rule],
    reasons: Reasons,
) -> _OwnLists:
    """Lists of the context's users. What one user gets depends on no other."""
    filters = list_filters(run.platform)
    result = rerank_explored(run, ranked_of(run, known, context.users), context, rules)
    made = reranking.RerankResult(_finished(known, result, reasons), result.short_lists.sort(c.USER_ID))
    shown = made.lists.filter(~pl.col(c.IS_HOLDOUT))
    asked = replace(context, users=context.users.filter(~context.users.is_in(held_out_of(made.lists))))
    broken = reranking.violations(made, context, filters)
    return _OwnLists(made.lists, made.short_lists, broken, conflicts_of(shown, asked, filters))


def _together(parts: Sequence[_OwnLists]) -> _OwnLists:
    """Those of different users, given in their order, as one."""
    names = list(parts[0].violations)
    return _OwnLists(
        lists=pl.concat([part.lists for part in parts]),
        short_lists=pl.concat([part.short_lists for part in parts]),
        violations={name: pl.concat([part.violations[name] for part in parts]) for name in names},
        conflicts=added_up([part.conflicts for part in parts]),
    )


def _finished(known: ListInputs, result: reranking.RerankResult, reasons: Reasons) -> pl.DataFrame:
    """The lists with reasons, segments and the ranker's version, by user and rank."""
    lists = explained(reasons, result.lists, result.moved, pl.col(c.IS_HOLDOUT))
    return lists.join(known.segments, on=c.USER_ID, how="left").with_columns(known.version).sort(c.USER_ID, c.RANK)


def _on_surfaces(
    run: AsOfRun,
    known: ListInputs,
    context: reranking.RerankContext,
    rules: Sequence[reranking.Rule],
    reasons: Reasons,
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Lists of every surface with their reasons, and what the rules ask for there that they do not hold."""
    # Whoever shares a list, or has an empty one, too.
    held_out = hold_out(run, context.users)
    is_theirs = pl.col(c.USER_ID).is_in(held_out.implode())
    shown, unmet = [nothing_shown()], list[pl.DataFrame]()
    for each in surface_lists(run, known, context, rules, held_out):
        lists = explained(reasons, each.lists, each.moved, is_theirs)
        shown.append(lists.with_columns(pl.lit(each.name).alias(c.SURFACE)).select(shown[0].columns))
        unmet.append(each.conflicts)
    return pl.concat(shown), unmet
