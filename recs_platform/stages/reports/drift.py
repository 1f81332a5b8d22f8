"""Drift: how far each feature's distribution moved since the reference, and which moved more than in quiet periods.

Distances and what is usual are computed in `evaluation.drift`; one feature is measured in `drift_measures`; the page is
`drift_page`. Which features exist is read from the SQL models, not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import DRIFT
from recs_platform.stages.reports.drift_measures import (
    DISTANCES,
    Distance,
    DriftConfig,
    by_distance,
    found_rows,
    measure_column,
    sample_rows,
)
from recs_platform.stages.reports.drift_page import sections
from recs_platform.stages.reports.inputs import ReportInputs
from recs_platform.stages.reports.report import ReportResult, write_report
from recs_platform.stages.reports.verdicts import Judgement, contract_frame, verdict_rows

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

NAME = "drift"
RETRAIN, QUARANTINE, IGNORE = "retrain", "quarantine", "ignore"
_NAMED_MAX = 3
_ORIGINS_MAX = 3  # columns named of one feature
_WORTH_A_LOOK = ("warn", "block")


def measure_drift(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    *,
    table: str,
    columns: Mapping[str, str],
    as_of: datetime,
    reference_as_of: datetime,
    seed: int,
    past: Mapping[str, list[tuple[str, float]]] | None = None,
    gains: Mapping[str, float] | None = None,
    config: DriftConfig | None = None,
) -> pl.DataFrame:
    """Rows of `reports.drift` for one feature table, one a column, in the order of `columns`.

    Both frames hold the table's key (user_id, item_id or both) and `columns`, features with their scope. At most
    `sample_rows` rows a side are compared, chosen by a hash of the key, so the same users or items on both sides.
    Methods: `wasserstein` (numbers), `jensenshannon` (text, booleans), `null_share` where nulls came or went,
    `changed_share` where the reference is one single value, and `no_data` (value null, never drifted) where a side has
    too few values or both hold one and the same value. `past`: (method, distance) of a column between past adjacent
    periods. `gains`: the share of the champion's gain that a feature makes. Raises
    ContractError without a key.
    """
    config, past, gains = config or DriftConfig(), past or {}, gains or {}
    left, right = (
        sample_rows(frame, config.sample_rows, seed=seed, columns=[*columns]) for frame in (reference, current)
    )
    measured = {
        name: measure_column(left[name], right[name], past.get(name, []), seed=seed, config=config) for name in columns
    }
    rows = found_rows(measured, config)
    shared = {c.AS_OF: as_of, c.TABLE_NAME: table, c.REFERENCE_AS_OF: reference_as_of}
    found = [
        {
            **shared,
            c.COLUMN_NAME: name,
            c.SCOPE: scope,
            c.GAIN_SHARE: gains.get(name, 0.0) if gains else None,
            **rows[name],
        }
        for name, scope in columns.items()
    ]
    return contract_frame([row | {c.PROPOSAL: proposal(row, config)} for row in found], DRIFT)


def compared_users(users: pl.DataFrame, *, seed: int) -> pl.DataFrame:
    """Those of `users` (user_id) whose features are compared: of other users none need be computed."""
    return sample_rows(users, DriftConfig().sample_rows, seed=seed, columns=[c.USER_ID])


def proposal(row: Mapping[str, Any], config: DriftConfig) -> str | None:
    """What to do of a feature that drifted: look at its source where it looks broken, train anew where it matters."""
    if not row[c.IS_DRIFTED]:
        return None
    if row[c.METHOD] == "null_share" or row[c.VALUE] >= config.block_distance:
        return QUARANTINE
    gain = row[c.GAIN_SHARE]
    return RETRAIN if gain is None or gain >= config.gain_min else IGNORE


def run(inputs: ReportInputs, config: DriftConfig | None = None) -> ReportResult:
    """The report over every feature table, with Evidently's pages of what does not pass and one of our own."""
    import polars as pl

    config = config or DriftConfig()
    gains = inputs.feature_gains
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
            seed=inputs.seed,
            past=_past(inputs, table, config),
            gains=gains,
            config=config,
        )
        named = _with_upstream(measured, inputs, table)
        frames.append(named)
        judgement = judge_drift(named, table, config)
        judgements.append(judgement)
        html = inputs.folder / evidently_page(table)
        html.unlink(missing_ok=True)
        if judgement.verdict in _WORTH_A_LOOK:
            draw_evidently(reference, inputs.current_features[table], named, html, seed=inputs.seed, config=config)
    frame = pl.concat(frames).sort(c.TABLE_NAME, c.COLUMN_NAME)
    verdicts = verdict_rows(NAME, judgements, as_of=inputs.as_of)
    pages = [(table, evidently_page(table)) for table in inputs.feature_columns]
    written = [(f"Evidently's page of {table}", page) for table, page in pages if (inputs.folder / page).exists()]
    page = write_report(inputs, NAME, "Drift", sections(inputs, frame, config, written), verdicts)
    return ReportResult(DRIFT.name, frame, verdicts, page, numbers=_numbers(frame))


def judge_drift(drift: pl.DataFrame, table: str, config: DriftConfig) -> Judgement:
    """Warn on the share of features drifted, counted or by gain; block only when nearly all moved very far."""
    import polars as pl

    measured = drift.filter((pl.col(c.TABLE_NAME) == table) & pl.col(c.VALUE).is_not_null())
    if measured.is_empty():
        return Judgement(table, "no_data", "No feature could be compared.")
    total = measured.height
    moved = measured.filter(c.IS_DRIFTED)
    broken = moved.filter(
        pl.col(c.VALUE) >= config.block_distance, pl.col(c.SAMPLE_SIZE) >= config.block_rows_min
    ).height
    sample = int(measured.select(pl.col(c.SAMPLE_SIZE).min()).item())
    counted = " and ".join(f"{scope}s" for scope in measured[c.SCOPE].unique().sort())
    far = f"{broken} by {config.block_distance:g} or more"
    weighted = drifted_gain(measured)
    weight = "" if weighted is None else f", {weighted:.0%} of what the ranker gains from them"
    limit = f"more than {config.warn_share:.0%} warns"
    message = (
        f"{moved.height} of {total} features drifted{weight}, {far}, over {sample} {counted}; {limit}{_named(moved)}."
    )
    if broken / total > config.block_share:
        return Judgement(table, "block", message, broken / total, config.block_share, sample)
    share = max(moved.height / total, weighted or 0.0)
    verdict = "warn" if share > config.warn_share else "pass"
    return Judgement(table, verdict, message, share, config.warn_share, sample)


def drifted_gain(measured: pl.DataFrame) -> float | None:
    """Share of the champion's gain from these features that drifted ones make; None where it gains nothing."""
    import polars as pl

    total = measured.select(pl.col(c.GAIN_SHARE).sum()).item()
    moved = measured.filter(c.IS_DRIFTED).select(pl.col(c.GAIN_SHARE).sum()).item()
    return moved / total if total else None


def evidently_page(table: str) -> str:
    """File name of Evidently's page of a table."""
    return f"{NAME}_{table.replace('.', '_')}.html"


def _named(moved: pl.DataFrame) -> str:
    """The features that moved furthest beyond their thresholds, each with its origin and proposal."""
    shown = by_distance(moved).head(_NAMED_MAX)
    parts = [
        f"{row[c.COLUMN_NAME]} {row[c.METHOD]} {row[c.VALUE]:.2f}, limit {row[c.THRESHOLD]:.2f}"
        + (f", from {_origin(row[c.UPSTREAM])}" if row[c.UPSTREAM] else "")
        + (f": {row[c.PROPOSAL]}" if row[c.PROPOSAL] else "")
        for row in shown.iter_rows(named=True)
    ]
    return f"; {'; '.join(parts)}" if parts else ""


def _origin(upstream: str) -> str:
    """The raw columns behind a feature, of many the first: any of them may be what moved."""
    names = upstream.split(", ")
    more = len(names) - _ORIGINS_MAX
    return f"{', '.join(names[:_ORIGINS_MAX])} and {more} more" if more > 0 else " or ".join(names)


def _past(inputs: ReportInputs, table: str, config: DriftConfig) -> dict[str, list[tuple[str, float]]]:
    """(method, distance) of each column at earlier as-ofs; between the two references where there are too few."""
    earlier = inputs.earlier_drift
    told = earlier.filter(earlier[c.TABLE_NAME] == table, earlier[c.VALUE].is_not_null()).sort(c.AS_OF)
    found: dict[str, list[tuple[str, float]]] = {}
    for name, method, value in told.select(c.COLUMN_NAME, c.METHOD, c.VALUE).iter_rows():
        found.setdefault(name, []).append((method, value))
    if told[c.AS_OF].n_unique() >= config.periods_min or inputs.reference_as_of is None:
        return found
    before, after = inputs.features_before_reference.get(table), inputs.reference_features[table]
    if before is None:
        return found
    columns = [*inputs.feature_columns[table]]
    left, right = (sample_rows(each, config.sample_rows, seed=inputs.seed, columns=columns) for each in (before, after))
    for name in columns:
        one = measure_column(left[name], right[name], None, seed=inputs.seed, config=config)
        if one.value is not None:
            found.setdefault(name, []).append((one.method, one.value))
    return found


def _with_upstream(measured: pl.DataFrame, inputs: ReportInputs, table: str) -> pl.DataFrame:
    """Names raw columns behind drifted features; lineage is asked only where one drifted, for tracing takes long."""
    import polars as pl

    moved: list[str] = measured.filter(c.IS_DRIFTED)[c.COLUMN_NAME].to_list()
    if not moved:
        return measured
    origins = inputs.origins(table)
    texts = {name: ", ".join(origins.get(name, ())) for name in moved}
    return measured.with_columns(
        pl.col(c.COLUMN_NAME).replace_strict(texts, default=None, return_dtype=pl.String).alias(c.UPSTREAM)
    )


def draw_evidently(
    reference: pl.DataFrame, current: pl.DataFrame, drift: pl.DataFrame, html: Path, *, seed: int, config: DriftConfig
) -> None:
    """Write Evidently's page of the features that drifted by a distance; nothing where none did.

    Importing it takes longer than everything else of this report: `run` draws what does not pass.
    """
    import polars as pl

    moved = drift.filter(c.IS_DRIFTED, pl.col(c.METHOD).is_in(DISTANCES))
    methods: dict[str, Distance] = dict(moved.select(c.COLUMN_NAME, c.METHOD).iter_rows())
    if not methods:
        return
    from recs_platform.stages.reports.evidently_adapter import write_page

    left, right = (
        sample_rows(each, config.sample_rows, seed=seed, columns=[*methods]) for each in (reference, current)
    )
    thresholds: dict[str, float] = dict(moved.select(c.COLUMN_NAME, c.THRESHOLD).iter_rows())
    write_page(left, right, methods, thresholds=thresholds, html=html)


def _numbers(drift: pl.DataFrame) -> dict[str, float]:
    """Share of features that drifted of each table, counted and by gain."""
    found: dict[str, float] = {}
    for (table,), part in drift.filter(drift[c.VALUE].is_not_null()).group_by(c.TABLE_NAME, maintain_order=True):
        short = str(table).rpartition(".")[2]
        found[f"drifted_share_{short}"] = part.filter(c.IS_DRIFTED).height / part.height
        weighted = drifted_gain(part)
        found |= {} if weighted is None else {f"drifted_gain_{short}": weighted}
    return found
