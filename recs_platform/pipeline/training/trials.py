"""Contenders at past cutoffs: the lists of each, made as those that are released, and what users chose next.

The rule that picks one of them is in `stages.ranking.contenders`.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest
from recs_platform.evaluation.metrics import user_metrics
from recs_platform.lake.artifacts import artifact
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.geo_availability import GeoAvailability
from recs_platform.pipeline.lists.context import RANKED_PER_USER, rerank_context
from recs_platform.pipeline.lists.lists import home_rules
from recs_platform.pipeline.lists.rule_facts import facts_of_window
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.inputs import run_config
from recs_platform.pipeline.training.measurements import measured_once
from recs_platform.pipeline.training.recipes import ranker_at, serving_basis
from recs_platform.pipeline.training.schedule import TrainingSchedule
from recs_platform.pipeline.training.splits import Split
from recs_platform.pipeline.training.window_cache import WindowCache
from recs_platform.pipeline.training.windows import IS_KNOWN_ITEM, Window, read_window
from recs_platform.stages import ranking, reranking, retrieval

_METRICS = "metrics"
_SCHEMA = {
    c.CUTOFF: pl.Datetime("us", "UTC"), c.USER_ID: pl.String, c.HISTORY_GROUP: pl.String,
    c.CONTENDER: pl.String, c.METRIC: pl.String, c.VALUE: pl.Float64,
}  # fmt: skip


def competing(run: AsOfRun) -> tuple[ranking.Contender, ...]:
    """The contenders of the run's enabled sources, the simplest first."""
    names = [source.name for source in run_config(run).configured_sources()]
    return ranking.contenders(names, retrieval.SIMPLE_SOURCES)


def choose_as_of(
    windows: WindowCache, schedule: TrainingSchedule, instant: datetime | None, progress: Callable[[str], None]
) -> pl.DataFrame:
    """Rows of `ranking.contenders` for lists made at an instant, tried where all labels are in; None: untried."""
    run = windows.run

    def make() -> pl.DataFrame:
        tried = try_contenders(windows, schedule, instant, serving_basis(run), progress)
        trials = tried.filter(pl.col(c.METRIC) == c.NDCG)
        config, default = ranking.ChoiceConfig(), ranking.RANKER_ALONE
        return ranking.choose_contenders(trials, competing(run), retrieval.SIMPLE_SOURCES, config, default=default)

    return run.once(f"contenders as of {instant}", make)


def try_contenders(
    windows: WindowCache,
    schedule: TrainingSchedule,
    instant: datetime | None,
    basis: str,
    progress: Callable[[str], None],
) -> pl.DataFrame:
    """Metrics of each contender for each user at the trials before an instant, the ranker's being of that recipe.

    Columns cutoff, user_id, history_group, contender, metric, value; no rows of cutoffs at which the recipe has no
    ranker.
    """
    run = windows.run

    def once(split: Split) -> pl.DataFrame:
        return run.once(f"trial at {split} of {basis}", partial(_try, windows, schedule, split, basis, progress))

    with ThreadPoolExecutor(run.platform.settings.threads) as pool:
        tried = list(pool.map(once, schedule.trials_before(instant)))
    return pl.concat([pl.DataFrame(schema=_SCHEMA), *tried])


def chosen_by_group(rows: pl.DataFrame, among: Sequence[ranking.Contender]) -> dict[str, ranking.Contender]:
    """The contender that serves each group of users, from rows of `ranking.contenders`."""
    by_name = {contender.name: contender for contender in among}
    chosen = rows.filter(c.IS_CHOSEN)
    return {group: by_name[name] for group, name in chosen.select(c.HISTORY_GROUP, c.CONTENDER).iter_rows()}


def orders_lists(trained: Manifest, chosen: Mapping[str, ranking.Contender]) -> dict[str, Any]:
    """What decides the order of a window's lists, as JSON-like values: a ranker, and the contender of each group."""
    return {"ranker": trained.version, "chosen": {group: vars(each) for group, each in chosen.items()}}


def served_scores(
    chosen: Mapping[str, ranking.Contender], offers: ranking.Offers, consumed: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Score (n,) of each candidate by the contender of its user's group; `consumed`: items of each row's user."""
    groups = ranking.history_group(consumed)
    made = {each: ranking.contender_scores(each, offers) for each in dict.fromkeys(chosen.values())}
    return np.choose(groups, [made[chosen[name]] for name, _ in ranking.HISTORY_GROUPS])


def lists_of(platform: Platform, tested: Window, scores: NDArray[np.float64]) -> pl.DataFrame:
    """What users of a window would have been shown: the best 50 by `scores`, re-ranked like a release."""
    best = ranking.best_rows(tested.rows, scores, RANKED_PER_USER)
    users = pl.concat([tested.rows[c.USER_ID], tested.held_out[c.USER_ID]]).unique().sort()
    geo = GeoAvailability(tested.user_regions, tested.exclusions)
    as_of = tested.rows[c.CUTOFF].max()
    instant = as_of if isinstance(as_of, datetime) else None
    facts = facts_of_window(instant, tested.consumed, tested.items, platform.settings.rules)
    context = rerank_context(platform, tested.items, tested.consumed, users, geo, facts)
    return reranking.rerank(best, context, home_rules(platform)).lists


def offers_of(rows: pl.DataFrame, ranker: ranking.Ranker, sources: Sequence[str], threads: int) -> ranking.Offers:
    """Candidates as arrays; `rows`, as those of a window, are sorted by user."""
    return ranking.Offers(
        users=rows[c.USER_ID].rank("dense").cast(pl.Int32).to_numpy(),
        scores=ranker.score(rows, threads),
        fused=rows[c.FUSED_SCORE].cast(pl.Float32).to_numpy(),
        ranks={name: rows[c.source_rank(name)].fill_null(0).cast(pl.Int32).to_numpy() for name in sources},
    )


def consumed_counts(users: pl.Series, consumed: pl.DataFrame) -> NDArray[np.int64]:
    """How many items the user of each row has consumed; int64 (n,). `consumed`: user_id, item_id."""
    counts = consumed.group_by(c.USER_ID).agg(pl.col(c.ITEM_ID).n_unique().cast(pl.Int64))
    return (
        users.to_frame()
        .join(counts, on=c.USER_ID, how="left", maintain_order="left")[c.ITEM_ID]
        .fill_null(0)
        .to_numpy()
    )


def _try(
    windows: WindowCache, schedule: TrainingSchedule, split: Split, basis: str, progress: Callable[[str], None]
) -> pl.DataFrame:
    """Metrics of every contender for every user of one window, on items known by the cutoff; measured once a home."""
    run, among = windows.run, competing(windows.run)
    trained = ranker_at(windows, basis, split, schedule.trial_training(split))
    if trained is None:
        return pl.DataFrame(schema=_SCHEMA)

    def measure() -> dict[str, pl.DataFrame]:
        tested = read_window(run.platform, windows.take(split).version)
        found = _measure(run, tested, trained, among)
        users = found[c.USER_ID].n_unique()
        progress(f"trial at {split.cutoff:%Y-%m-%d}: {len(among)} contenders, {users} users")
        return {_METRICS: found}

    inputs = {"ranker": trained.version, "contenders": [vars(each) for each in among]}
    found = measured_once(run, "trial", windows.take(split), inputs, measure)[_METRICS]
    return found.select(pl.lit(split.cutoff).cast(_SCHEMA[c.CUTOFF]).alias(c.CUTOFF), pl.all()).select(list(_SCHEMA))


def _measure(run: AsOfRun, tested: Window, trained: Manifest, among: Sequence[ranking.Contender]) -> pl.DataFrame:
    """user_id, history_group, contender, metric, value; users by contender."""
    settings, truth = run.platform.settings, tested.held_out.filter(IS_KNOWN_ITEM)
    if tested.rows.is_empty() or truth.is_empty():
        return pl.DataFrame(schema=_SCHEMA).drop(c.CUTOFF)
    offers = offers_of(tested.rows, _ranker(run, trained), _sources(among), settings.threads)
    measured = [
        _measured(lists_of(run.platform, tested, ranking.contender_scores(each, offers)), truth, settings.k, each.name)
        for each in among
    ]
    users = truth.select(pl.col(c.USER_ID).unique().sort())
    names = [name for name, _ in ranking.HISTORY_GROUPS]
    groups = ranking.history_group(consumed_counts(users[c.USER_ID], tested.consumed))
    users = users.with_columns(pl.Series(c.HISTORY_GROUP, [names[group] for group in groups], pl.String))
    return pl.concat(measured).join(users, on=c.USER_ID, how="left", maintain_order="left")


def _measured(lists: pl.DataFrame, truth: pl.DataFrame, k: int, name: str) -> pl.DataFrame:
    found = user_metrics(lists, truth, k)
    return found.select(c.USER_ID, c.METRIC, c.VALUE, pl.lit(name).alias(c.CONTENDER))


def _ranker(run: AsOfRun, trained: Manifest) -> ranking.Ranker:
    return ranking.load_ranker(artifact(run.platform.home.artifacts, ranking.RANKER, trained.version))


def _sources(among: Sequence[ranking.Contender]) -> list[str]:
    return list(dict.fromkeys(each.source for each in among if each.source is not None))
