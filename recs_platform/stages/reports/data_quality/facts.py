"""A fact of the data's quality, the band that its past draws around it, and the row that is told of it.

Where facts come from is in the files beside.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from recs_platform.contracts import columns as c
from recs_platform.contracts.counted import counted
from recs_platform.evaluation.drift import critical_p
from recs_platform.stages.reports.verdicts import NO_DATA

NULLS, RANGES, VOLUMES, FRESHNESS = "nulls", "ranges", "volumes", "freshness"
DUPLICATES, INTEGRITY, QUARANTINE = "duplicates", "integrity", "quarantine"
KINDS = (NULLS, RANGES, VOLUMES, FRESHNESS, DUPLICATES, INTEGRITY, QUARANTINE)
EVERY = "all"
Ends = tuple[float | None, float | None]
SHARE: Ends = (0.0, 1.0)
_MAD_TO_DEVIATION = 1.4826
# A count of nothing has a logarithm too.
_NOTHING = 0.5
_LOG_MAX = math.log(sys.float_info.max)


class DataQualityConfig(BaseModel):
    """Least changes that warn, whatever the band, and how much must be known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows_min: Annotated[int, Field(ge=2, description="fewer rows of a day or ingestion are not judged")] = 50
    periods_min: Annotated[int, Field(ge=2, description="earlier periods; fewer draw no band")] = 4
    alarm_rate: Annotated[float, Field(gt=0, lt=1, description="share of alarms that are false, at most")] = 0.05
    null_share: Annotated[float, Field(gt=0, le=1, description="least growth of a share of nulls")] = 0.1
    unknown_share: Annotated[float, Field(gt=0, le=1, description="least growth of a share of unknown ids")] = 0.05
    mean_change: Annotated[float, Field(gt=0, description="least change of a mean, as a share of the usual one")] = 0.5
    range_factor: Annotated[
        float, Field(ge=1, description="a value that lies more widths of the usual range beyond it is out of range")
    ] = 10.0
    volume_factor: Annotated[float, Field(gt=1, description="least growth or fall of a count, as a factor")] = 2.0
    silent_days_min: Annotated[int, Field(ge=1, description="fewer days without an event never warn")] = 2
    ended_days: Annotated[
        int, Field(gt=30, description="days without an event after which a source has ended, and warns no more")
    ] = 90
    gap_factor: Annotated[float, Field(ge=1, description="longest usual wait for a file, times this, warns")] = 3.0


@dataclass(frozen=True)
class Fact:
    """A value now and its earlier ones, the newest first.

    `n`: rows behind the value. `least`: the change below which it never warns; of a count its factor. `floor`: the
    deviation that chance alone makes. `direction`: 1 where only growth warns, 0 where either does. With `limits`
    (low, high) these decide instead of the past; `bounds` are what it can be at all. `verdict` is that of a check
    which judged it already. `why` is set where nothing can be judged, `note` is said of it where it warns.
    """

    kind: str
    table: str
    metric: str
    value: float | None
    past: Sequence[float] = ()
    n: int = 0
    column: str = EVERY
    source: str = EVERY
    segment: str = EVERY
    compared_with: str | None = None
    least: float = 0.0
    floor: float = 0.0
    direction: int = 0
    is_count: bool = False
    limits: Ends | None = None
    bounds: Ends = (None, None)
    usual: float | None = None
    periods: int | None = None
    verdict: str | None = None
    why: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Band:
    """Where a fact usually lies: median and deviation of the past, on the scale that it is measured on."""

    centre: float
    deviation: float
    least: float
    freedom: float
    sides: int

    def p_value(self, value: float, direction: int) -> float:
        """Student's tail beyond the value, with half as many degrees of freedom as periods: the spread is robust."""
        from scipy.special import stdtr

        away = (value - self.centre) * (direction or 1)
        away = away if direction else abs(away)
        return 1.0 if away <= 0 else min(1.0, self.sides * float(stdtr(self.freedom, -away / self.deviation)))

    def reach(self, p: float) -> float:
        """How far from the centre the p-value is `p`, never less than the least change."""
        from scipy.special import stdtrit

        return max(self.least, -self.deviation * float(stdtrit(self.freedom, p / self.sides)))


def share_floor(past: Sequence[float], n: int) -> float:
    """Deviation of a share of n rows by chance, were it as large as its median."""
    share = float(np.median(past)) if past else 0.0
    share = min(max(share, 0.5 / n), 1 - 0.5 / n) if n > 1 else 0.5
    return math.sqrt(share * (1 - share) / max(n, 1))


def fact_rows(facts: Sequence[Fact], config: DataQualityConfig) -> list[dict[str, Any]]:
    """Rows of `reports.data_quality` but their as-of; the bands of all facts are corrected together."""
    bands = [_band(fact, config) for fact in facts]
    told = [
        band.p_value(_scaled(fact, fact.value), fact.direction)
        for fact, band in zip(facts, bands, strict=True)
        if band is not None and fact.value is not None
    ]
    limit = critical_p(told, config.alarm_rate)
    return [_row(fact, band, limit, config) for fact, band in zip(facts, bands, strict=True)]


def _band(fact: Fact, config: DataQualityConfig) -> Band | None:
    is_ruled = fact.limits is not None or fact.verdict is not None
    if fact.value is None or fact.why is not None or is_ruled or len(fact.past) < config.periods_min:
        return None
    past = np.asarray([_scaled(fact, value) for value in fact.past])
    centre = float(np.median(past))
    spread = _MAD_TO_DEVIATION * float(np.median(np.abs(past - centre)))
    least = math.log(fact.least) if fact.is_count else fact.least
    return Band(centre, max(spread, fact.floor, 1e-9), least, len(past) / 2, 1 if fact.direction else 2)


def _scaled(fact: Fact, value: float) -> float:
    return math.log(max(value, _NOTHING)) if fact.is_count else value


def _count(scaled: float) -> float | None:
    """The count that has this logarithm; None beyond all numbers."""
    return math.exp(scaled) if scaled < _LOG_MAX else None


def _row(fact: Fact, band: Band | None, limit: float, config: DataQualityConfig) -> dict[str, Any]:
    low, high = fact.limits or (None, None)
    usual = fact.usual if fact.usual is not None or not fact.past else float(np.median(fact.past))
    p_value = None
    if band is not None and fact.value is not None:
        p_value, reach = band.p_value(_scaled(fact, fact.value), fact.direction), band.reach(limit)
        back: Callable[[float], float | None] = _count if fact.is_count else float
        low, high = None if fact.direction > 0 else back(band.centre - reach), back(band.centre + reach)
    low, high = _possible((low, high), fact.bounds)
    verdict = _verdict(fact, band, low, high)
    return {
        c.KIND: fact.kind,
        c.TABLE_NAME: fact.table,
        c.COLUMN_NAME: fact.column,
        c.SOURCE: fact.source,
        c.SEGMENT: fact.segment,
        c.METRIC: fact.metric,
        c.VALUE: fact.value,
        c.USUAL_VALUE: usual,
        c.USUAL_LOW: low,
        c.USUAL_HIGH: high,
        c.SAMPLE_SIZE: fact.n,
        c.N_PERIODS: len(fact.past) if fact.periods is None else fact.periods,
        c.COMPARED_WITH: fact.compared_with,
        c.P_VALUE: p_value,
        c.VERDICT: verdict,
        c.MESSAGE: _message(fact, verdict, config),
    }


def _possible(ends: Ends, bounds: Ends) -> Ends:
    """A band within what can be: nobody stays for less than no time.

    >>> _possible((-1196.0, 1300.0), (0.0, None))
    (0.0, 1300.0)
    >>> _possible((None, 1.4), (0.0, 1.0))
    (None, 1.0)
    """
    (low, high), (least, greatest) = ends, bounds
    low = low if low is None or least is None else max(low, least)
    return low, high if high is None or greatest is None else min(high, greatest)


def _verdict(fact: Fact, band: Band | None, low: float | None, high: float | None) -> str:
    if fact.value is None or fact.why is not None:
        return NO_DATA
    if fact.verdict is not None:
        return fact.verdict
    if band is None and fact.limits is None:
        return NO_DATA
    is_out = (low is not None and fact.value < low) or (high is not None and fact.value > high)
    return "warn" if is_out else "pass"


def _message(fact: Fact, verdict: str, config: DataQualityConfig) -> str | None:
    if verdict == NO_DATA:
        periods, _, of = (fact.compared_with or "periods").partition(" ")
        earlier = counted(len(fact.past), f"earlier {periods.removesuffix('s')}")
        few = f"{earlier}{of and f' {of}'}, {config.periods_min} are needed"
        return fact.why or few
    return fact.note or None if verdict == "warn" else None
