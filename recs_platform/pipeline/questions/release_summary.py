"""A release in a few lines: quality of its lists, verdicts, and a line for each warning."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.tables import CONTENDERS, OFFLINE_METRICS, VERDICTS
from recs_platform.contracts.time import as_of_key
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.questions.run_history import FailedCheck, failed_checks
from recs_platform.pipeline.questions.warning_lines import warning_lines
from recs_platform.stages.releases import read_short_lists
from recs_platform.stages.reports import summary


@dataclass(frozen=True)
class ReleaseSummary:
    """Results of the reports and checks of a release's as-of; None and empty where there are none."""

    as_of: datetime
    quality: dict[str, Any] | None
    why_not_measured: str
    verdicts: pl.DataFrame
    checks: tuple[FailedCheck, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """A line on the lists, one on the verdicts, one that counts the warnings, and one for each of them."""
        measured = self.why_not_measured if self.quality is None else summary.quality_sentence(self.quality)
        judged = summary.verdict_sentence(self.verdicts) if self.verdicts.height else f"none as of {self._key}"
        counted, *each = self.warnings
        return f"quality: {measured}", f"verdicts: {judged}", f"warnings: {counted}", *(f"  {line}" for line in each)

    @property
    def warnings(self) -> tuple[str, ...]:
        """How many and where to read more, then a short line for each, those that stop a release first."""
        return warning_lines(self.checks, self.verdicts, self._key)

    def numbers(self) -> dict[str, Any]:
        """The same as exact values."""
        return {
            "quality": self.quality,
            "not_measured": None if self.quality else self.why_not_measured,
            "verdicts": summary.verdict_counts(self.verdicts) if self.verdicts.height else None,
            "failed_checks": [asdict(check) for check in self.checks],
        }

    @property
    def _key(self) -> str:
        return as_of_key(self.as_of)


def no_numbers(why: str) -> dict[str, Any]:
    """What `ReleaseSummary.numbers` gives where there is no release."""
    return {"quality": None, "not_measured": why, "verdicts": None, "failed_checks": []}


def summarize_release(platform: Platform, release: Manifest) -> ReleaseSummary:
    """Read the results of reports and checks as of a release."""
    key, metrics = as_of_key(release.as_of), _rows(platform, OFFLINE_METRICS.name, release.as_of)
    verdicts = _rows(platform, VERDICTS.name, release.as_of)
    tried = _rows(platform, CONTENDERS.name, release.as_of)
    found = None if metrics is None else summary.quality(metrics, tried)
    return ReleaseSummary(
        release.as_of,
        found,
        _why_not(platform, key, metrics, verdicts),
        pl.DataFrame() if verdicts is None else verdicts,
        tuple(failed_checks(platform.home, key)),
    )


def users_without_items(platform: Platform, release: Manifest) -> int:
    """Users whose list in a release is empty."""
    return read_short_lists(platform.home, release.version).filter(pl.col(c.LIST_LENGTH) == 0).height


def _why_not(platform: Platform, key: str, metrics: pl.DataFrame | None, verdicts: pl.DataFrame | None) -> str:
    """Why the lists were not measured, where they were not."""
    if metrics is None and verdicts is None:
        return f"not measured: no report was made as of {key}; `recs run --as-of {key} --force` makes them"
    days = platform.settings.horizon_days
    last = f"last {days} days" if days else "last days"
    return (
        f"not measured: no user had held-out events as of {key}; that takes users who chose items in its {last} "
        "(horizon_days) that they had not chosen before, and something chosen earlier"
    )


def _rows(platform: Platform, table: str, at: datetime) -> pl.DataFrame | None:
    """The rows of an as-of, from the files alone: the SQL models need not be read. None where there are none."""
    lake = platform.lake
    files = lake.files(table, as_of=at) if lake.exists(table) else []
    rows = [pl.read_parquet(file, hive_partitioning=False) for file in files]
    return pl.concat(rows, how="diagonal") if any(frame.height for frame in rows) else None
