"""The ranker's feature set, read from the models' yml, and the rows it scores. Features are computed in SQL."""

from collections.abc import Sequence

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ModelError
from recs_platform.contracts.features import Feature, FeatureSet
from recs_platform.contracts.tables import CANDIDATES
from recs_platform.warehouse.models import Model, Models

FEATURES_SCHEMA = "features"
_PAIR = frozenset({c.USER_ID, c.ITEM_ID})


def feature_set(models: Models, candidate_features: Sequence[Feature]) -> FeatureSet:
    """What candidates bring, then each feature model's columns marked `feature: true`, in dependency order."""
    described = tuple(
        Feature(column.name, column.dtype, model.name)
        for model in models.of(FEATURES_SCHEMA)
        for column in model.columns
        if column.feature
    )
    return FeatureSet((*candidate_features, *described))


def feature_scopes(model: Model) -> dict[str, str]:
    """The model's features in the order of its yml, each with whose property it is: user, item or pair."""
    return {column.name: column.scope or "" for column in model.columns if column.feature}


def feature_tables(features: FeatureSet) -> tuple[str, ...]:
    """Tables that features are read from, each once, in the order they first appear."""
    return tuple(dict.fromkeys(feature.table for feature in features.features if feature.table))


def pair_models(models: Models) -> tuple[Model, ...]:
    """Stored feature models that read candidates, in dependency order: they are computed a block of users at a time."""
    return tuple(model for model in models.of(FEATURES_SCHEMA) if _reads_candidates(models, model))


def check_feature_model(models: Models, model: Model) -> None:
    """Raise ModelError for a model of features whose rows candidates cannot take up, naming its file."""
    grain = frozenset(model.grain)
    if model.schema != FEATURES_SCHEMA or model.materialized != "table":
        return
    if _reads_candidates(models, model) and grain not in (_PAIR, _PAIR - {c.ITEM_ID}):
        raise ModelError(
            f"{model.path}: the model reads {CANDIDATES.name}, so that it is computed a block of users at a time; a row"
            f" is of a user, or of a user and an item, not of {list(model.grain)}"
        )
    if any(column.feature for column in model.columns) and (not grain or not grain <= _PAIR):
        raise ModelError(f"{model.path}: features are of users, of items or of both, not of {list(model.grain)}")


def _reads_candidates(models: Models, model: Model) -> bool:
    return model.materialized == "table" and CANDIDATES.name in models.upstreams(model.name)


def ranking_rows_sql(features: FeatureSet, models: Models) -> str:
    """One query for the rows to rank: keys, sources, fusion score, then every feature as FLOAT, missing where absent.

    Rows come ordered by user and item, so that a user's rows are adjacent.
    """
    tables = feature_tables(features)
    joins = [
        f"left join {table} using ({', '.join(key for key in models.get(table).grain if key != c.AS_OF)})"
        for table in tables
    ]
    columns = [
        f"{feature.table or CANDIDATES.name}.{feature.name}::float as {feature.name}" for feature in features.features
    ]
    keys = [c.USER_ID, c.ITEM_ID, c.SOURCES]
    if c.FUSED_SCORE not in features.names:
        keys.append(c.FUSED_SCORE)
    return "\n".join(
        [
            f"select {', '.join(f'{CANDIDATES.name}.{key}' for key in keys)},",
            ",\n".join(columns),
            f"from {CANDIDATES.name}",
            *joins,
            f"order by {CANDIDATES.name}.{c.USER_ID}, {CANDIDATES.name}.{c.ITEM_ID}",
        ]
    )
