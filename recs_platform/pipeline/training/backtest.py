"""Backtests: the platform rebuilt at instants of the past, and scored on what came next.

Tests of a build are in `evaluation`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.time import as_of_key, parse_instant
from recs_platform.evaluation.bootstrap import cluster_intervals
from recs_platform.pages import Line, Section, amount, line_chart, write_page
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.event_span import last_event
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval import tuned_configs
from recs_platform.pipeline.training import ranker_configs
from recs_platform.pipeline.training.evaluation import BASELINE, Evaluated, evaluate
from recs_platform.pipeline.training.recipes import serve_todays
from recs_platform.pipeline.training.schedule import training_schedule
from recs_platform.pipeline.training.window_cache import WindowCache
from recs_platform.pipeline.training.window_metrics import FINAL, WITH_NEW_ITEMS

CHARTED = (c.NDCG, "recall")
BEST_SOURCE = "best source"
_KEYS = [c.PROTOCOL, c.MODEL, c.METRIC, c.K]


@dataclass(frozen=True)
class Backtest:
    """Metrics by as-of and model, of the final lists, popularity and every source.

    `rows`: as_of, protocol, model, metric, k, value, ci_low, ci_high, n_users; metrics of whole lists have no interval.
    """

    rows: pl.DataFrame

    @property
    def table(self) -> pl.DataFrame:
        """A row an as-of: NDCG and recall of the final lists, of popularity and of the best source of that as-of."""
        known = self.rows.filter(~pl.col(c.PROTOCOL).str.ends_with(WITH_NEW_ITEMS), pl.col(c.METRIC).is_in(CHARTED))
        named = known.with_columns(
            pl.when(pl.col(c.MODEL).is_in([FINAL, BASELINE])).then(c.MODEL).otherwise(pl.lit(BEST_SOURCE)).alias("of")
        )
        best = named.group_by(c.AS_OF, c.METRIC, "of").agg(pl.max(c.VALUE), pl.max(c.N_USERS))
        wide = best.pivot(on="of", index=[c.AS_OF, c.METRIC, c.N_USERS], values=c.VALUE).sort(c.METRIC, c.AS_OF)
        return wide.select(
            pl.col(c.AS_OF).map_elements(as_of_key, return_dtype=pl.String),
            c.METRIC,
            *(pl.col(name).round(4) for name in (FINAL, BASELINE, BEST_SOURCE)),
            (pl.col(FINAL) / pl.col(BASELINE)).round(3).alias("times popularity"),
            c.N_USERS,
        )

    @property
    def summary(self) -> pl.DataFrame:
        """By metric: how many as-ofs, mean of the final lists and of popularity, mean and least ratio of both."""
        ratio = pl.col("times popularity")
        return (
            self.table.group_by(c.METRIC)
            .agg(
                pl.len().alias("as_ofs"),
                pl.col(FINAL).mean().round(4),
                pl.col(BASELINE).mean().round(4),
                ratio.mean().round(3).alias("mean ratio"),
                ratio.min().alias("least ratio"),
            )
            .sort(c.METRIC)
        )


def run_backtest(platform: Platform, instants: Sequence[datetime], progress: Callable[[str], None]) -> Backtest:
    """Evaluate at each instant, oldest first. Raises NotReady where none of them could be scored."""
    known_at = datetime.now(UTC)
    rows: list[pl.DataFrame] = []
    _warn_of_tuned(platform, instants, progress)
    for instant in instants:
        progress(f"backtest as of {as_of_key(instant)}")
        found = _with_intervals(_evaluate(platform, instant, known_at, progress), platform.settings.seed)
        found = found.filter(~pl.col(c.PROTOCOL).str.starts_with("per_user"))
        if found.is_empty():
            progress(f"{as_of_key(instant)} is left out: too few users did anything new in a window after it")
        rows.append(found.with_columns(pl.lit(instant).dt.cast_time_unit("us").alias(c.AS_OF)))
    every = pl.concat(rows)
    if every.is_empty():
        raise NotReady("no user with a history did anything new after these as-ofs; choose earlier ones")
    return Backtest(every.select(c.AS_OF, *_KEYS, c.VALUE, c.CI_LOW, c.CI_HIGH, c.N_USERS))


def write_backtest(platform: Platform, found: Backtest) -> Path:
    """Write the rows as Parquet and a page with charts; returns the page's path in the home."""
    instants = found.rows[c.AS_OF].unique().sort().to_list()
    first, last = (as_of_key(each).replace(":", "") for each in (instants[0], instants[-1]))
    page = platform.home.reports / "backtests" / f"{first}_{last}.html"
    charts = "".join(_chart(found.table, metric) for metric in CHARTED)
    sections = [
        Section("Summary", "Ratios are those of the final lists to tuned popularity.", found.summary, figure=charts),
        Section("By as-of", "Everything is rebuilt from events before each as-of.", found.table),
        Section("Every metric", "Intervals draw users.", found.rows),
    ]
    write_page(page, f"Backtest {first} to {last}", instants[-1], sections)
    found.rows.write_parquet(page.with_suffix(".parquet"))
    return page.relative_to(platform.home.root)


def evaluate_once(platform: Platform, as_of: datetime, progress: Callable[[str], None]) -> pl.DataFrame:
    """Mean metrics of each model on `[as_of, as_of + horizon)`, everything rebuilt from events before the as-of.

    `n_users`: users of the windows, for metrics of whole lists too. Raises NotReady where nothing can be scored.
    """
    known_at = datetime.now(UTC)
    _require_sequel(platform, as_of, known_at)
    evaluated = _evaluate(platform, as_of, known_at, progress)
    per_user = _means(evaluated.per_user, pl.len())
    if per_user.is_empty():
        raise NotReady(f"no user with a history did anything new after {as_of_key(as_of)}; choose an earlier as-of")
    users = per_user.group_by(c.PROTOCOL, c.MODEL).agg(pl.max(c.N_USERS))
    per_list = _means(evaluated.per_list).join(users, on=[c.PROTOCOL, c.MODEL], how="left", maintain_order="left")
    return pl.concat([per_user, per_list.select(per_user.columns)]).sort(_KEYS)


def _means(rows: pl.DataFrame, *users: pl.Expr) -> pl.DataFrame:
    means = [pl.col(c.VALUE).mean(), *(each.alias(c.N_USERS) for each in users)]
    return rows.group_by(_KEYS, maintain_order=True).agg(means)


def _require_sequel(platform: Platform, as_of: datetime, now: datetime) -> None:
    """Raise NotReady where nothing happened from the as-of on: all that is measured would be 0."""
    last = last_event(platform, now)
    if last is not None and last < as_of:
        raise NotReady(
            f"nothing to score: no event from {as_of_key(as_of)} on, the last is of {last:%Y-%m-%d %H:%M}; choose an "
            "earlier as-of"
        )


def _evaluate(platform: Platform, as_of: datetime, known_at: datetime, progress: Callable[[str], None]) -> Evaluated:
    """One test, at the as-of, by the recipe of today's settings."""
    horizon = _horizon(platform, as_of, known_at)
    cut = cut_short(as_of, horizon, last_event(platform, known_at))
    if cut is not None:
        progress(cut)
    # The horizon is what the events before the as-of say, and the later ones say nothing.
    settings = platform.settings.model_copy(update={"horizon_days": horizon.days})
    run = AsOfRun(replace(platform, settings=settings), as_of + horizon, known_at)
    try:
        serve_todays(run)
        schedule = training_schedule(run)
        if schedule.protocol == "global":
            schedule = replace(schedule, plan=replace(schedule.plan, tests=(as_of,)))
        return evaluate(WindowCache(run, progress), schedule, progress)
    finally:
        run.close()


def cut_short(as_of: datetime, horizon: timedelta, last: datetime | None) -> str | None:
    """A caution where the log ends within the horizon: other numbers than of a whole one; None where it does not."""
    if last is None or last + timedelta(days=1) >= as_of + horizon:
        return None
    return (
        f"caution: the horizon of {horizon.days} days after {as_of_key(as_of)} is not over, the last event is of "
        f"{last:%Y-%m-%d %H:%M}: what came until then is scored"
    )


def _warn_of_tuned(platform: Platform, instants: Sequence[datetime], progress: Callable[[str], None]) -> None:
    """Say where a config in force was tuned on what an as-of is scored on."""
    root, version = platform.home.artifacts, ranker_configs.adopted_version(platform.home.artifacts)
    ranker = None if version is None else ranker_configs.find_config(root, version)[0]
    for adopted in (tuned_configs.adopted_manifest(root), ranker):
        until = None if adopted is None else parse_instant(adopted.parameters["tuned_until"])
        early = [each for each in instants if until is not None and each < until]
        if adopted is not None and early:
            progress(f"{adopted.name} {adopted.version} was tuned on what {len(early)} of the as-ofs are scored on")


def _horizon(platform: Platform, as_of: datetime, known_at: datetime) -> timedelta:
    run = AsOfRun(platform, as_of, known_at)
    try:
        return training_schedule(run).plan.horizon
    finally:
        run.close()


def _with_intervals(evaluated: Evaluated, seed: int) -> pl.DataFrame:
    """Means of users' metrics with their intervals, and those of lists without."""
    rows: list[pl.DataFrame] = []
    per_list = evaluated.per_list
    if evaluated.per_user.is_empty():  # metrics of lists are 0 where nobody was evaluated
        per_list = per_list.clear()
    for keys, part in evaluated.per_user.group_by(_KEYS, maintain_order=True):
        users = part[c.USER_ID].rank("dense").cast(pl.Int64).to_numpy()
        found = cluster_intervals(users, part[c.VALUE].to_numpy()[:, None], seed=seed)
        named = dict(zip(_KEYS, keys, strict=True))
        ends = {c.CI_LOW: found.low.tolist(), c.CI_HIGH: found.high.tolist()}
        rows.append(pl.DataFrame({**named, c.VALUE: found.value.tolist(), **ends, c.N_USERS: found.users.tolist()}))
    lists = per_list.group_by(_KEYS, maintain_order=True).agg(pl.col(c.VALUE).mean())
    empty = pl.lit(None, dtype=pl.Float64)
    rows.append(lists.with_columns(empty.alias(c.CI_LOW), empty.alias(c.CI_HIGH), pl.lit(0).alias(c.N_USERS)))
    names = [*_KEYS, c.VALUE, c.CI_LOW, c.CI_HIGH, c.N_USERS]
    return pl.concat([row.select(names) for row in rows], how="vertical_relaxed")


def _chart(table: pl.DataFrame, metric: str) -> str:
    part = table.filter(pl.col(c.METRIC) == metric)
    instants = [datetime.fromisoformat(key).replace(tzinfo=UTC) for key in part[c.AS_OF].to_list()]
    lines = [
        Line(
            name,
            [(at, value) for at, value in zip(instants, part[name], strict=True) if value is not None],
            name == FINAL,
        )
        for name in (FINAL, BASELINE, BEST_SOURCE)
    ]
    return line_chart(lines, title=f"{metric} of each as-of", form=amount)
