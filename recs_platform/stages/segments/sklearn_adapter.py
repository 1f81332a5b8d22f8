"""The adapter of scikit-learn and scipy: points in, labels and plain arrays out. Trials are chosen in `choosing`."""

# The types that scikit-learn's signatures are guessed to have are wrong.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportArgumentType=false, reportCallIssue=false

import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from recs_platform.stages.segments.components import Components, Labels, Vector
from recs_platform.stages.segments.scaling import Matrix

# Brings an OpenMP of its own.
CLUSTERING_LIBRARY = "sklearn.cluster"
STARTS = 3
TREE_DEPTH = 4
PRUNED_BELOW = 0.002  # of Gini impurity: a split that gains less is pruned


def k_means(points: Matrix, clusters: int, seed: int) -> Labels:
    """Lloyd's algorithm, the best of STARTS k-means++ starts (Arthur & Vassilvitskii 2007).

    Where fewer points differ, as they may in a resample, there are fewer labels.
    """
    from sklearn.cluster import KMeans

    with _without_convergence_warnings():
        return KMeans(clusters, n_init=STARTS, random_state=seed).fit_predict(points).astype(np.int64)


def gaussian_mixture(points: Matrix, clusters: int, seed: int) -> Components:
    """Expectation maximisation with diagonal covariances; stopping early is no error, the trial is scored as it is."""
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(clusters, covariance_type="diag", reg_covar=1e-3, random_state=seed)
    with _without_convergence_warnings():
        mixture.fit(points)
    precisions = 1.0 / np.asarray(mixture.covariances_, dtype=np.float64)
    log_weights = np.log(mixture.weights_) + np.log(precisions).sum(axis=1) / 2
    return Components(np.asarray(mixture.means_), precisions, log_weights, np.full(clusters, np.inf))


@contextmanager
def _without_convergence_warnings() -> Generator[None]:
    """A trial is scored as it is, so warnings that it stopped early or found less are ignored."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def dbscan(points: Matrix, eps: float, min_samples: int) -> Labels:
    """Ester et al. 1996; -1 is noise."""
    from sklearn.cluster import DBSCAN

    return DBSCAN(eps=eps, min_samples=min_samples).fit_predict(points).astype(np.int64)


def hdbscan(points: Matrix, min_cluster_size: int) -> Labels:
    """Campello et al. 2013; -1 is noise."""
    from sklearn.cluster import HDBSCAN

    return HDBSCAN(min_cluster_size=min_cluster_size, copy=True).fit_predict(points).astype(np.int64)


def neighbour_distances(points: Matrix, neighbours: int) -> Vector:
    """Distance of each point to its `neighbours`-th nearest, itself counted."""
    from sklearn.neighbors import NearestNeighbors

    distances, _ = NearestNeighbors(n_neighbors=min(neighbours, len(points))).fit(points).kneighbors(points)
    return np.asarray(distances[:, -1], dtype=np.float64)


def distances_of(points: Matrix) -> Matrix:
    """Euclidean distances of all pairs, exactly 0 on the diagonal."""
    from sklearn.metrics import pairwise_distances

    distances = pairwise_distances(points)
    np.fill_diagonal(distances, 0.0)
    return distances


def silhouettes(distances: Matrix, labels: Labels) -> Vector:
    """Silhouette of each point (Rousseeuw 1987), of at least two labels."""
    from sklearn.metrics import silhouette_samples

    return np.asarray(silhouette_samples(distances, labels, metric="precomputed"), dtype=np.float64)


def davies_bouldin(points: Matrix, labels: Labels) -> float:
    """Davies & Bouldin 1979, of at least two labels; lower is better."""
    from sklearn.metrics import davies_bouldin_score

    return float(davies_bouldin_score(points, labels))


def adjusted_rand(a: Labels, b: Labels) -> float:
    """Hubert & Arabie 1985: 1 = the same partition, 0 = as near as by chance."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(a, b))


def least_cost_pairs(cost: Matrix) -> list[tuple[int, int]]:
    """Pairs (row, column), each used once, with the least total cost (Kuhn 1955)."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(cost)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


@dataclass(frozen=True)
class Tree:
    """A small decision tree: importances by feature, its rules as text, and its accuracy."""

    importances: Vector
    rules: str
    accuracy: float


def grow_tree(values: Matrix, names: Sequence[str], classes: Sequence[str], *, leaf_min: int, seed: int) -> Tree:
    """CART with Gini impurity, at most TREE_DEPTH questions deep; `classes` has one entry a row of `values`."""
    from sklearn.tree import DecisionTreeClassifier, export_text

    tree = DecisionTreeClassifier(
        max_depth=TREE_DEPTH, min_samples_leaf=leaf_min, ccp_alpha=PRUNED_BELOW, random_state=seed
    )
    tree.fit(values, np.asarray(classes, dtype=object))
    return Tree(
        importances=np.asarray(tree.feature_importances_, dtype=np.float64),
        rules=export_text(tree, feature_names=list(names)),
        accuracy=float(tree.score(values, np.asarray(classes, dtype=object))),
    )
