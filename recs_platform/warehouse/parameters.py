"""Which settings SQL models may name, as `$name`, and their values. Putting them into a text is `sql`'s work."""

from collections.abc import Mapping
from types import MappingProxyType

from recs_platform.settings import Settings

Parameter = int | float | bool | tuple[str, ...]


def sql_parameters(settings: Settings) -> dict[str, Parameter]:
    """Values by the name that models use; bound when models are loaded, so that a model's hash changes with them."""
    return {
        "session_gap_minutes": settings.session_gap_minutes,
        "exclude_flagged": settings.outliers.exclude,
        "outlier_z_max": settings.outliers.z_max,
        "outlier_iqr_factor": settings.outliers.iqr_factor,
        "outlier_history_days": settings.outliers.history_days,
        "outlier_history_events_min": settings.outliers.history_events_min,
        "blocked_items": settings.retrieval.blocked_items,
        "blocked_creators": settings.retrieval.blocked_creators,
        **{f"{event_type}_weight": weight for event_type, weight in settings.event_weights.model_dump().items()},
    }


# Constructed without a home: neither the environment nor a recs.toml has a say.
DEFAULT_PARAMETERS: Mapping[str, Parameter] = MappingProxyType(sql_parameters(Settings.model_construct()))
