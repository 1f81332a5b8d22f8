"""The choice of one clustering trial, with a reason for each. The trials themselves are in `trials`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.stages.segments.trials import ONE_CLUSTER, Scored

if TYPE_CHECKING:
    import polars as pl

    from recs_platform.stages.segments.config import SegmentConfig

ONE_CLUSTER_TRIAL = 1
SCORE_DECIMALS = 2  # smaller differences than this are the sample's, not the trials'


@dataclass(frozen=True)
class ClusteringChoice:
    """The chosen trial, None where all users are one cluster, with the rows of cluster_trials."""

    chosen: Scored | None
    reason: str
    rows: pl.DataFrame


def choose_trial(
    scored: Sequence[Scored], config: SegmentConfig, stability_of: Callable[[Scored], float]
) -> ClusteringChoice:
    """Of the trials that qualify, the one with the best silhouette, ties by Davies-Bouldin, then fewest clusters.

    A trial qualifies with 2 to `clusters_max` clusters, noise at most `noise_max`, no cluster under `min_share` and a
    stability of at least `stability_min`. Stability is expensive: it is measured in that order until a trial has
    enough of it, for at most `stability_trials`. Where none qualifies, everybody is one cluster.
    """
    faults = {each.number: _fault(each, config) for each in scored}
    ordered = sorted((each for each in scored if not faults[each.number]), key=_order)
    measured: dict[int, float] = {}
    chosen: Scored | None = None
    for each in ordered[: config.stability_trials]:
        measured[each.number] = stability_of(each)
        if measured[each.number] >= config.stability_min:
            chosen = each
            break
        faults[each.number] = f"unstable: adjusted Rand {measured[each.number]:.2f} < {config.stability_min:g}"
    reason = f"best silhouette of {len(ordered)} that qualify" if chosen else "no trial qualifies: one cluster"
    rows = [
        _row(
            each,
            measured.get(each.number),
            each is chosen,
            reason if each is chosen else _why_not(each, faults, chosen),
        )
        for each in scored
    ]
    one = _one_cluster_row(is_chosen=chosen is None, reason=_why_not_one(chosen) if chosen else reason)
    return ClusteringChoice(chosen, reason, _frame([one, *rows]))


def choose_one_cluster(reason: str, *, cluster_count: int = 1) -> ClusteringChoice:
    """The choice where nothing can be tried."""
    row = _one_cluster_row(is_chosen=True, reason=reason, cluster_count=cluster_count)
    return ClusteringChoice(None, reason, _frame([row]))


def _fault(scored: Scored, config: SegmentConfig) -> str:
    """Why a trial does not qualify; empty where only its stability is open."""
    count = len(scored.components)
    if scored.silhouette is None:
        return f"finds {count} cluster{'' if count == 1 else 's'}"
    if count > config.clusters_max:
        return f"{count} clusters, more than {config.clusters_max}"
    if scored.noise_share > config.noise_max:
        return f"noise {scored.noise_share:.0%} > {config.noise_max:.0%}"
    if scored.smallest_share < config.min_share:
        return f"smallest cluster {scored.smallest_share:.1%} < {config.min_share:.1%}"
    return ""


def _order(scored: Scored) -> tuple[float, float, int, int]:
    silhouette, davies_bouldin = scored.silhouette or 0.0, scored.davies_bouldin or 0.0
    rounded = -round(silhouette, SCORE_DECIMALS), round(davies_bouldin, SCORE_DECIMALS)
    return (*rounded, len(scored.components), scored.number)


def _why_not(scored: Scored, faults: dict[int, str], chosen: Scored | None) -> str:
    if faults[scored.number] or chosen is None:
        return faults[scored.number] or "stability not measured: better trials are unstable"
    return f"trial {chosen.number} is better or as good; stability not measured"


def _why_not_one(chosen: Scored) -> str:
    return f"trial {chosen.number} separates users"


def _row(scored: Scored, stability: float | None, is_chosen: bool, reason: str) -> dict[str, object]:
    return {
        c.TRIAL: scored.number,
        c.ALGORITHM: scored.trial.algorithm,
        c.PARAMETERS: scored.parameters,
        c.CLUSTER_COUNT: len(scored.components),
        c.SILHOUETTE: scored.silhouette,
        c.DAVIES_BOULDIN: scored.davies_bouldin,
        c.STABILITY: stability,
        c.NOISE_SHARE: scored.noise_share,
        c.SMALLEST_SHARE: scored.smallest_share,
        c.IS_CHOSEN: is_chosen,
        c.REASON: reason,
    }


def _one_cluster_row(*, is_chosen: bool, reason: str, cluster_count: int = 1) -> dict[str, object]:
    return {
        c.TRIAL: ONE_CLUSTER_TRIAL,
        c.ALGORITHM: ONE_CLUSTER,
        c.PARAMETERS: "{}",
        c.CLUSTER_COUNT: cluster_count,
        c.SILHOUETTE: None,
        c.DAVIES_BOULDIN: None,
        c.STABILITY: None,
        c.NOISE_SHARE: 0.0,
        c.SMALLEST_SHARE: float(cluster_count),
        c.IS_CHOSEN: is_chosen,
        c.REASON: reason,
    }


def _frame(rows: Sequence[dict[str, object]]) -> pl.DataFrame:
    import polars as pl

    schema = {
        c.TRIAL: pl.Int32(), c.ALGORITHM: pl.String(), c.PARAMETERS: pl.String(), c.CLUSTER_COUNT: pl.Int64(),
        c.SILHOUETTE: pl.Float64(), c.DAVIES_BOULDIN: pl.Float64(), c.STABILITY: pl.Float64(),
        c.NOISE_SHARE: pl.Float64(), c.SMALLEST_SHARE: pl.Float64(), c.IS_CHOSEN: pl.Boolean(), c.REASON: pl.String(),
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema)
