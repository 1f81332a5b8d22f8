"""Reports of an as-of: how they are run, where tables, pages and verdicts go. `report_inputs`: what they read."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
from io import BytesIO
from pathlib import Path

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import VERDICTS
from recs_platform.lake.column_types import arrow_schema
from recs_platform.lake.disk import replace_bytes, replace_text
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.partition_writer import Written, write_frames
from recs_platform.pipeline.report_inputs import RunInputs, report_folder
from recs_platform.stages.reports import REPORTS, Report, ReportResult

VERDICTS_FILE, NUMBERS_FILE = ".verdicts.parquet", ".numbers.json"


def run_report(run: AsOfRun, report: Report) -> tuple[ReportResult, Written]:
    """Run one report and write its table; its verdicts and numbers are kept beside its page, see `report_index`."""
    result = report.run(RunInputs(run))
    written = write_frames(run.platform, report.table, [result.frame], run.as_of)
    file = _verdicts_file(run, report.name)
    file.parent.mkdir(parents=True, exist_ok=True)
    verdicts = BytesIO()
    result.verdicts.write_parquet(verdicts)
    replace_bytes(file, verdicts.getvalue())
    replace_text(file.with_name(f"{report.name}{NUMBERS_FILE}"), json.dumps(dict(result.numbers), allow_nan=False))
    return result, written


def collect_verdicts(run: AsOfRun) -> tuple[pl.DataFrame, list[str], str]:
    """Write the verdicts of all reports into `reports.verdicts`.

    Returns them, the reports that gave none, and a hash of what was written.
    """
    files = {report.name: _verdicts_file(run, report.name) for report in REPORTS}
    none = pl.DataFrame(pl.from_arrow(arrow_schema(VERDICTS.columns).empty_table()))
    found = [pl.read_parquet(file.read_bytes()).select(none.columns) for file in files.values() if file.exists()]
    verdicts = pl.concat([none, *found]).sort(c.REPORT, c.SUBJECT)
    written = write_frames(run.platform, VERDICTS, [verdicts.drop(c.AS_OF)], run.as_of)
    return verdicts, sorted(set(files) - set(verdicts[c.REPORT])), written.content


def _verdicts_file(run: AsOfRun, report: str) -> Path:
    return report_folder(run.platform, run.as_of) / f"{report}{VERDICTS_FILE}"
