"""The ranker: its config, training and scoring of rows. LightGBM is behind `forest`, files are in `ranker_files`."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError, NotReady
from recs_platform.contracts.features import FeatureSet
from recs_platform.contracts.manifests import Metrics
from recs_platform.contracts.shared_settings import LearningPlan
from recs_platform.evaluation.metrics import user_metrics
from recs_platform.stages.ranking.blending import blend_with_fusion
from recs_platform.stages.ranking.compiled_forest import CompiledForest
from recs_platform.stages.ranking.forest import (
    MAX_GROUP_ROWS,
    ForestRows,
    best_tree_count,
    forest_depth,
    forest_gains,
    grow_forest,
    score_forest,
)
from recs_platform.stages.ranking.forest_library import forest_contributions
from recs_platform.stages.ranking.outcomes import COLUMNS as OUTCOMES
from recs_platform.stages.ranking.relevance import grades, importance, positions
from recs_platform.stages.ranking.training import GROUP_KEYS, ROW_KEYS

RANKER = "ranker"  # name of the artifact
FEATURE = "feature"
GAIN = "gain"
GAIN_SHARE = "gain_share"
CONTRIBUTION = "contribution"
VALIDATION_METRIC = "ndcg@10"
COMPILED_FOREST = "compiled forest"
NOT_ASKED_FOR = "no compiled forest was asked for"

_VALIDATION_K = 10
_NOT_FEATURES = frozenset((*ROW_KEYS, c.LABEL, c.AS_OF, *OUTCOMES))


class RankerConfig(LearningPlan):
    """How a ranker is trained and its order blended. Few trees, small leaves: scoring costs trees x leaves."""

    trees: Annotated[int, Field(ge=1, le=2000)] = 60
    leaves: Annotated[int, Field(ge=2, le=255)] = 7
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.07
    min_data_in_leaf: Annotated[int, Field(ge=1, description="rows that a leaf must speak for")] = 100
    lambdarank_truncation_level: Annotated[int, Field(ge=1, description="pairs below it teach nothing; above k")] = 20
    feature_fraction: Annotated[float, Field(gt=0, le=1, description="features a tree may look at")] = 0.8
    lambda_l1: Annotated[float, Field(ge=0, le=1000, description="pull of leaves to zero; gained nothing")] = 0.0
    lambda_l2: Annotated[float, Field(ge=0, le=1000, description="shrinkage of leaves; gained nothing")] = 0.0
    negatives_per_user: Annotated[int, Field(ge=1, le=5000, description="negatives kept beside the positives")] = 30
    min_positives: Annotated[int, Field(ge=1, description="fewer teach noise: use the fusion ranker")] = 20
    min_groups: Annotated[int, Field(ge=1, description="users x cutoffs with a positive")] = 10
    fusion_weight: Annotated[
        float,
        Field(ge=0, le=1, description="share of the sources' own order in the score; it cost quality on real data"),
    ] = 0.0


@dataclass(frozen=True)
class Ranker:
    """Scores rows: by a forest, or (`kind` fusion) by `fused_score` alone where there is too little to learn from.

    `compiled`: the forest as machine code, or why LightGBM scores; the scores are the same, so that it takes no part in
    comparisons.
    """

    kind: Literal["lightgbm", "fusion"]
    feature_set: FeatureSet
    booster_text: str = ""
    fusion_weight: float = 0.0
    metrics: Metrics = field(default_factory=dict[str, float])
    compiled: CompiledForest | str = field(default=NOT_ASKED_FOR, compare=False, repr=False)

    @property
    def feature_set_names(self) -> tuple[str, ...]:
        return self.feature_set.names

    @property
    def feature_set_hash(self) -> str:
        return self.feature_set.hash

    @property
    def nodes_per_row(self) -> float:
        """Nodes that a row passes on its way to its leaves, in balanced trees; 0 for the fusion ranker."""
        return forest_depth(self.booster_text)

    @property
    def scored_by(self) -> str:
        """What computes the scores, for whoever looks at a run."""
        if self.kind == "fusion":
            return c.FUSED_SCORE
        return COMPILED_FOREST if isinstance(self.compiled, CompiledForest) else f"LightGBM: {self.compiled}"

    def score(self, rows: pl.DataFrame, threads: int) -> NDArray[np.float64]:
        """Score (n,) of each row in the order of `rows`; higher is better, comparable within a user only.

        With a `fusion_weight` w the score is (1-w)/(60+p) + w/(60+q), p and q the row's ranks among its user's rows
        by the forest and by `fused_score` (ties share the better rank): `rows` must then hold whole users.
        Raises FeatureMismatch when a feature is absent.
        """
        if self.kind == "fusion":
            return rows[c.FUSED_SCORE].cast(pl.Float64).to_numpy()
        scores = self.forest_scores(feature_matrix(rows, self.feature_set), threads)
        return blend_with_fusion(rows, scores, self.fusion_weight) if self.fusion_weight > 0 else scores

    def score_matrix(
        self, matrix: NDArray[np.float32], users: NDArray[np.int32], fused: NDArray[np.float32], threads: int
    ) -> NDArray[np.float64]:
        """The same of rows as arrays: `matrix` as `feature_matrix`, the user and the fused score of each row."""
        if self.kind == "fusion":
            return fused.astype(np.float64)
        scores = self.forest_scores(matrix, threads)
        if not self.fusion_weight:
            return scores
        rows = pl.DataFrame({c.USER_ID: users, c.FUSED_SCORE: fused})
        return blend_with_fusion(rows, scores, self.fusion_weight)

    def forest_scores(self, matrix: NDArray[np.float32], threads: int) -> NDArray[np.float64]:
        """Raw scores (n,) of the forest alone."""
        if isinstance(self.compiled, CompiledForest):
            return self.compiled.score(matrix, threads)
        return score_forest(self.booster_text, matrix, threads=threads)


def train_ranker(
    rows: pl.DataFrame,
    feature_set: FeatureSet,
    config: RankerConfig,
    *,
    seed: int,
    threads: int,
    validation: pl.DataFrame | None = None,
) -> Ranker:
    """Train LambdaRank on rows of (cutoff, fold, user_id, item_id, label, features).

    What `config` reads beside the label (grades, refusals, places) is in the columns of `outcomes`. Groups are (cutoff,
    fold, user). The order of `rows` and `threads` change nothing. `validation` rows (same columns, and `fused_score`
    with a `fusion_weight`) only add `ndcg@10` over their groups with a positive to the metrics.

    Raises:
        NotReady: Fewer positives or groups with one than the config asks for, or no split worth making.
        FeatureMismatch: `rows` lack a feature.
        ContractError: Rows repeat, a group is too long, or a feature is no number.
    """
    feature_set.require_in(rows.columns, "training rows")
    _require_trainable(rows, feature_set, config)
    text = _grow(rows.sort(ROW_KEYS), feature_set, config, seed=seed, threads=threads)
    if not forest_gains(text).any():
        raise NotReady(
            f"no feature separates the positives in {rows.height} rows; rank by fused score until there are more"
        )
    ranker = Ranker("lightgbm", feature_set, text, config.fusion_weight, _row_counts(rows))
    return ranker if validation is None else _validated(ranker, validation, threads)


def _grow(rows: pl.DataFrame, feature_set: FeatureSet, config: RankerConfig, *, seed: int, threads: int) -> str:
    """The forest of rows in order; with early stopping as many trees as did best on the latest cutoff, then of all."""
    parameters, trees = _forest_parameters(config), config.trees
    cutoffs = rows[c.CUTOFF].unique().sort()
    if config.early_stopping and len(cutoffs) > 1:
        is_last = pl.col(c.CUTOFF) == cutoffs[-1]
        earlier, later = (_forest_rows(rows.filter(part), feature_set, config) for part in (~is_last, is_last))
        patience = config.early_stopping
        trees = best_tree_count(earlier, later, parameters, trees=trees, patience=patience, seed=seed, threads=threads)
    given = _forest_rows(rows, feature_set, config)
    return grow_forest(given, names=feature_set.names, parameters=parameters, trees=trees, seed=seed, threads=threads)


def _forest_rows(rows: pl.DataFrame, feature_set: FeatureSet, config: RankerConfig) -> ForestRows:
    return ForestRows(
        feature_matrix(rows, feature_set),
        grades(rows, graded=config.graded, refusals_are_negatives=config.refusals_are_negatives),
        rows.group_by(GROUP_KEYS, maintain_order=True).len()["len"].cast(pl.Int64).to_numpy(),
        importance(rows, recency_half_life_days=config.recency_half_life_days, balance=config.balance),
        positions(rows) if config.negatives == "shown" else None,
    )


def fusion_ranker(feature_set: FeatureSet) -> Ranker:
    """Rank by `fused_score` alone, for when `train_ranker` raises NotReady; its `kind` says so wherever it goes."""
    return Ranker("fusion", feature_set)


def feature_matrix(rows: pl.DataFrame, feature_set: FeatureSet) -> NDArray[np.float32]:
    """Features in order as float32 (n, features), missing as NaN. Raises FeatureMismatch, ContractError (no number)."""
    feature_set.require_in(rows.columns, "rows to rank")
    features = rows.select(feature_set.names)
    wrong = [name for name, dtype in features.schema.items() if not (dtype.is_numeric() or dtype == pl.Boolean)]
    if wrong:
        raise ContractError(f"features must be numbers or booleans, {wrong} are not; encode them in their SQL model")
    return features.with_columns(pl.all().cast(pl.Float32)).to_numpy()


def feature_importance(ranker: Ranker) -> pl.DataFrame:
    """`feature`, `gain`, `gain_share` (of the total), greatest first, ties by name; empty for the fusion ranker."""
    schema = {FEATURE: pl.String, GAIN: pl.Float64, GAIN_SHARE: pl.Float64}
    if ranker.kind == "fusion":
        return pl.DataFrame(schema=schema)
    gains = forest_gains(ranker.booster_text)
    frame = pl.DataFrame({FEATURE: ranker.feature_set_names, GAIN: gains, GAIN_SHARE: gains / gains.sum()}, schema)
    return frame.sort(GAIN, FEATURE, descending=[True, False])


def explain_score(ranker: Ranker, rows: pl.DataFrame) -> pl.DataFrame:
    """What moved the forest's raw score of one row: `feature`, its `value` and `contribution`, greatest effect first.

    Contributions and the forest's mean sum to the raw score. Empty for the fusion ranker, which has no features.
    """
    schema = {FEATURE: pl.String, c.VALUE: pl.Float64, CONTRIBUTION: pl.Float64}
    if ranker.kind == "fusion":
        return pl.DataFrame(schema=schema)
    matrix = feature_matrix(rows.head(1), ranker.feature_set)
    shares = forest_contributions(ranker.booster_text, matrix, threads=1)[0, :-1]
    frame = pl.DataFrame({FEATURE: ranker.feature_set_names, c.VALUE: matrix[0], CONTRIBUTION: shares}, schema)
    return frame.sort(pl.col(CONTRIBUTION).abs(), FEATURE, descending=[True, False])


def _forest_parameters(config: RankerConfig) -> dict[str, float]:
    return {
        "num_leaves": config.leaves,
        "learning_rate": config.learning_rate,
        "min_data_in_leaf": config.min_data_in_leaf,
        "lambdarank_truncation_level": config.lambdarank_truncation_level,
        "feature_fraction": config.feature_fraction,
        "lambda_l1": config.lambda_l1,
        "lambda_l2": config.lambda_l2,
    }


def _row_counts(rows: pl.DataFrame) -> Metrics:
    groups = rows.group_by(GROUP_KEYS).agg(pl.col(c.LABEL).max())
    return {
        "rows": float(rows.height),
        "positives": float(rows.filter(pl.col(c.LABEL) > 0).height),
        "groups": float(groups.height),
        "groups_with_positive": float(groups.filter(pl.col(c.LABEL) > 0).height),
    }


def _require_trainable(rows: pl.DataFrame, feature_set: FeatureSet, config: RankerConfig) -> None:
    not_features = sorted(_NOT_FEATURES.intersection(feature_set.names))
    if not_features:
        raise ContractError(f"the feature set names {not_features}, which identify or label a row; take them out of it")
    counts = _row_counts(rows)
    if counts["positives"] < config.min_positives or counts["groups_with_positive"] < config.min_groups:
        raise NotReady(
            f"{counts['positives']:.0f} positives in {counts['groups_with_positive']:.0f} groups, {rows.height} rows,"
            f" are too few to train on: {config.min_positives} in {config.min_groups} needed; rank by fusion meanwhile"
        )
    if rows.select(ROW_KEYS).is_duplicated().any():
        raise ContractError("training rows repeat a (cutoff, user_id, item_id); label each candidate once")
    longest = rows.group_by(GROUP_KEYS).len()["len"].max()
    if isinstance(longest, int) and longest > MAX_GROUP_ROWS:
        raise ContractError(f"a group has {longest} rows, the ranker takes {MAX_GROUP_ROWS}; sample rows first")


def _validated(ranker: Ranker, validation: pl.DataFrame, threads: int) -> Ranker:
    ordered = validation.with_columns(pl.Series(c.SCORE, ranker.score(validation, threads))).sort(
        *GROUP_KEYS, c.SCORE, c.ITEM_ID, descending=[False, False, False, True, False]
    )
    group = pl.concat_str(pl.col(c.CUTOFF).dt.epoch("us"), c.FOLD, c.USER_ID, separator=" ").alias(c.USER_ID)
    lists = ordered.select(
        group, c.ITEM_ID, pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over(GROUP_KEYS).alias(c.RANK)
    )
    held_out = ordered.filter(pl.col(c.LABEL) > 0).select(group, c.ITEM_ID)
    ndcg = user_metrics(lists, held_out, _VALIDATION_K).filter(pl.col(c.METRIC) == "ndcg")[c.VALUE]
    if ndcg.is_empty():
        raise NotReady("no validation row is a positive; choose a validation window with events")
    return replace(ranker, metrics={**ranker.metrics, VALIDATION_METRIC: float(ndcg.to_numpy().mean())})
