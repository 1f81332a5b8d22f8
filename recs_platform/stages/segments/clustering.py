"""Users into behavioural segments: features in; members, trials and the fitted segmenter out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recs_platform.contracts import columns as c
from recs_platform.contracts.threads import limited
from recs_platform.stages.segments.choosing import ClusteringChoice, choose_one_cluster, choose_trial
from recs_platform.stages.segments.components import Components, Labels, Vector
from recs_platform.stages.segments.naming import name_clusters
from recs_platform.stages.segments.profiles import Profiles, profile_clusters
from recs_platform.stages.segments.scaling import Matrix, Measure, fit_measures, read_matrix, scale
from recs_platform.stages.segments.segmenter import NO_SEGMENT, NO_SEGMENT_NAME, Cluster, Segmenter
from recs_platform.stages.segments.sklearn_adapter import CLUSTERING_LIBRARY
from recs_platform.stages.segments.space import FeatureSpace, fit_space
from recs_platform.stages.segments.stability import Previous, canonical_order, first_numbers, match_numbers
from recs_platform.stages.segments.trials import one_cluster, plan_trials, score_trials, stability

if TYPE_CHECKING:
    import polars as pl

    from recs_platform.stages.segments.config import SegmentConfig
    from recs_platform.stages.segments.scaling import FittedMeasure


@dataclass(frozen=True)
class Sampled:
    """Users that trials were scored on: principal components, segment ids, silhouettes where there are two clusters."""

    points: Matrix
    segment_ids: list[str]
    silhouettes: Vector | None


@dataclass(frozen=True)
class Segmentation:
    """The behavioural segments of one as-of.

    `members` (user_id, segment_id, segment_name, is_noise) has every user once, by user_id; `trials` are the rows of
    cluster_trials, `profiles` those of cluster_profiles with the names; `active` are the clustered users, in the order
    of `members`, and `values` their features (users, measures).
    """

    members: pl.DataFrame
    choice: ClusteringChoice
    profiles: Profiles
    segmenter: Segmenter
    active: pl.DataFrame
    values: Matrix
    sampled: Sampled


def segment_users(
    features: pl.DataFrame,
    measures: Sequence[Measure],
    config: SegmentConfig,
    *,
    seed: int,
    previous: Previous | None = None,
) -> Segmentation:
    """Cluster the users of features.user_features who have events; the others are segment `none`.

    `features` needs user_id, event_count and the measures. The same rows in any order, any seed that finds the same
    clusters and any number of threads give the same ids. Raises ContractError naming columns that are absent.
    """
    import polars as pl

    with limited(1, CLUSTERING_LIBRARY):
        ordered = features.sort(c.USER_ID)
        active = ordered.filter(pl.col(c.EVENT_COUNT) > 0)
        values = read_matrix(active, [measure.name for measure in measures])
        fit = _fit(values, measures, config, seed)
        segmenter, labels = _numbered(fit, values, active[c.USER_ID], previous)
        ids = [cluster.segment_id for cluster in segmenter.clusters]
        profiles = profile_clusters(values, segmenter.names, labels, ids)
        names = name_clusters(profiles.z, ids, segmenter.names)
        noise = segmenter.components.is_noise(fit.points, labels)
        return Segmentation(
            members=_members(ordered, active, labels, noise, ids, names),
            choice=fit.choice,
            profiles=profiles,
            segmenter=segmenter,
            active=active,
            values=values,
            sampled=Sampled(
                fit.points[fit.sample],
                [ids[label] for label in labels[fit.sample]],
                None if fit.choice.chosen is None else fit.choice.chosen.silhouettes,
            ),
        )


@dataclass(frozen=True)
class _Fit:
    """What was fitted, before clusters have numbers: `points` and `scaled` of all active users, rows of the sample."""

    measures: list[FittedMeasure]
    space: FeatureSpace
    choice: ClusteringChoice
    components: Components
    scaled: Matrix
    points: Matrix
    sample: Labels
    config: SegmentConfig


def _fit(values: Matrix, measures: Sequence[Measure], config: SegmentConfig, seed: int) -> _Fit:
    drawn = np.random.default_rng(seed).permutation(len(values))
    fit_rows, sample = (np.sort(drawn[:limit]) for limit in (config.fit_users, config.scored_users))
    fitted = fit_measures(values[fit_rows], measures, config.weights)
    scaled = scale(values, fitted)
    space = fit_space(scaled[fit_rows], config.variance_kept)
    points = space.project(scaled)
    choice = _choose(points[fit_rows], points[sample], config, seed)
    components = choice.chosen.components if choice.chosen else one_cluster(points[fit_rows])
    return _Fit(fitted, space, choice, components, scaled, points, sample, config)


def _choose(fit_points: Matrix, sample: Matrix, config: SegmentConfig, seed: int) -> ClusteringChoice:
    """The trial to take, or why there is nothing to try."""
    if not len(sample):
        return choose_one_cluster("no user has events: no cluster", cluster_count=0)
    if len(sample) < config.users_min:
        return choose_one_cluster(f"{len(sample)} users with events, fewer than {config.users_min}: one cluster")
    if not sample.shape[1] or not np.any(np.ptp(sample, axis=0) > 0):
        return choose_one_cluster("all users are alike: one cluster")
    scored = score_trials(plan_trials(sample, config), fit_points, sample, seed)
    return choose_trial(scored, config, lambda each: stability(each, sample, config, seed))


def _numbered(fit: _Fit, values: Matrix, users: pl.Series, previous: Previous | None) -> tuple[Segmenter, Labels]:
    """The segmenter, clusters in the order of their numbers, with each active user's index among them."""
    components = _without_small(fit.components, fit.points, fit.config.min_share)
    labels = components.assign(fit.points) if len(components) else np.empty(0, dtype=np.int64)
    centers = _means(fit.scaled, labels, len(components))
    order = canonical_order(centers)
    labels = np.argsort(order)[labels] if order else labels
    if previous is None:
        numbers, last = first_numbers(len(order)), len(order)
    else:
        columns = {measure.name: values[:, index] for index, measure in enumerate(fit.measures)}
        numbers = match_numbers(previous, users, columns, labels)
        last = max([previous.segmenter.last_number, *numbers])
    clusters = [
        _cluster(number, components, index, centers[index]) for number, index in zip(numbers, order, strict=True)
    ]
    by_number = sorted(range(len(clusters)), key=lambda index: numbers[index])
    segmenter = Segmenter(
        measures=tuple(fit.measures),
        space=fit.space,
        clusters=tuple(clusters[index] for index in by_number),
        last_number=last,
    )
    return segmenter, np.argsort(by_number)[labels] if by_number else labels


def _without_small(components: Components, points: Matrix, min_share: float) -> Components:
    """Without the smallest component while it has less than its share of all users: they go to the next best one."""
    while len(components) > 1:
        sizes = np.bincount(components.assign(points), minlength=len(components))
        smallest = int(np.argmin(sizes))
        if sizes[smallest] >= min_share * len(points):
            break
        components = components.kept([index for index in range(len(components)) if index != smallest])
    return components


def _means(scaled: Matrix, labels: Labels, count: int) -> Matrix:
    return np.array([scaled[labels == label].mean(axis=0) for label in range(count)]).reshape(count, scaled.shape[1])


def _cluster(number: int, components: Components, index: int, center: Vector) -> Cluster:
    radius = float(components.radii[index])
    return Cluster(
        number=number,
        mean=tuple(components.means[index].tolist()),
        precision=tuple(components.precisions[index].tolist()),
        log_weight=float(components.log_weights[index]),
        radius=radius if np.isfinite(radius) else None,
        center=tuple(center.tolist()),
    )


def _members(
    users: pl.DataFrame, active: pl.DataFrame, labels: Labels, noise: object, ids: list[str], names: list[str]
) -> pl.DataFrame:
    """Every user once, by user_id."""
    import polars as pl

    clusters = pl.DataFrame(
        {"label": range(len(ids)), c.SEGMENT_ID: ids, c.SEGMENT_NAME: names},
        schema={"label": pl.Int64(), c.SEGMENT_ID: pl.String(), c.SEGMENT_NAME: pl.String()},
    )
    clustered = pl.DataFrame({c.USER_ID: active[c.USER_ID], "label": labels, c.IS_NOISE: noise})
    found = users.select(c.USER_ID).join(clustered, on=c.USER_ID, how="left").join(clusters, on="label", how="left")
    return found.select(
        c.USER_ID,
        pl.col(c.SEGMENT_ID).fill_null(NO_SEGMENT),
        pl.col(c.SEGMENT_NAME).fill_null(NO_SEGMENT_NAME),
        pl.col(c.IS_NOISE).fill_null(value=False),
    ).sort(c.USER_ID)
