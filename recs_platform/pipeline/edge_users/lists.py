"""The lists of made-up users: carried through the as-of's own models, sources, ranker and rules, and kept nowhere.

Beside them live a sample of the real users, so that sources have neighbours and visits to go by; vectors and features
of items, their neighbours and counts are those of the as-of itself.
"""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false
# ruff: noqa: S608  names come from contracts

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time

import numpy as np
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.rule_settings import RulesSettings
from recs_platform.contracts.tables import CONTENDERS, ITEM_NEIGHBOURS, RANKED
from recs_platform.pipeline.as_of_run import CONSUMED, INTERACTIONS, ITEMS, KNOWN_EVENTS, USERS, AsOfRun
from recs_platform.pipeline.candidates.candidate_features import CandidateFeatures
from recs_platform.pipeline.edge_users.people import PEOPLE, Surroundings, events_of, profiles_of
from recs_platform.pipeline.geo_availability import GeoAvailability, read_geo_availability
from recs_platform.pipeline.item_counts import with_counts
from recs_platform.pipeline.lists.candidate_stream import CandidateStream
from recs_platform.pipeline.lists.context import RANKED_PER_USER, rerank_context
from recs_platform.pipeline.lists.lists import home_rules, list_filters
from recs_platform.pipeline.lists.rule_facts import rule_facts
from recs_platform.pipeline.lists.scoring import champion_version
from recs_platform.pipeline.retrieval.embeddings import embeddings_key, sealed_embeddings
from recs_platform.pipeline.retrieval.inputs import encode, run_config, with_consent, with_profiles
from recs_platform.pipeline.retrieval.item_index import sealed_indexes
from recs_platform.pipeline.training.compiled import open_scorer
from recs_platform.pipeline.training.trials import chosen_by_group, competing, consumed_counts
from recs_platform.stages import reranking, retrieval
from recs_platform.stages.reports import EdgeLists
from recs_platform.warehouse.clauses import relation
from recs_platform.warehouse.runner import ModelRun

# Real users beside the made-up ones, always the same.
SAMPLE_USERS = 1_000
ITEM_FEATURES, ITEM_TRANSITIONS = "features.item_features", "features.item_transitions"
_USER_HISTORY = "raw.user_history"
# Of the whole log, stored: what is told of items alone.
_OF_ITEMS = (ITEM_FEATURES, ITEM_TRANSITIONS, ITEM_NEIGHBOURS.name)


@dataclass(frozen=True)
class _Given:
    """What is read of the as-of, and what is made up.

    `item_counts`: how many users each item had. `version`, `contenders`: the champion, and what orders lists in its
    place. `around`, `events`: where the made-up users live, and what they did.
    """

    item_counts: pl.DataFrame
    version: str
    contenders: pl.DataFrame
    around: Surroundings
    events: pl.DataFrame


def edge_lists(run: AsOfRun) -> EdgeLists | None:
    """Lists of everybody in PEOPLE; None where nothing may be recommended to anybody."""
    given = _read(run)
    if given.around.items.is_empty():
        return None
    with run.models(scratch=True) as models:
        _stand_in(models, run, given)
        users, known = models.frame(USERS), models.frame(INTERACTIONS)
        geo = read_geo_availability(models)
        problem = encode(run, known, with_profiles(models, with_consent(users)), run.items, geo)
        consumed = models.frame(CONSUMED)
        ranked, offered = _ranked(models, run, problem, consumed, given)
        items = with_counts(run.items, given.item_counts)
        rules = rule_facts(models, run.platform.settings.rules, items)
    context = _context(run, items, consumed, geo, rules)
    return _listed(run, given, ranked, offered, context)


def _read(run: AsOfRun) -> _Given:
    with run.models() as models:
        counts = models.frame(ITEM_FEATURES, [c.ITEM_ID, c.USER_COUNT])
        version, contenders = champion_version(models), models.frame(CONTENDERS.name)
    available = with_counts(run.items, counts).filter(c.IS_AVAILABLE)
    items = available.sort(c.USER_COUNT, c.ITEM_ID, descending=[True, False]).select(c.ITEM_ID, c.CATEGORY)
    first = run.interactions[c.OCCURRED_AT].min()
    since = first if isinstance(first, datetime) else run.as_of
    day = datetime.combine(since.date(), time(), UTC)
    countries = run.users[c.COUNTRY].drop_nulls().value_counts().sort("count", c.COUNTRY, descending=[True, False])
    country = countries[c.COUNTRY][0] if countries.height else None
    around = Surroundings(items, run.as_of, min(day, run.as_of), country)
    return _Given(counts, version, contenders, around, events_of(PEOPLE, around))


def _stand_in(models: ModelRun, run: AsOfRun, given: _Given) -> None:
    """Let events and profiles be those of the sample and of the made-up users, what is told of items the as-of's."""
    models.require(KNOWN_EVENTS)
    models.stand_in(
        KNOWN_EVENTS,
        f"with sampled as (select {c.USER_ID} from {relation(KNOWN_EVENTS)} group by {c.USER_ID} "
        f"order by md5({c.USER_ID}), {c.USER_ID} limit {SAMPLE_USERS}) "
        f"from {relation(KNOWN_EVENTS)} semi join sampled using ({c.USER_ID}) union all by name from made_up",
        made_up=given.events,
    )
    models.require(_USER_HISTORY)
    models.stand_in(
        _USER_HISTORY,
        f"from {relation(_USER_HISTORY)} semi join {relation(KNOWN_EVENTS)} using ({c.USER_ID}) "
        "union all by name from made_up",
        made_up=profiles_of(PEOPLE, given.around),
    )
    models.register(ITEMS, run.items)
    models.use_stored(*_OF_ITEMS)


def _ranked(
    models: ModelRun, run: AsOfRun, problem: retrieval.RetrievalProblem, consumed: pl.DataFrame, given: _Given
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that lists are made from, and how many candidates each of the made-up users had."""
    ranker = open_scorer(run.platform, given.version)
    fit = _fit(run, problem)
    targets = sorted(set(_ids()) & set(problem.user_ids.tolist()))
    features = CandidateFeatures.open(models, run.platform.models, ranker.feature_set, fit, targets)
    chosen = chosen_by_group(given.contenders, competing(run))
    counts = consumed_counts(problem.user_series.alias(c.USER_ID), consumed)
    stream = CandidateStream(features, ranker, given.version, chosen, counts)
    rows, offered = list[pl.DataFrame](), list[pl.DataFrame]()
    for block in stream.blocks():
        rows.append(stream.rows(block)[RANKED.name])
        offered.append(problem.user_series.gather(block.merged.users).alias(c.USER_ID).value_counts(name=c.OFFER_COUNT))
    return pl.concat(rows).drop(c.RANKER_VERSION), pl.concat(offered)


def _fit(run: AsOfRun, problem: retrieval.RetrievalProblem) -> retrieval.RetrievalFit:
    """Sources over the sample; vectors of items are the sealed ones, in which the made-up users are folded in."""
    settings, version = run.platform.settings, embeddings_key(run)
    sealed = sealed_embeddings(run.platform, version)
    indexes = sealed_indexes(run.platform, version, sealed)
    config = run_config(run)
    still = {name: {"fold_sweeps": 0} for name, each in config.sources.items() if hasattr(each, "fold_sweeps")}
    folded = retrieval.fold_embeddings(
        problem, sealed, config.with_sources(still), seed=settings.seed, threads=settings.threads
    )
    spaces = {
        name: retrieval.VectorSpace(found, indexes[name])
        if name in sealed and _are_same_items(found, sealed[name])
        else retrieval.index_embeddings(
            problem, found, config=config.index, seed=settings.seed, threads=settings.threads
        )
        for name, found in folded.items()
    }
    return retrieval.RetrievalFit(problem, spaces, config, settings.seed, settings.threads)


def _are_same_items(left: retrieval.Embeddings, right: retrieval.Embeddings) -> bool:
    """Whether items and their vectors are the same, so that an index over one searches the other."""
    same_ids = np.array_equal(left.item_ids, right.item_ids)
    return same_ids and np.array_equal(left.item_factors, right.item_factors)


def _context(
    run: AsOfRun, items: pl.DataFrame, consumed: pl.DataFrame, geo: GeoAvailability, facts: reranking.RuleFacts
) -> reranking.RerankContext:
    """What rules look at, of the made-up users alone."""
    users = pl.DataFrame({c.USER_ID: _ids()}).sort(c.USER_ID)
    theirs = consumed.join(users, on=c.USER_ID, how="semi")
    return rerank_context(run.platform, items, theirs, users[c.USER_ID], geo.of(users), facts)


def _listed(
    run: AsOfRun, given: _Given, ranked: pl.DataFrame, offered: pl.DataFrame, context: reranking.RerankContext
) -> EdgeLists:
    """Re-ranked as lists are, without places drawn by chance; beside each the list that a hold-out would be shown."""
    rules, filters = home_rules(run.platform), list_filters(run.platform)
    best = ranked.filter(pl.col(c.RANK) <= RANKED_PER_USER)
    made = reranking.rerank(best, context, rules)
    popular = reranking.rerank(best.clear(), replace(context, rules=RulesSettings()), rules)
    told = [(each.user_id, each.name, each.text) for each in PEOPLE]
    schema: dict[str, type[pl.String]] = dict.fromkeys((c.USER_ID, c.NAME, c.MESSAGE), pl.String)
    return EdgeLists(
        people=pl.DataFrame(told, schema=schema, orient="row"),
        events=given.events.group_by(c.USER_ID).len(c.EVENT_COUNT),
        offered=offered,
        lists=made.lists.join(run.items.select(c.ITEM_ID, c.TITLE, c.CATEGORY), on=c.ITEM_ID, how="left"),
        short_lists=made.short_lists,
        popular=popular.lists.select(c.USER_ID, c.ITEM_ID),
        broken=reranking.violations(made, context, filters),
        k=context.k,
    )


def _ids() -> list[str]:
    return [each.user_id for each in PEOPLE]
