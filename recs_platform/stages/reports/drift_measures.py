"""One feature's drift: the sample, the distance, and what is usual. Reports of many features are judged in `drift`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.evaluation.drift import (
    Chance,
    Usual,
    chance_of_categories,
    chance_of_numbers,
    clipped,
    critical_p,
    jensen_shannon,
    share_p_value,
    usual,
    wasserstein,
)

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

Distance = Literal["wasserstein", "jensenshannon"]
DISTANCES = ("wasserstein", "jensenshannon")
NULL_SHARE, CHANGED_SHARE, NO_DATA = "null_share", "changed_share", "no_data"
_KEYS = (c.USER_ID, c.ITEM_ID)


class DriftConfig(BaseModel):
    """Sample, rate of false alarms and limits; a warning is cheap, a block stops the release."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample_rows: Annotated[
        int, Field(ge=100, le=100_000, description="rows compared a side, so that cost is bounded")
    ] = 5_000
    rows_min: Annotated[int, Field(ge=2, description="fewer values on either side: no_data")] = 30
    alarm_rate: Annotated[
        float, Field(gt=0, lt=1, description="share of quiet tables with any alarm, at most; of alarms that are false")
    ] = 0.05
    draws: Annotated[
        int, Field(ge=10, le=1000, description="random halves that say how far chance moves a feature")
    ] = 100
    periods_min: Annotated[int, Field(ge=1, description="fewer past periods: one more is computed from the events")] = 3
    distance: Annotated[
        float, Field(gt=0, description="least distance beyond the usual one, in standard deviations or as distance")
    ] = 0.1
    null_share: Annotated[float, Field(gt=0, le=1, description="least change in the share of nulls that is drift")] = (
        0.1
    )
    gain_min: Annotated[
        float,
        Field(ge=0, le=1, description="share of the ranker's gain from which drift of a feature asks for training"),
    ] = 0.01
    warn_share: Annotated[float, Field(ge=0, le=1, description="share of a table's features drifted: warn above")] = 0.3
    block_share: Annotated[float, Field(ge=0, le=1, description="share of features broken: block above")] = 0.9
    block_distance: Annotated[float, Field(gt=0, description="a feature that moved this far is broken, not new")] = 1.0
    block_rows_min: Annotated[int, Field(ge=1, description="no block on a smaller sample")] = 1_000


@dataclass(frozen=True)
class Measured:
    """A feature's distance before it is judged; `value` is None where there is nothing to compare.

    `least`: the distance below which it is no drift, whatever its p-value. `usual` is None for changes of a share,
    whose p-value needs no past.
    """

    method: str
    value: float | None
    sample_size: int
    least: float = 0.0
    p_value: float | None = None
    usual: Usual | None = None


def sample_rows(frame: pl.DataFrame, n: int, *, seed: int, columns: Sequence[str]) -> pl.DataFrame:
    """The `columns` of at most n rows: those whose hashed key is smallest. NaN and infinities become null.

    The choice depends on the key and the seed alone, not on the order of rows. Raises ContractError without a key.
    """
    import polars as pl

    keys = [name for name in _KEYS if name in frame.columns]
    if not keys:
        raise ContractError(f"a sample needs one of the keys {list(_KEYS)}; the frame has {frame.columns}")
    order = pl.struct(keys).hash(seed)
    chosen = frame.select(*dict.fromkeys((*keys, *columns))).sort(order, *keys).head(n)
    floats = [name for name in columns if chosen.schema[name].is_float()]
    finite = [pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in floats]
    return chosen.with_columns(finite).select(columns)


def measure_column(
    left: pl.Series, right: pl.Series, past: Sequence[tuple[str, float]] | None, *, seed: int, config: DriftConfig
) -> Measured:
    """How far a feature moved from `left` to `right`; `past` are (method, distance) of past periods.

    With None in its place the distance alone is measured.
    """
    rows = min(left.len(), right.len())
    known_left, known_right = left.drop_nulls(), right.drop_nulls()
    filled = min(known_left.len(), known_right.len())
    if rows < config.rows_min:
        return Measured(NO_DATA, None, filled)
    shares = left.null_count() / left.len(), right.null_count() / right.len()
    shift = abs(shares[0] - shares[1])
    if shift > config.null_share:
        p = share_p_value(*shares, left.len(), right.len())
        return Measured(NULL_SHARE, shift, rows, config.null_share, p)
    if filled < config.rows_min:
        return Measured(NO_DATA, None, filled)
    if known_left.n_unique() == 1:
        return _changed(known_left, known_right, config)
    method, value, chance = _distance(known_left, known_right, config, seed=seed, alone=past is None)
    if past is None or chance is None:
        return Measured(method, value, filled)
    held = usual(chance, [distance for by, distance in past if by == method])
    return Measured(method, value, filled, held.distance + config.distance, held.p_value(value), held)


def found_rows(measured: Mapping[str, Measured], config: DriftConfig) -> dict[str, dict[str, Any]]:
    """method, value, threshold, is_drifted, sample_size, usual_distance, n_periods and p_value of each feature.

    Features of a table are corrected together: the threshold is the distance at the greatest p-value that counts.
    """
    limit = critical_p([one.p_value for one in measured.values() if one.p_value is not None], config.alarm_rate)
    return {name: _found(one, limit) for name, one in measured.items()}


def by_distance(drift: pl.DataFrame) -> pl.DataFrame:
    """Rows of reports.drift by how many times their threshold they moved, furthest first; those not measured last."""
    import polars as pl

    beyond = pl.col(c.VALUE) / pl.col(c.THRESHOLD)
    return drift.sort(beyond, c.TABLE_NAME, c.COLUMN_NAME, descending=[True, False, False], nulls_last=True)


def _found(one: Measured, limit: float) -> dict[str, Any]:
    threshold, is_drifted = None, False
    if one.value is not None and one.p_value is not None:
        threshold = one.least if one.usual is None else max(one.least, one.usual.distance_at(limit))
        is_drifted = one.value >= one.least and one.p_value <= limit
        # Rounding must not make the table say other than the flag.
        threshold = min(threshold, one.value) if is_drifted else threshold
    return {
        c.METHOD: one.method,
        c.VALUE: one.value,
        c.THRESHOLD: threshold,
        c.IS_DRIFTED: is_drifted,
        c.SAMPLE_SIZE: one.sample_size,
        c.USUAL_DISTANCE: None if one.usual is None else one.usual.distance,
        c.N_PERIODS: 0 if one.usual is None else one.usual.periods,
        c.P_VALUE: one.p_value,
    }


def _changed(left: pl.Series, right: pl.Series, config: DriftConfig) -> Measured:
    """A feature that was one single value: the share of rows that are another now."""
    changed = float((right != left[0]).mean())  # pyright: ignore[reportArgumentType]
    filled = min(left.len(), right.len())
    if not changed:
        return Measured(NO_DATA, None, filled)
    return Measured(
        CHANGED_SHARE, changed, filled, config.distance, share_p_value(0.0, changed, left.len(), right.len())
    )


def _distance(
    left: pl.Series, right: pl.Series, config: DriftConfig, *, seed: int, alone: bool
) -> tuple[Distance, float, Chance | None]:
    """The distance between two distributions and, unless it is wanted alone, how far chance moves them."""
    if left.dtype.is_numeric():
        before, now = clipped(_floats(left), _floats(right))
        chance = None if alone else chance_of_numbers(before, now, draws=config.draws, seed=seed)
        return "wasserstein", wasserstein(before, now), chance
    before, now = _counts(left, right)
    chance = (
        None if alone else chance_of_categories(before + now, left.len(), right.len(), draws=config.draws, seed=seed)
    )
    return "jensenshannon", jensen_shannon(before, now), chance


def _floats(values: pl.Series) -> NDArray[np.float64]:
    import polars as pl

    return values.cast(pl.Float64).to_numpy()


def _counts(left: pl.Series, right: pl.Series) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Counts of each category on both sides, in the order of the categories' names."""
    import numpy as np
    import polars as pl

    sides = [side.cast(pl.String).value_counts(name=c.VALUE) for side in (left, right)]
    names = pl.concat([side.select(side.columns[0]) for side in sides]).to_series().unique().sort()
    places = {name: place for place, name in enumerate(names)}
    found = np.zeros((2, len(places)))
    for row, side in enumerate(sides):
        for name, count in side.iter_rows():
            found[row, places[name]] = count
    return found[0], found[1]
