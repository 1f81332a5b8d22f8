"""Warnings at the end of a run: counted, a line each, what stops a release first, too little data last."""

import polars as pl

from recs_platform.pipeline.questions.run_history import FailedCheck
from recs_platform.pipeline.questions.warning_lines import WARNINGS_SHOWN, warning_lines

VERDICTS = pl.DataFrame(
    [("bias", f"quality: {name}", "no_data") for name in ("age_band", "country", "subscription")],
    schema=["report", "subject", "verdict"],
    orient="row",
)


def failed(asset: str, check: str, description: str, *, is_blocking: bool = False) -> FailedCheck:
    return FailedCheck(asset, check, is_blocking, description)


def test_each_warning_is_a_line_and_the_gravest_stands_first() -> None:
    checks = [
        failed("raw.event_flags", "flagged_share", "1,145 of 19,982 events are flagged (5.7%)"),
        failed("reports.bias", "verdict", "no_data: quality: age_band: 47% of 146 are in groups. " * 9),
        failed("zz.last", "no_rows", "the table is empty " * 20, is_blocking=True),
    ]
    counted, *lines = warning_lines(checks, VERDICTS, "2024-02-10")
    assert counted == (
        "3 checks did not pass, 1 of them blocking; all of it: `recs report --as-of 2024-02-10`, `recs ui`"
    )
    assert [line.partition(":")[0] for line in lines] == [
        "zz.last no_rows", "raw.event_flags flagged_share", "reports.bias",
    ]  # fmt: skip
    assert lines[0].endswith(" …")
    assert lines[2] == "reports.bias: 3 no_data: quality: age_band, quality: country and 1 more"


def test_no_warning_is_none_and_many_are_counted() -> None:
    assert warning_lines([], VERDICTS, "2024-02-10") == ("none",)
    many = [failed(f"a{number}", "check", "odd") for number in range(WARNINGS_SHOWN + 3)]
    assert warning_lines(many, VERDICTS, "2024-02-10")[-1] == "and 3 more"
