"""Clustering trials: algorithms with parameters, each scored as it would assign users. The choice is in `choosing`."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from recs_platform.stages.segments.components import NOISE, Components, Labels, Vector, nearest_centres
from recs_platform.stages.segments.config import SegmentConfig
from recs_platform.stages.segments.scaling import Matrix
from recs_platform.stages.segments.sklearn_adapter import (
    adjusted_rand,
    davies_bouldin,
    dbscan,
    distances_of,
    gaussian_mixture,
    hdbscan,
    k_means,
    neighbour_distances,
    silhouettes,
)

ONE_CLUSTER, K_MEANS, MIXTURE, DBSCAN, HDBSCAN = "one_cluster", "k_means", "gaussian_mixture", "dbscan", "hdbscan"
MIXTURES = (2, 4, 6)
EPS_QUANTILES = (0.5, 0.75, 0.9)
SIZE_FACTORS = (1.0, 2.5)  # of the smallest size allowed
NEIGHBOURS = 5


@dataclass(frozen=True)
class Proposal:
    """What one fit found: components, and the share of its points it placed in none."""

    components: Components
    noise_share: float


@dataclass(frozen=True)
class Trial:
    """One algorithm with its parameters; `fit` takes points and a seed. `of_sample`: it is fitted on scored users."""

    algorithm: str
    parameters: dict[str, float]
    fit: Callable[[Matrix, int], Proposal]
    of_sample: bool = False


@dataclass(frozen=True)
class Scored:
    """A trial with its numbers over the scored users; `labels` are the components it assigns them to."""

    number: int
    trial: Trial
    components: Components
    labels: Labels
    noise_share: float
    smallest_share: float
    silhouettes: Vector | None
    davies_bouldin: float | None

    @property
    def silhouette(self) -> float | None:
        return None if self.silhouettes is None else float(self.silhouettes.mean())

    @property
    def parameters(self) -> str:
        return json.dumps(self.trial.parameters, sort_keys=True)


def plan_trials(sample: Matrix, config: SegmentConfig) -> list[Trial]:
    """Every trial for these users, fewest clusters first; none has more clusters than there are distinct points."""
    most = min(config.clusters_max, len(np.unique(sample, axis=0)))
    return [
        *(_k_means(clusters) for clusters in range(2, most + 1)),
        *(_mixture(clusters) for clusters in MIXTURES if clusters <= most),
        *_density_trials(sample, config),
    ]


def score_trials(trials: Sequence[Trial], fit_points: Matrix, sample: Matrix, seed: int) -> list[Scored]:
    """Fit each trial and score how its components assign `sample`, in the order of `trials`."""
    distances = distances_of(sample)
    return [
        _score(number, trial, trial.fit(sample if trial.of_sample else fit_points, seed), sample, distances)
        for number, trial in enumerate(trials, start=2)
    ]


def stability(scored: Scored, sample: Matrix, config: SegmentConfig, seed: int) -> float:
    """Mean adjusted Rand index between the trial's assignment of `sample` and those of refits on its resamples."""
    random = np.random.default_rng(seed)
    agreements: list[float] = []
    for _ in range(config.resamples):
        resample = sample[np.sort(random.integers(0, len(sample), len(sample)))]
        refit = scored.trial.fit(resample, seed).components
        agreements.append(adjusted_rand(scored.labels, refit.assign(sample)) if len(refit) else 0.0)
    return float(np.mean(agreements))


def one_cluster(points: Matrix) -> Components:
    """Everybody in one component; none where there is nobody."""
    return nearest_centres(points, np.zeros(len(points), dtype=np.int64))


def _k_means(clusters: int) -> Trial:
    def fit(points: Matrix, seed: int) -> Proposal:
        return Proposal(nearest_centres(points, k_means(points, clusters, seed)), 0.0)

    return Trial(K_MEANS, {"clusters": clusters}, fit)


def _mixture(clusters: int) -> Trial:
    def fit(points: Matrix, seed: int) -> Proposal:
        return Proposal(gaussian_mixture(points, clusters, seed), 0.0)

    return Trial(MIXTURE, {"clusters": clusters}, fit)


def _density_trials(sample: Matrix, config: SegmentConfig) -> list[Trial]:
    reach = neighbour_distances(sample, NEIGHBOURS)
    eps = [round(float(each), 4) for each in np.quantile(reach, EPS_QUANTILES)]
    smallest = max(NEIGHBOURS, round(config.min_share * len(sample)))
    sizes = [min(round(factor * smallest), len(sample)) for factor in SIZE_FACTORS]
    return [
        *(_dbscan(each) for each in dict.fromkeys(eps) if each > 0),
        *(_hdbscan(size) for size in dict.fromkeys(sizes)),
    ]


def _dbscan(eps: float) -> Trial:
    def fit(points: Matrix, _seed: int) -> Proposal:
        return _of_density(points, dbscan(points, eps, NEIGHBOURS))

    return Trial(DBSCAN, {"eps": eps, "min_samples": NEIGHBOURS}, fit, of_sample=True)


def _hdbscan(size: int) -> Trial:
    def fit(points: Matrix, _seed: int) -> Proposal:
        return _of_density(points, hdbscan(points, size))

    return Trial(HDBSCAN, {"min_cluster_size": size}, fit, of_sample=True)


def _of_density(points: Matrix, labels: Labels) -> Proposal:
    return Proposal(nearest_centres(points, labels, with_reach=True), np.count_nonzero(labels == NOISE) / len(labels))


def _score(number: int, trial: Trial, proposal: Proposal, sample: Matrix, distances: Matrix) -> Scored:
    components = proposal.components
    labels = components.assign(sample) if len(components) else np.zeros(len(sample), dtype=np.int64)
    sizes = np.bincount(labels, minlength=len(components))
    is_partition = 1 < len(np.unique(labels)) < len(sample)
    return Scored(
        number=number,
        trial=trial,
        components=components,
        labels=labels,
        noise_share=proposal.noise_share,
        smallest_share=float(sizes.min() / len(sample)) if len(components) else 0.0,
        silhouettes=silhouettes(distances, labels) if is_partition else None,
        davies_bouldin=davies_bouldin(sample, labels) if is_partition else None,
    )
