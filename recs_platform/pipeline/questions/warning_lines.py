"""Checks that did not pass, in a line each: what stops a release first, reports that had too little data last."""

from collections.abc import Sequence
from textwrap import shorten

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.pipeline.questions.run_history import FailedCheck
from recs_platform.stages.reports import summary
from recs_platform.stages.reports.verdicts import NO_DATA, SEVERITY

WARNINGS_SHOWN = 8
_LENGTH = 120
_REPORTS = "reports."
_VERDICT = "verdict"


def warning_lines(checks: Sequence[FailedCheck], verdicts: pl.DataFrame, as_of: str) -> tuple[str, ...]:
    """How many checks did not pass and where to read more, then a line for each of the first; `verdicts` as of then."""
    if not checks:
        return ("none",)
    told = sorted((_gravity(check), check.asset, check.check, _line(check, verdicts)) for check in checks)
    lines = [line for *_, line in told]
    hidden = [f"and {len(lines) - WARNINGS_SHOWN} more"] if len(lines) > WARNINGS_SHOWN else []
    blocking = sum(check.is_blocking for check in checks)
    counted = (
        f"{len(checks)} checks did not pass, {blocking} of them blocking" if len(checks) > 1 else "1 check did not pass"
    )
    return (f"{counted}; all of it: `recs report --as-of {as_of}`, `recs ui`", *lines[:WARNINGS_SHOWN], *hidden)


def _gravity(check: FailedCheck) -> int:
    if check.is_blocking:
        return 0
    return 2 if check.description.startswith(NO_DATA) else 1


def _line(check: FailedCheck, verdicts: pl.DataFrame) -> str:
    """One line: of a report how many subjects came to its verdict, of others the beginning of what is said."""
    name = check.asset if check.check == _VERDICT else f"{check.asset} {check.check}"
    report = check.asset.removeprefix(_REPORTS)
    verdict = check.description.partition(":")[0]
    if check.check == _VERDICT and verdict in SEVERITY and verdicts.height:
        theirs = verdicts.filter(pl.col(c.REPORT) == report, pl.col(c.VERDICT) == verdict)[c.SUBJECT].sort().to_list()
        return f"{name}: {len(theirs)} {verdict}: {summary.shortened(theirs, 2, ', ')}"
    return f"{name}: {shorten(check.description, _LENGTH, placeholder=' …')}"
