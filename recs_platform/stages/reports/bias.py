"""Bias: the report that puts exposure of items and what becomes of groups of users together, and judges both.

How exposure is measured is in `exposure`, quality by group in `quality`, groups in training and in probabilities in
`representation`.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import BIAS
from recs_platform.stages.reports.bias_limits import BiasConfig, hold
from recs_platform.stages.reports.bias_page import sections
from recs_platform.stages.reports.exposure import POPULARITY_TIER, VS_INTERACTIONS, exposure_rows
from recs_platform.stages.reports.inputs import ReportInputs
from recs_platform.stages.reports.mitigation import MITIGATION, list_rows, mitigation_rows, section, worst_ratio
from recs_platform.stages.reports.offline_names import UNMITIGATED, chosen_protocol
from recs_platform.stages.reports.quality import NDCG, QUALITY, quality_rows, with_tenure
from recs_platform.stages.reports.report import ReportResult, write_report
from recs_platform.stages.reports.representation import TRAINING, calibration_rows, training_rows
from recs_platform.stages.reports.shares import SHARED_ATTRIBUTES, share_rows
from recs_platform.stages.reports.verdicts import (
    DIMENSION,
    NO_DATA,
    RATIO,
    Judgement,
    contract_frame,
    verdict_rows,
    worst,
)

if TYPE_CHECKING:
    import polars as pl

NAME = "bias"
_FINAL = "final"


def measure_bias(
    lists: pl.DataFrame,
    item_counts: pl.DataFrame,
    user_metrics: pl.DataFrame,
    users: pl.DataFrame,
    *,
    as_of: datetime,
    seed: int,
    items: pl.DataFrame | None = None,
    learned_from: pl.DataFrame | None = None,
    tested: pl.DataFrame | None = None,
    config: BiasConfig | None = None,
) -> pl.DataFrame:
    """Rows of `reports.bias`: exposure first, then quality, then training and calibration where they are given.

    `lists`: user_id, item_id, rank; `item_counts`: item_id, interaction_count over the whole catalogue; `user_metrics`:
    user_id, value, the ndcg of model `final` under one protocol and k; `users`: user_id and what groups are formed by,
    see `quality`; `learned_from`, `tested`: see `representation`; `items`: item_id, category, creator, whose exposure
    is shown and not judged. Intervals draw users with all their rows.
    """
    config = config or BiasConfig()
    rows = [
        *exposure_rows(lists, item_counts, seed=seed, config=config.exposure),
        *(() if items is None else share_rows(lists, item_counts, items, seed=seed)),
        *quality_rows(user_metrics, users, seed=seed, config=config.quality),
    ]
    limits, groups = config.representation, config.quality
    if learned_from is not None:
        rows.extend(training_rows(learned_from, users, seed=seed, config=limits, groups=groups))
    if tested is not None:
        rows.extend(calibration_rows(tested, users, seed=seed, config=limits, groups=groups))
    return contract_frame([{c.AS_OF: as_of, **row} for row in rows], BIAS)


def run(inputs: ReportInputs, config: BiasConfig | None = None) -> ReportResult:
    """The report, judged and written as a page."""
    import polars as pl

    config = config or BiasConfig()
    users = with_tenure(inputs.users, inputs.tenures, config.quality)
    frame = measure_bias(
        inputs.lists,
        inputs.item_counts,
        final_ndcg(inputs.user_metrics),
        users,
        as_of=inputs.as_of,
        seed=inputs.seed,
        items=inputs.items,
        learned_from=inputs.learned_from,
        tested=inputs.tested_lists,
        config=config,
    )
    frame = pl.concat([frame, _mitigated(inputs, users, config)])
    verdicts = verdict_rows(NAME, judge_bias(frame, config), as_of=inputs.as_of)
    told = sections(frame.filter(pl.col(DIMENSION) != MITIGATION), config)
    if inputs.mitigations:
        told = [section(frame, inputs.mitigations), *told]
    page = write_report(inputs, NAME, "Bias", told, verdicts)
    return ReportResult(BIAS.name, frame, verdicts, page, numbers=_numbers(frame))


def _mitigated(inputs: ReportInputs, users: pl.DataFrame, config: BiasConfig) -> pl.DataFrame:
    """What mitigation changed, where any is on."""
    import polars as pl

    before, after = final_ndcg(inputs.unmitigated_metrics, UNMITIGATED), final_ndcg(inputs.user_metrics)
    lists = inputs.list_metrics.filter(pl.col(c.MODEL) == _FINAL)
    rows = [
        *mitigation_rows(before, after, users, seed=inputs.seed, config=config.quality),
        *list_rows(inputs.unmitigated_list_metrics, lists),
    ]
    return contract_frame([{c.AS_OF: inputs.as_of, **row} for row in rows], BIAS)


def final_ndcg(user_metrics: pl.DataFrame, model: str = _FINAL) -> pl.DataFrame:
    """user_id, value: ndcg of a model, `final` by default, under one protocol, see `chosen_protocol`.

    The longest k is taken. No rows when the final lists were not evaluated.
    """
    import polars as pl

    found = user_metrics.filter((pl.col(c.MODEL) == model) & (pl.col(c.METRIC) == NDCG))
    one = found.filter(pl.col(c.PROTOCOL) == pl.lit(chosen_protocol(found), pl.String))
    return one.filter(pl.col(c.K) == pl.col(c.K).max()).select(c.USER_ID, c.VALUE)


def judge_bias(bias: pl.DataFrame, config: BiasConfig) -> list[Judgement]:
    """One judgement for popularity tiers and one for each user attribute: that of the worst group.

    Its value is the end of the group's interval that was compared, over the reference.

    An attribute is `no_data` when too few evaluated users are in groups that could be judged, whatever their verdicts.
    """
    import polars as pl

    judgements: list[Judgement] = []
    judged_here = pl.col(DIMENSION) != MITIGATION
    held = bias.filter(judged_here, ~pl.col(c.ATTRIBUTE).is_in(SHARED_ATTRIBUTES))
    for (dimension, attribute), part in held.group_by(DIMENSION, c.ATTRIBUTE, maintain_order=True):
        subject = f"{dimension}: {attribute}"
        judged = part.filter(pl.col(c.VERDICT) != "no_data")
        known, sample = int(judged[c.SAMPLE_SIZE].sum()), int(part[c.SAMPLE_SIZE].sum())
        covered = known / sample if sample else 0.0
        least = config.quality.coverage_min if dimension == QUALITY else 0.0
        if judged.is_empty() or covered < least:
            needed = f"; {least:.0%} are needed" if least else ""
            text = f"{covered:.0%} of {sample} are in groups that are known and large enough to be judged{needed}."
            judgements.append(Judgement(subject, "no_data", text, covered, least, sample))
        else:
            judgements.append(_judge_worst(subject, judged, known, config))
    return judgements


def _judge_worst(subject: str, judged: pl.DataFrame, sample: int, config: BiasConfig) -> Judgement:
    """The worst group by its limit, of those with the gravest verdict."""
    import polars as pl

    verdict = worst(judged[c.VERDICT].to_list())
    rows = judged.filter(pl.col(c.VERDICT) == verdict).sort(RATIO, c.GROUP, c.METRIC).to_dicts()
    held = [found for row in rows if (found := hold(row, verdict, config)) is not None]
    if not held:
        return Judgement(subject, verdict, f"None of {len(rows)} groups has a limit.", None, None, sample)
    told = min(held, key=lambda found: found.margin)
    return Judgement(subject, verdict, told.text, told.compared, told.limit, sample)


def _numbers(bias: pl.DataFrame) -> dict[str, float]:
    """Exposure of each tier over its share of interactions; of groups of users the worst served and least learned from.

    Over everyone's quality, and over its share of users. Groups that are too small to be judged do not count.
    """
    import polars as pl

    known = bias.filter(pl.col(RATIO).is_not_null())
    tiers = known.filter((pl.col(c.ATTRIBUTE) == POPULARITY_TIER) & (pl.col(c.METRIC) == VS_INTERACTIONS))
    judged = known.filter((pl.col(DIMENSION) == QUALITY) & (pl.col(c.VERDICT) != NO_DATA))[RATIO]
    worst_served = {} if judged.is_empty() else {"worst_group_ndcg_ratio": min(judged.to_list())}
    learned = known.filter((pl.col(DIMENSION) == TRAINING) & (pl.col(c.VERDICT) != NO_DATA))[RATIO]
    least_learned = {} if learned.is_empty() else {"least_trained_group_ratio": min(learned.to_list())}
    exposed = {f"exposure_ratio_{tier}": ratio for tier, ratio in tiers.select(c.GROUP, RATIO).iter_rows()}
    return exposed | worst_served | least_learned | worst_ratio(bias)
