"""What variety costs: lists of the test windows re-ranked at several settings of `diversity`, and what they measure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.time import as_of_key
from recs_platform.evaluation.list_metrics import PER_LIST, Shown
from recs_platform.evaluation.metrics import user_metrics
from recs_platform.pages import Section, curve_chart, write_page
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.training.evaluation import served_at
from recs_platform.pipeline.training.schedule import training_schedule
from recs_platform.pipeline.training.trials import lists_of
from recs_platform.pipeline.training.window_cache import WindowCache
from recs_platform.pipeline.training.window_metrics import scores_of
from recs_platform.pipeline.training.windows import IS_KNOWN_ITEM, Window, read_window
from recs_platform.stages import ranking

STEPS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
DIVERSITY = "diversity"
SETTING = "setting"
CHARTED = ("diversity", "coverage", "novelty", "miscalibration")
_USERS = (c.NDCG, "recall")


def trade_off(
    platform: Platform,
    as_of: datetime,
    known_at: datetime,
    progress: Callable[[str], None],
    steps: Sequence[float] = STEPS,
) -> pl.DataFrame:
    """A row a setting of `diversity`: ndcg, recall, coverage, novelty, diversity, miscalibration and the other metrics.

    Means over the test windows of the as-of that are made in any case, of lists ordered as those that are released.
    Raises NotReady where there is no test window.
    """
    return price(platform, as_of, known_at, progress, {step: {DIVERSITY: step} for step in steps})


def price(
    platform: Platform,
    as_of: datetime,
    known_at: datetime,
    progress: Callable[[str], None],
    variants: Mapping[Any, Mapping[str, Any]],
    *,
    before_tests: bool = False,
) -> pl.DataFrame:
    """The same of any settings of lists: a row a variant, which is named by its key and changes fields of the settings.

    `before_tests`: measured at cutoffs whose labels end before the first test, for choosing among variants. Raises
    NotReady where there is no window.
    """
    run = AsOfRun(platform, as_of, known_at)
    try:
        windows, schedule = WindowCache(run, progress), training_schedule(run)
        splits = schedule.first_tests()
        if before_tests:
            splits = schedule.trials_before(min((split.cutoff for split in splits), default=None))
        served = served_at(windows, schedule, splits, progress)
        measured = [
            row
            for split, (trained, chosen) in served.items()
            for row in _measure(run, read_window(platform, windows.take(split).version), trained, chosen, variants)
        ]
    finally:
        run.close()
    if not measured:
        raise NotReady(f"no test window ends by {as_of_key(as_of)}; name a later --as-of")
    names = [name for name in measured[0] if name != SETTING]
    return pl.DataFrame(measured).group_by(SETTING, maintain_order=True).agg(pl.col(names).mean())


def write_trade_off(platform: Platform, as_of: datetime, rows: pl.DataFrame) -> Path:
    """A page with the curves and the table; returns its path in the home."""
    page = platform.home.reports / "tradeoff" / f"{as_of_key(as_of).replace(':', '')}.html"
    points = [
        (name, [(row["recall"], row[name], f"{row[SETTING]:g}") for row in rows.iter_rows(named=True)])
        for name in CHARTED
    ]
    figure = "".join(curve_chart(each, x="recall", y=name) for name, each in points)
    text = "Each point is a value of the setting `diversity`, written beside it. Choose one, and know what it costs."
    write_page(page, "What variety costs", as_of, [Section("Curves", text, rows, figure=figure)])
    return page.relative_to(platform.home.root)


def _measure(
    run: AsOfRun,
    tested: Window,
    trained: Manifest,
    chosen: Mapping[str, ranking.Contender],
    variants: Mapping[Any, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    scores = scores_of(run, tested, trained, chosen)
    k, truth = run.platform.settings.k, tested.held_out.filter(IS_KNOWN_ITEM)
    rows: list[dict[str, Any]] = []
    for name, changes in variants.items():
        settings = run.platform.settings.model_copy(update=dict(changes))
        lists = lists_of(replace(run.platform, settings=settings), tested, scores)
        found = user_metrics(lists, truth, k)
        shown = Shown(lists, tested.items, tested.held_out, tested.consumed, k)
        means = {metric: _mean(found.filter(pl.col(c.METRIC) == metric)[c.VALUE]) for metric in _USERS}
        rows.append({SETTING: name, **means, **{metric: measure(shown) for metric, measure in PER_LIST}})
    return rows


def _mean(values: pl.Series) -> float:
    return float(values.to_numpy().mean()) if len(values) else 0.0
