"""Drift: how far each feature's distribution moved since the reference as-of, and when that is worth a warning.

Distances come from Evidently through its adapter; which features exist is read from the SQL models, not here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.tables import DRIFT
from recs_platform.pages import Section
from recs_platform.stages.reports.verdicts import (
    Judgement,
    ReportInputs,
    ReportResult,
    contract_frame,
    verdict_rows,
    write_report,
)

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from recs_platform.stages.reports.evidently_adapter import Distance

NAME = "drift"
_KEYS = (c.USER_ID, c.ITEM_ID)


class DriftConfig(BaseModel):
    """Sample, distances and limits; a warning is cheap, a block stops the release."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample_rows: Annotated[int, Field(ge=100, le=100_000, description="rows compared a side: Evidently is slow")] = (
        5_000
    )
    rows_min: Annotated[int, Field(ge=2, description="fewer values on either side: no_data")] = 30
    distance: Annotated[float, Field(gt=0, description="drift of a feature, in standard deviations or as distance")] = (
        0.1
    )
    noise_factor: Annotated[
        float, Field(ge=0, description="added to distance, times sqrt(1/n + 1/m): small samples differ by chance")
    ] = 3.0
    null_share: Annotated[float, Field(gt=0, le=1, description="change in the share of nulls that counts as drift")] = (
        0.1
    )
    warn_share: Annotated[float, Field(ge=0, le=1, description="share of a table's features drifted: warn above")] = 0.3
    block_share: Annotated[float, Field(ge=0, le=1, description="share of features broken: block above")] = 0.9
    block_distance: Annotated[float, Field(gt=0, description="a feature that moved this far is broken, not new")] = 1.0
    block_rows_min: Annotated[int, Field(ge=1, description="no block on a smaller sample")] = 1_000


def measure_drift(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    *,
    table: str,
    columns: Mapping[str, str],
    as_of: datetime,
    reference_as_of: datetime,
    html: Path | None,
    seed: int,
    config: DriftConfig | None = None,
) -> pl.DataFrame:
    """Rows of `reports.drift` for one feature table, one a column, in the order of `columns`.

    Both frames hold the table's key (user_id, item_id or both) and `columns`, features with their scope. At most
    `sample_rows` rows a side are compared, chosen by a hash of the key, so the same users or items on both sides.
    Methods: `wasserstein` (numbers), `jensenshannon` (text, booleans), `null_share` where nulls came or went,
    `changed_share` where the reference is one single value, and `no_data` (value null, never drifted) where a side has
    too few values or both hold one and the same value. `html` receives Evidently's page when it compared anything.
    Raises ContractError without a key.
    """
    config = config or DriftConfig()
    names = [*columns]
    left, right = (sample_rows(frame, config.sample_rows, seed=seed, columns=names) for frame in (reference, current))
    rows = {name: _by_hand(left[name], right[name], config) for name in columns}
    methods: dict[str, Distance] = {name: _method(left[name]) for name in columns if rows[name] is None}
    thresholds = {name: _threshold(left[name], right[name], config) for name in methods}
    distances = _distances(left, right, methods, thresholds=thresholds, html=html)
    measured = [
        rows[name]
        or _row(methods[name], distances[name], thresholds[name], min(_filled(left[name]), _filled(right[name])))
        for name in columns
    ]
    shared = {c.AS_OF: as_of, c.TABLE_NAME: table, c.REFERENCE_AS_OF: reference_as_of}
    named = zip(columns.items(), measured, strict=True)
    found = [{**shared, c.COLUMN_NAME: name, c.SCOPE: scope, **row} for (name, scope), row in named]
    return contract_frame(found, DRIFT)


def sample_rows(frame: pl.DataFrame, n: int, *, seed: int, columns: Sequence[str]) -> pl.DataFrame:
    """The `columns` of at most n rows: those whose hashed key is smallest. NaN and infinities become null.

    The choice depends on the key and the seed alone, not on the order of rows. Raises ContractError without a key.
    """
    import polars as pl

    keys = [name for name in _KEYS if name in frame.columns]
    if not keys:
        raise ContractError(f"a sample needs one of the keys {list(_KEYS)}; the frame has {frame.columns}")
    order = pl.struct(keys).hash(seed)
    chosen = frame.select(*keys, *columns).sort(order, *keys).head(n)
    floats = [name for name in columns if chosen.schema[name].is_float()]
    finite = [pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in floats]
    return chosen.with_columns(finite).select(columns)


def run(inputs: ReportInputs, config: DriftConfig | None = None) -> ReportResult:
    """The report over every feature table, with Evidently's pages and one of our own that links them."""
    import polars as pl

    config = config or DriftConfig()
    frames: list[pl.DataFrame] = [contract_frame([], DRIFT)]
    judgements: list[Judgement] = []
    for table, columns in inputs.feature_columns.items():
        reference = inputs.reference_features.get(table)
        if inputs.reference_as_of is None or reference is None:
            judgements.append(Judgement(table, "no_data", "There is no earlier as-of to compare with."))
            continue
        measured = measure_drift(
            reference,
            inputs.current_features[table],
            table=table,
            columns=columns,
            as_of=inputs.as_of,
            reference_as_of=inputs.reference_as_of,
            html=inputs.folder / _page(table),
            seed=inputs.seed,
            config=config,
        )
        frames.append(measured)
        judgements.append(judge_drift(measured, table, config))
    frame = pl.concat(frames).sort(c.TABLE_NAME, c.COLUMN_NAME)
    verdicts = verdict_rows(NAME, judgements, as_of=inputs.as_of)
    page = write_report(inputs, NAME, "Drift", _sections(inputs, frame), verdicts)
    return ReportResult(DRIFT.name, frame, verdicts, page)


def judge_drift(drift: pl.DataFrame, table: str, config: DriftConfig) -> Judgement:
    """Warn on the share of features drifted; block only when nearly all moved very far on a large sample."""
    import polars as pl

    measured = drift.filter((pl.col(c.TABLE_NAME) == table) & pl.col(c.VALUE).is_not_null())
    if measured.is_empty():
        return Judgement(table, "no_data", "No feature could be compared.")
    total = measured.height
    drifted = measured.filter(c.IS_DRIFTED).height
    broken = measured.filter(
        c.IS_DRIFTED,
        pl.col(c.VALUE) >= config.block_distance,
        pl.col(c.SAMPLE_SIZE) >= config.block_rows_min,
    ).height
    sample = int(measured.select(pl.col(c.SAMPLE_SIZE).min()).item())
    counted = " and ".join(f"{scope}s" for scope in measured[c.SCOPE].unique().sort())
    far = f"{broken} by {config.block_distance:g} or more"
    message = f"{drifted} of {total} features drifted, {far}, over {sample} {counted}."
    if broken / total > config.block_share:
        return Judgement(table, "block", message, broken / total, config.block_share, sample)
    verdict = "warn" if drifted / total > config.warn_share else "pass"
    return Judgement(table, verdict, message, drifted / total, config.warn_share, sample)


def _by_hand(left: pl.Series, right: pl.Series, config: DriftConfig) -> dict[str, Any] | None:
    """The row of a column that needs no distribution distance; None where one is to be measured."""
    rows = min(left.len(), right.len())
    filled = min(left.drop_nulls().len(), right.drop_nulls().len())
    if rows < config.rows_min:
        return _no_data(filled)
    shift = abs(left.null_count() / left.len() - right.null_count() / right.len())
    if shift > config.null_share:
        return _row("null_share", shift, config.null_share, rows)
    if filled < config.rows_min:
        return _no_data(filled)
    if left.drop_nulls().n_unique() > 1:
        return None
    changed = float((right.drop_nulls() != left.drop_nulls()[0]).mean())  # pyright: ignore[reportArgumentType]
    return _row("changed_share", changed, config.distance, filled) if changed else _no_data(filled)


def _filled(values: pl.Series) -> int:
    return values.len() - values.null_count()


def _threshold(left: pl.Series, right: pl.Series, config: DriftConfig) -> float:
    """The distance of drift, in the table and on Evidently's page alike: small samples differ by chance."""
    return config.distance + config.noise_factor * (1 / _filled(left) + 1 / _filled(right)) ** 0.5


def _distances(
    left: pl.DataFrame,
    right: pl.DataFrame,
    methods: dict[str, Distance],
    *,
    thresholds: dict[str, float],
    html: Path | None,
) -> dict[str, float]:
    if not methods:
        return {}
    from recs_platform.stages.reports.evidently_adapter import measure_distances

    return measure_distances(left, right, methods, thresholds=thresholds, html=html)


def _method(values: pl.Series) -> Distance:
    return "wasserstein" if values.dtype.is_numeric() else "jensenshannon"


def _row(method: str, value: float, threshold: float, sample_size: int) -> dict[str, Any]:
    drifted = value >= threshold
    return {c.METHOD: method, c.VALUE: value, c.THRESHOLD: threshold, c.IS_DRIFTED: drifted, c.SAMPLE_SIZE: sample_size}


def _no_data(sample_size: int) -> dict[str, Any]:
    return {c.METHOD: "no_data", c.VALUE: None, c.THRESHOLD: None, c.IS_DRIFTED: False, c.SAMPLE_SIZE: sample_size}


def _page(table: str) -> str:
    return f"{NAME}_{table.replace('.', '_')}.html"


def _sections(inputs: ReportInputs, drift: pl.DataFrame) -> list[Section]:
    by_evidently = drift.filter(drift[c.METHOD].is_in(["wasserstein", "jensenshannon"]))
    written = [(table, _page(table)) for table in by_evidently[c.TABLE_NAME].unique(maintain_order=True)]
    since = inputs.reference_as_of.isoformat() if inputs.reference_as_of else "nothing: this is the first"
    return [
        Section(
            "Features",
            f"Compared with {since}; distances over a hashed sample.",
            drift.drop(c.AS_OF, c.REFERENCE_AS_OF),
            links=written,
        ),
    ]
