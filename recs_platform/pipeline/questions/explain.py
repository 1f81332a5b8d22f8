# ruff: noqa: S608  names come from models and contracts, values are literals
"""Why an item is in a user's list, or why not: from the current release and the tables it was made of."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady, RecsError
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.regions import AGE_NAME, UNKNOWN_REGION
from recs_platform.contracts.tables import CANDIDATES, CONTENDERS, RANKED, EventType
from recs_platform.contracts.time import as_of_key
from recs_platform.lake.artifacts import artifact, read_manifest
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.candidates.candidate_features import CandidateFeatures
from recs_platform.pipeline.lists.context import RANKED_PER_USER
from recs_platform.pipeline.lists.lists import list_filters
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.questions.one_list import OneList, open_list, surface_settings
from recs_platform.pipeline.questions.one_user import read_one_user, user_and_item_models
from recs_platform.pipeline.questions.replaying import replay
from recs_platform.pipeline.retrieval.inputs import IS_OPTED_OUT, read_problem, take_config
from recs_platform.pipeline.retrieval.item_index import ITEM_INDEX, open_fit, require_index
from recs_platform.stages import ranking, reranking, retrieval
from recs_platform.stages.features import feature_tables, ranking_rows_sql
from recs_platform.stages.releases import current_release
from recs_platform.stages.releases.bundle.opening import has_opted_out
from recs_platform.warehouse.clauses import relation, text_literal
from recs_platform.warehouse.runner import ModelRun

CONTRIBUTIONS_SHOWN = 8
_TOLD = (c.RANK, c.SCORE, c.REASON, c.SOURCES, c.PROPENSITY)


def explain_pair(platform: Platform, user: str, item: str, surface: str | None = None) -> dict[str, Any]:
    """The verdict on the list of everywhere, or of a surface, in a sentence, then the numbers behind it.

    Raises RecsError for an unknown user or item, and for a surface that the settings of now lack.
    """
    current = current_release(platform.home)
    with user_and_item_models(platform, current, user) as (run, items):
        known = _Known(platform, current, run, items, user, item, surface)
        row = known.list.served.filter(pl.col(c.ITEM_ID) == item)
        found: dict[str, Any] = {
            c.USER_ID: user,
            c.ITEM_ID: item,
            c.AS_OF: as_of_key(current.as_of),
            c.RELEASE_ID: current.version,
            **({} if surface is None else {c.SURFACE: surface}),
            "answer": _answer(known, row),
        }
        if row.height:
            # Of surfaces nothing is drawn: their rows have no propensity.
            told = [name for name in _TOLD if name in row.columns]
            found |= row.select(told).row(0, named=True)
        if known.ranked.height:
            found["rank_before_rules"] = known.ranked[c.RANK][0]
            found["ordered_by"] = known.ordered_by
        if known.candidate.height:
            version = current.parameters[c.RANKER_VERSION]
            found["contributions"] = _contributions(platform, known.candidate, version)
    # Whoever opted out shares a list too, however active they are: what kept the item out is told already.
    if known.left_out_by is None and not (known.is_opted_out and known.list.is_dormant):
        found |= _replayed(platform, current, known, is_listed=row.height > 0)
    return found


def _replayed(platform: Platform, current: Manifest, known: "_Known", *, is_listed: bool) -> dict[str, Any]:
    """What the rules did to the item; of one that is not listed, the answer names the step it fell out at."""
    has_refused = has_opted_out(platform.home, known.list.context.users[0]) and not known.is_opted_out
    told = replay(platform, current, known.list, known.item_id, known.rank, has_refused=has_refused)
    obstacle = told.pop("obstacle", None)
    return told if is_listed or obstacle is None else {"answer": f"not recommended: {obstacle}", **told}


def _ordered_by(run: ModelRun, consumed: pl.DataFrame) -> str | None:
    """What orders the candidates of a user: the contender that was chosen for as many consumed items."""
    count = consumed[c.ITEM_ID].n_unique()
    group, _ = ranking.HISTORY_GROUPS[int(ranking.history_group(np.array([count]))[0])]
    chosen = run.frame(CONTENDERS.name).filter(c.IS_CHOSEN, pl.col(c.HISTORY_GROUP) == group)[c.CONTENDER]
    return None if chosen.is_empty() else str(chosen.item())


class _Known:
    """What the tables of the as-of hold on the pair."""

    def __init__(
        self,
        platform: Platform,
        release: Manifest,
        run: ModelRun,
        items: pl.DataFrame,
        user: str,
        item: str,
        surface: str | None,
    ) -> None:
        self.item_id = item
        self.item = run.frame("staging.stg_items").filter(pl.col(c.ITEM_ID) == item)
        self.consumed = _consuming_events(run, user, item)
        known = run.frame("staging.stg_users", [c.USER_ID, IS_OPTED_OUT]).filter(pl.col(c.USER_ID) == user)
        self.is_opted_out = bool(known[IS_OPTED_OUT].any())
        if known.is_empty():
            raise RecsError(f"user {user!r} is not known by {run.as_of:%Y-%m-%d}")
        if self.item.is_empty():
            raise RecsError(f"item {item!r} is not known by {run.as_of:%Y-%m-%d}")
        self.is_blocked = _is_blocked(platform, self.item)
        one = read_one_user(platform, run, items, user, surface_settings(platform, surface))
        self.list = open_list(platform, release, one, surface)
        self.ordered_by = _ordered_by(run, one.consumed)
        self.left_out_by = _left_out_by(platform, self.list, item)
        self.exclusions = one.geo.of(known).exclusions.filter(pl.col(c.ITEM_ID) == item)
        self.ranked, self.candidate = pl.DataFrame(), pl.DataFrame()
        if self.list.is_personal:
            self.candidate = _stored(platform, run, user, item)
            self.ranked = run.query(f"select * from {relation(run.require(RANKED.name))} where {_is_pair(user, item)}")
        self.rank = int(self.ranked[c.RANK][0]) if self.ranked.height else None
        self.is_all_known = True
        # To generate candidates again takes seconds, and nothing is learned of what would not come from them anyway.
        may_be_offered = self.left_out_by is None and self.list.is_of_candidates and not self.is_opted_out
        if self.candidate.is_empty() and may_be_offered:
            generated = _generated(platform, release, user, item)
            self.candidate = pl.DataFrame() if generated is None else generated
            self.is_all_known = generated is not None


def _is_blocked(platform: Platform, item: pl.DataFrame) -> bool:
    blocked = platform.settings.retrieval
    by_id = pl.col(c.ITEM_ID).is_in(blocked.blocked_items)
    by_creator = pl.col(c.CREATOR).is_in(blocked.blocked_creators)
    return not item.filter(by_id | by_creator).is_empty()


def _consuming_events(run: ModelRun, user: str, item: str) -> pl.DataFrame:
    """Events by which the user consumed the item, the latest last; what features leave out counts too."""
    columns = ", ".join((c.USER_ID, c.ITEM_ID, c.EVENT_TYPE, c.OCCURRED_AT))
    events = relation(run.require("staging.stg_resolved_events"))
    # Asked of one pair: to take everybody's events or ranked rows from the database costs seconds a million.
    rows = run.query(f"select {columns} from {events} where {_is_pair(user, item)}")
    return rows.filter(pl.col(c.EVENT_TYPE) != EventType.IMPRESSION).sort(c.OCCURRED_AT, c.EVENT_TYPE)


def _is_pair(user: str, item: str) -> str:
    return f"{c.USER_ID} = {text_literal(user)} and {c.ITEM_ID} = {text_literal(item)}"


def _answer(known: _Known, row: pl.DataFrame) -> str:
    if row.height:
        chance = row[c.PROPENSITY][0] if c.PROPENSITY in row.columns else None
        drawn = f", drawn by chance (with probability {chance:.3g})" if chance is not None and chance < 1 else ""
        return f"recommended at rank {row[c.RANK][0]}{drawn}: {row[c.REASON][0]}"
    return f"not recommended: {_obstacle(known)}"


def _obstacle(known: _Known) -> str:
    """The first thing that kept the item out of the list."""
    if known.left_out_by is not None:
        explain = _EXPLAINED.get(known.left_out_by.name)
        return known.left_out_by.why if explain is None else explain(known)
    if known.is_opted_out:
        return "without the user's consent the list is of popular items, and others come first"
    if not known.list.is_personal:
        return "the lists of this surface are not personal: they show its board, and others come first"
    if known.list.is_dormant:
        return "the user was not active lately, so that nothing is ranked for them, and others come first"
    if known.rank is not None:
        return f"rank {known.rank} before the rules, below what the list holds"
    return _why_unranked(known)


def _why_unranked(known: _Known) -> str:
    """Why the item is not among the user's best candidates."""
    if not known.is_all_known:
        return (
            f"it is not among the user's best {RANKED_PER_USER} candidates, and what the others came from was not kept"
        )
    if known.candidate.is_empty():
        return "no candidate source offered it"
    order = "the ranker" if known.ordered_by in {None, ranking.RANKER_ALONE} else f"the order of {known.ordered_by!r}"
    return f"{order} put it below the user's best {RANKED_PER_USER}"


def _left_out_by(platform: Platform, known: OneList, item: str) -> reranking.Filter | None:
    """The first filter of lists that leaves the pair out, None where it passes all."""
    pair = pl.DataFrame({c.USER_ID: known.context.users, c.ITEM_ID: [item]})
    return next(
        (rule for rule in list_filters(platform) if reranking.apply_checked(rule, pair, known.context).is_empty()), None
    )


def _why_consumed(known: _Known) -> str:
    last = known.consumed.row(-1, named=True)
    return f"the user's {last[c.EVENT_TYPE]} of {last[c.OCCURRED_AT]:%Y-%m-%d %H:%M} consumed it"


def _why_not_eligible(known: _Known) -> str:
    """Blocked by the settings, not available at the as-of, or not to be offered where the user is."""
    if known.is_blocked:
        return "the settings block the item or its creator (retrieval.blocked_items, retrieval.blocked_creators)"
    if not known.item[c.IS_AVAILABLE][0]:
        return "the item is not available as of the instant"
    offered, not_offered = (known.item[name][0] for name in (c.OFFERED_IN, c.NOT_OFFERED_IN))
    if offered is not None and offered.is_empty():
        return "the item's attributes let it be offered nowhere"
    if known.left_out_by is not None and known.left_out_by.name == "availability":
        return f"the surface shows no items of category {known.item[c.CATEGORY][0]!r}"
    least, names = known.item[c.AGE_MIN][0], known.exclusions[c.AVAILABILITY_REGION][0].split("|")
    if least is not None and f"{AGE_NAME}{least}" not in names:
        return f"the item is for people of {least} or older, and the user is not known to be"
    region = ", ".join(name for name in names if not name.startswith(AGE_NAME))
    where = {UNKNOWN_REGION: "not known", "": "named by no item"}.get(region, region)
    limits = (("only for", offered), ("not for", not_offered))
    restriction = " and ".join(f"{word} {', '.join(names)}" for word, names in limits if names is not None)
    return f"the item may not be offered where the user is ({where}): it is {restriction}"


def _stored(platform: Platform, run: ModelRun, user: str, item: str) -> pl.DataFrame:
    """The pair with its features, where it is among the user's best candidates: no row, or one."""
    pair = _is_pair(user, item)
    if run.query(f"select 1 from {relation(run.require(CANDIDATES.name))} where {pair}").is_empty():
        return pl.DataFrame()
    for table in feature_tables(platform.feature_set):
        run.require(table)
    return run.query(f"select * from ({ranking_rows_sql(platform.feature_set, platform.models)}) where {pair}")


def _generated(platform: Platform, release: Manifest, user: str, item: str) -> pl.DataFrame | None:
    """The same of all the user's candidates, which are generated again; None where what that takes was not kept."""
    as_of_run = AsOfRun(platform, release.as_of, release.known_at, keeps_events=False)
    try:
        _take_released_config(as_of_run, release)
        require_index(as_of_run)  # before everybody's events are read in vain
        read_problem(as_of_run)
        fit = open_fit(as_of_run)
        if user not in fit.problem.user_ids or not _is_offered(fit, user, item):
            return pl.DataFrame()
        with as_of_run.models() as run:
            features = CandidateFeatures.open(run, platform.models, platform.feature_set, fit, [user])
            rows = pl.concat(features.rows(block) for block in features.blocks())
        return rows.filter(pl.col(c.ITEM_ID) == item)
    except NotReady:
        return None
    finally:
        as_of_run.close()


def _is_offered(fit: retrieval.RetrievalFit, user: str, item: str) -> bool:
    """Whether the item is among the candidates of a user: to find them costs half of what their features do."""
    blocks = retrieval.merged_blocks(fit, targets=[user])
    return any((retrieval.candidate_rows(fit.problem, block)[c.ITEM_ID] == item).any() for block in blocks)


def _take_released_config(run: AsOfRun, release: Manifest) -> None:
    """Work with what was found to suit the data when the release was made: to find it out again takes half a minute."""
    version = release.parameters.get(ITEM_INDEX)  # releases of earlier versions name none
    if version is not None:
        take_config(run, read_manifest(artifact(run.platform.home.artifacts, ITEM_INDEX, str(version))).parameters)


def _contributions(platform: Platform, candidate: pl.DataFrame, version: str) -> list[dict[str, Any]]:
    """The features that moved the ranker's score most; each share is in raw-score units."""
    scorer = ranking.load_ranker(artifact(platform.home.artifacts, ranking.RANKER, version))
    return ranking.explain_score(scorer, candidate).head(CONTRIBUTIONS_SHOWN).to_dicts()


# Details of a filter beyond its own sentence.
_EXPLAINED: Mapping[str, Callable[[_Known], str]] = {
    "consumed": _why_consumed,
    "availability": _why_not_eligible,
    "regions": _why_not_eligible,
}
