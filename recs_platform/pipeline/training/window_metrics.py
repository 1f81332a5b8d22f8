"""Metrics of one test window: of what would have been shown, and of each source alone.

Which windows are tested, and when they are enough, is in `evaluation`.
"""

from collections.abc import Mapping
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.tables import LIST_METRICS, TESTED_LISTS, USER_METRICS
from recs_platform.evaluation.list_metrics import PER_LIST, Shown
from recs_platform.evaluation.metrics import candidate_recall, user_metrics
from recs_platform.lake.artifacts import artifact
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.retrieval.inputs import run_config
from recs_platform.pipeline.training.scoring_windows import offers_by, scores_by, scores_of_offers
from recs_platform.pipeline.training.splits import Split
from recs_platform.pipeline.training.trials import lists_of
from recs_platform.pipeline.training.windows import IS_KNOWN_ITEM, Window
from recs_platform.stages import ranking, retrieval
from recs_platform.stages.reports.offline_names import UNMITIGATED

FINAL = "final"
ALL_CANDIDATES = "candidates"
WITH_NEW_ITEMS = "_with_new_items"


def evaluate_window(
    run: AsOfRun,
    split: Split,
    tested: Window,
    trained: Manifest,
    chosen: Mapping[str, ranking.Contender],
    *,
    without: pl.DataFrame | None = None,
) -> dict[str, pl.DataFrame]:
    """Metrics of the final lists and of each enabled source alone in one window, and recall among the candidates.

    By table, in the columns of its contract less as_of: user and list metrics, and the items of the final lists.
    `without`: lists without the mitigation that is set, where any is.
    """
    k, config = run.platform.settings.k, run_config(run)
    listed = listed_items(run, split, tested, trained, chosen)
    models = {FINAL: listed.select(c.USER_ID, c.ITEM_ID, c.RANK)} | {
        source.name: source_lists(tested.rows, source.name, k) for source in config.configured_sources()
    }
    models |= {} if without is None else {UNMITIGATED: without}
    known = tested.held_out.filter(IS_KNOWN_ITEM)
    truths = {split.protocol: known, f"{split.protocol}{WITH_NEW_ITEMS}": tested.held_out}
    per_user = [
        user_metrics(made, truth, k).with_columns(_tags(split.cutoff, protocol, model, k))
        for protocol, truth in truths.items()
        for model, made in models.items()
    ]
    per_user += [
        candidate_recall(offered, truth).with_columns(_tags(split.cutoff, protocol, model, most))
        for protocol, truth in truths.items()
        for model, (offered, most) in _offered(config, tested).items()
    ]
    per_list = [_list_metrics(made, tested, k, split.protocol, split.cutoff, model) for model, made in models.items()]
    return {
        USER_METRICS.table: pl.concat(per_user),
        LIST_METRICS.table: pl.concat(per_list),
        TESTED_LISTS.table: listed,
    }


def listed_items(
    run: AsOfRun, split: Split, tested: Window, trained: Manifest, chosen: Mapping[str, ranking.Contender]
) -> pl.DataFrame:
    """The first k that the platform would have shown each user, in the columns of TESTED_LISTS less as_of.

    Ordered by what was chosen for each group of users, then re-ranked. What fills a list up from the fallback has no
    score. No probability is known yet: see `probabilities`.
    """
    pair, offers = [c.USER_ID, c.ITEM_ID], offers_by(run, tested, _ranker(run, trained))
    chosen_items = tested.held_out.select(*pair, pl.lit(value=True).alias(c.WAS_CHOSEN))
    scores = pl.Series(c.SCORE, offers.scores, pl.Float64)
    return (
        lists_of(run.platform, tested, scores_of_offers(tested, offers, chosen))
        .filter(pl.col(c.RANK) <= run.platform.settings.k)
        .select(*pair, pl.col(c.RANK).cast(pl.Int32))
        .join(tested.rows.select(pair).with_columns(scores), on=pair, how="left", maintain_order="left")
        .join(chosen_items, on=pair, how="left", maintain_order="left")
        .select(
            pl.lit(split.protocol).alias(c.PROTOCOL),
            pl.lit(split.cutoff).dt.cast_time_unit("us").alias(c.CUTOFF),
            *pair, c.RANK, c.SCORE, pl.lit(None, pl.Float64).alias(c.PROBABILITY),
            pl.col(c.WAS_CHOSEN).fill_null(value=False),
        )
    )  # fmt: skip


def scores_of(
    run: AsOfRun, tested: Window, trained: Manifest, chosen: Mapping[str, ranking.Contender]
) -> NDArray[np.float64]:
    """Score (n,) of each row of a window by a sealed ranker, see `scores_by`."""
    return scores_by(run, tested, _ranker(run, trained), chosen)


def _ranker(run: AsOfRun, trained: Manifest) -> ranking.Ranker:
    return ranking.load_ranker(artifact(run.platform.home.artifacts, ranking.RANKER, trained.version))


def source_lists(rows: pl.DataFrame, source: str, k: int) -> pl.DataFrame:
    """The first `k` of one source alone (user_id, item_id, rank)."""
    rank = pl.col(c.source_rank(source)).cast(pl.Int32).alias(c.RANK)
    return rows.select(c.USER_ID, c.ITEM_ID, rank).filter(pl.col(c.RANK) <= k)


def _offered(config: retrieval.RetrievalConfig, tested: Window) -> dict[str, tuple[pl.DataFrame, int]]:
    """Candidates kept (user_id, item_id) and how many a user may have: all together, then those of each source."""
    names = [source.name for source in config.configured_sources()]
    ranks = [c.source_rank(name) for name in names]
    pairs = [c.USER_ID, c.ITEM_ID]
    hits = tested.rows.select(*pairs, *ranks).join(tested.held_out, on=pairs, how="semi")
    each = config.candidates_per_source
    most = config.candidates or each * len(names)
    alone = {name: (hits.filter(pl.col(rank).is_not_null()), each) for name, rank in zip(names, ranks, strict=True)}
    return {ALL_CANDIDATES: (hits, most)} | alone


def _list_metrics(
    lists: pl.DataFrame, tested: Window, k: int, protocol: str, cutoff: datetime, model: str
) -> pl.DataFrame:
    shown = Shown(lists, tested.items, tested.held_out, tested.consumed, k)
    values = {name: measure(shown) for name, measure in PER_LIST}
    frame = pl.DataFrame(
        {c.METRIC: list(values), c.VALUE: list(values.values())}, schema_overrides={c.VALUE: pl.Float64}
    )
    return frame.with_columns(_tags(cutoff, protocol, model, k))


def _tags(cutoff: datetime, protocol: str, model: str, k: int) -> list[pl.Expr]:
    return [
        pl.lit(protocol).alias(c.PROTOCOL),
        pl.lit(cutoff).dt.cast_time_unit("us").alias(c.CUTOFF),
        pl.lit(model).alias(c.MODEL),
        pl.lit(k, dtype=pl.Int32).alias(c.K),
    ]
