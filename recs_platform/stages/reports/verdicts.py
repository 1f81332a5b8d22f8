"""Verdicts: what is said of what was judged, and as rows of tables. Reports that say it are in `report`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.tables import VERDICTS, TableContract
from recs_platform.lake.column_types import polars_schema

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

Verdict = Literal["pass", "no_data", "warn", "block"]
SEVERITY: tuple[Verdict, ...] = ("pass", "no_data", "warn", "block")
NO_DATA: Verdict = "no_data"
_GRAVITY = "gravity"

# Columns of `reports.bias` that the shared vocabulary lacks.
DIMENSION = "dimension"
REFERENCE = "reference"
RATIO = "ratio"


@dataclass(frozen=True)
class Judgement:
    """One row of `reports.verdicts` before its as-of and report are known."""

    subject: str
    verdict: Verdict
    message: str
    value: float | None = None
    threshold: float | None = None
    sample_size: int = 0


def worst(verdicts: Iterable[str]) -> Verdict:
    """The gravest verdict; `no_data` when there are none, so that silence is never a pass.

    >>> worst(["pass", "warn", "no_data"]), worst(["pass", "no_data"]), worst([])
    ('warn', 'no_data', 'no_data')

    Raises ContractError for a word that is no verdict.
    """
    given = list(verdicts)
    unknown = sorted(set(given) - set(SEVERITY))
    if unknown:
        raise ContractError(f"not a verdict: {unknown}; the verdicts are {list(SEVERITY)}")
    found: list[Verdict] = [verdict for verdict in SEVERITY if verdict in given]
    return found[-1] if found else NO_DATA


def verdict_rows(report: str, judgements: Iterable[Judgement], *, as_of: datetime) -> pl.DataFrame:
    """Rows of `reports.verdicts` for one report, ordered by subject."""
    rows = [
        {
            c.AS_OF: as_of,
            c.REPORT: report,
            c.SUBJECT: judgement.subject,
            c.VERDICT: judgement.verdict,
            c.VALUE: judgement.value,
            c.THRESHOLD: judgement.threshold,
            c.SAMPLE_SIZE: judgement.sample_size,
            c.MESSAGE: judgement.message,
        }
        for judgement in judgements
    ]
    return contract_frame(rows, VERDICTS).sort(c.SUBJECT)


def of_reports(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Verdicts of several reports on one page: each subject behind the name of its report, as in `bias: training`."""
    import polars as pl

    return verdicts.with_columns(pl.concat_str(c.REPORT, pl.lit(": "), c.SUBJECT).alias(c.SUBJECT))


def gravest_first(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Rows of `reports.verdicts`, blocks first, then by report and subject."""
    gravity = verdicts[c.VERDICT].replace_strict(SEVERITY, range(len(SEVERITY)))
    return (
        verdicts.with_columns(gravity.alias(_GRAVITY))
        .sort(_GRAVITY, c.REPORT, c.SUBJECT, descending=[True, False, False])
        .drop(_GRAVITY)
    )


def contract_frame(rows: Sequence[Mapping[str, Any]] | pl.DataFrame, contract: TableContract) -> pl.DataFrame:
    """A frame with exactly the contract's columns, in its order and types; absent optional columns are null.

    Raises ContractError when a row has a column of no contract, or a required column is absent or null.
    """
    import polars as pl

    schema = polars_schema(contract.columns)
    given = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(list(rows), infer_schema_length=None)
    strange = [name for name in given.columns if name not in schema]
    if strange:
        raise ContractError(f"{contract.name} has no columns {strange}")
    absent = [pl.lit(None).alias(name) for name in schema if name not in given.columns]
    frame = given.with_columns(*absent).select(pl.col(name).cast(dtype) for name, dtype in schema.items())
    holes = [column.name for column in contract.columns if column.required and frame[column.name].null_count()]
    if holes:
        raise ContractError(f"{contract.name} needs a value in {holes}; {frame.height} rows were given")
    return frame
