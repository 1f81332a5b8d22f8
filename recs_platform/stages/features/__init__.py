"""Features: the ranker's feature set, read from the models' yml, and item vectors. All others are computed in SQL."""

from recs_platform.stages.features.feature_set import (
    FEATURES_SCHEMA,
    check_feature_model,
    feature_scopes,
    feature_set,
    feature_tables,
    pair_models,
    ranking_rows_sql,
)
from recs_platform.stages.features.vectors import ItemVectors, VectorConfig, faulty_vectors, vectorize_items

__all__ = [
    "FEATURES_SCHEMA",
    "ItemVectors",
    "VectorConfig",
    "check_feature_model",
    "faulty_vectors",
    "feature_scopes",
    "feature_set",
    "feature_tables",
    "pair_models",
    "ranking_rows_sql",
    "vectorize_items",
]
