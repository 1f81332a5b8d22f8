"""The only module that imports Evidently and the only one that makes pandas frames. Thresholds are in `drift`."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from recs_platform.evaluation.drift import tail_limits

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import polars as pl
    from evidently import Dataset

    from recs_platform.stages.reports.drift_measures import Distance

# Evidently divides by max(std, 0.001): a feature that is small by nature would never drift.
_STD_FLOOR = 0.001


def write_page(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    methods: Mapping[str, Distance],
    *,
    thresholds: Mapping[str, float],
    html: Path,
) -> None:
    """Write Evidently's page of the columns named in `methods`; it needs no network to be read.

    `wasserstein` is in standard deviations of the reference (numeric columns), `jensenshannon` in [0, 0.833] (any
    category as text). Rows with a null in a column are left out of that column. The page says drift from `thresholds`
    on, as the caller does.
    """
    from evidently import Report
    from evidently.metrics import ValueDrift

    _silence_telemetry()
    metrics = [ValueDrift(column=name, method=method, threshold=thresholds[name]) for name, method in methods.items()]
    scaled_reference, scaled_current = _scale_small(*_without_tails(reference, current, methods), methods)
    numeric = [name for name, method in methods.items() if method == "wasserstein"]
    snapshot = Report(metrics).run(
        _dataset(scaled_current, list(methods), numeric), _dataset(scaled_reference, list(methods), numeric)
    )
    html.parent.mkdir(parents=True, exist_ok=True)
    snapshot.save_html(str(html))


def _without_tails(
    reference: pl.DataFrame, current: pl.DataFrame, methods: Mapping[str, Distance]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Numbers as our own distances see them, see `evaluation.drift.clipped`."""
    import polars as pl

    for name, method in methods.items():
        if method == "wasserstein":
            sides = [frame[name].cast(pl.Float64) for frame in (reference, current)]
            known = [side.drop_nulls().to_numpy() for side in sides]
            low, high = tail_limits(known[0], known[1])
            reference, current = (
                frame.with_columns(side.clip(low, high).alias(name))
                for frame, side in zip((reference, current), sides, strict=True)
            )
    return reference, current


def _silence_telemetry() -> None:
    # Its own switch; DO_NOT_TRACK would have to be written to the environment, which settings alone may touch.
    from evidently.telemetry import event_logger

    event_logger.enabled = False


def _scale_small(
    reference: pl.DataFrame, current: pl.DataFrame, methods: Mapping[str, Distance]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    import polars as pl

    factors: dict[str, float] = {}
    for name, method in methods.items():
        spread = reference[name].std(ddof=0) if method == "wasserstein" else None
        if isinstance(spread, float) and 0.0 < spread < _STD_FLOOR:
            factors[name] = 1.0 / spread
    scaled = [pl.col(name) * factor for name, factor in factors.items()]
    return reference.with_columns(scaled), current.with_columns(scaled)


def _dataset(frame: pl.DataFrame, columns: Sequence[str], numeric: Sequence[str]) -> Dataset:
    import pandas as pd
    from evidently import DataDefinition, Dataset

    categorical = [name for name in columns if name not in numeric]
    data = pd.DataFrame({name: _series(frame[name], is_numeric=name in numeric) for name in columns})
    definition = DataDefinition(numerical_columns=list(numeric), categorical_columns=categorical)
    return Dataset.from_pandas(data, data_definition=definition)


def _series(values: pl.Series, *, is_numeric: bool) -> pd.Series:
    """A column as pandas knew it before nullable types, which Evidently does not expect: NaN and None for nulls."""
    import pandas as pd
    import polars as pl

    if is_numeric:
        return pd.Series(values.cast(pl.Float64).to_numpy())
    return pd.Series(values.cast(pl.String).to_list(), dtype="object")
