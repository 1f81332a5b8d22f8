"""Rejected rows, counted and listed, and the files to replay. The replay itself is in `stages.events.replay`."""
# ruff: noqa: S608 - identifiers come from the contracts; what an operator typed is a literal built by text_literal

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import RecsError, UsageError
from recs_platform.contracts.spelling import did_you_mean
from recs_platform.contracts.tables import EVENTS, INGESTIONS, QUARANTINE
from recs_platform.pipeline.platform import Platform
from recs_platform.stages.events.filled_columns import HISTORY_DAYS, OPTIONAL
from recs_platform.stages.events.ledger_checks import FILES, LAST_INGESTED_AT, LAST_OCCURRED_AT, ROW_COUNT
from recs_platform.stages.events.sources import SOURCE_TABLES
from recs_platform.warehouse.clauses import text_literal
from recs_platform.warehouse.runner import ModelRun

REPLAY_TAG = "recs/replay"
EXAMPLE, EXAMPLE_PLACE = "example", "example_place"
FIRST_INGESTED_AT = "first_ingested_at"
ROWS = "rows"
IN_LANDING = "in_landing"

# A batch adds its rejected rows before its ledger: until then they do not count. Landing's folders are the sources.
_ON_LEDGER = (
    f"(select *, split_part({c.SOURCE_FILE}, '/', 1) as {c.SOURCE} from {QUARANTINE.name} "
    f"where {c.FILE_HASH} in (select {c.FILE_HASH} from {INGESTIONS.name}))"
)
_ORDER = f"{c.SOURCE_FILE}, {c.LINE_NUMBER}, {c.CONTRACT_TABLE}, {c.REASON_CODE}"
_FIRST = f"order by {c.INGESTED_AT}, {_ORDER}"


@dataclass(frozen=True)
class QuarantineFilter:
    """Which rejected rows are meant; what is None does not matter. A file is named by its path in landing, or its end.

    As JSON it travels as a run's tag.
    """

    file: str | None = None
    source: str | None = None
    reason: str | None = None
    table: str | None = None

    @property
    def clause(self) -> str:
        """SQL that is true for them."""
        tests = [
            f"{column} = {text_literal(value)}"
            for column, value in ((c.SOURCE, self.source), (c.REASON_CODE, self.reason), (c.CONTRACT_TABLE, self.table))
            if value is not None
        ]
        if self.file is not None:
            name, end = text_literal(self.file), text_literal(f"/{self.file}")
            tests.append(f"({c.SOURCE_FILE} = {name} or ends_with({c.SOURCE_FILE}, {end}))")
        return " and ".join(tests) or "true"

    def to_tag(self) -> str:
        return json.dumps({name: value for name, value in asdict(self).items() if value is not None})

    @classmethod
    def from_tag(cls, tag: str) -> "QuarantineFilter":
        return cls(**json.loads(tag))


def reasons(run: ModelRun) -> pl.DataFrame:
    """Rejected rows by source, contract_table and reason_code.

    Adds rows, files, first and last ingested_at, an example and where it is (`file:line`); most rows first.
    """
    return _query(
        run,
        f"select {c.SOURCE}, {c.CONTRACT_TABLE}, {c.REASON_CODE}, count(*) as {ROWS}, "
        f"count(distinct {c.FILE_HASH}) as {FILES}, min({c.INGESTED_AT}) as {FIRST_INGESTED_AT}, "
        f"max({c.INGESTED_AT}) as {LAST_INGESTED_AT}, first({c.REASON} {_FIRST}) as {EXAMPLE}, "
        f"first(concat_ws(':', {c.SOURCE_FILE}, {c.LINE_NUMBER}) {_FIRST}) as {EXAMPLE_PLACE} "
        f"from {_ON_LEDGER} group by all order by {ROWS} desc, {c.SOURCE}, {c.CONTRACT_TABLE}, {c.REASON_CODE}",
    )


def summary(platform: Platform) -> pl.DataFrame:
    """`reasons` of everything in quarantine now."""
    with _now(platform) as run:
        return reasons(run)


def rows(platform: Platform, which: QuarantineFilter, limit: int | None = None) -> pl.DataFrame:
    """Rejected rows with all their columns, by file and line."""
    end = "" if limit is None else f" limit {int(limit)}"
    columns = ", ".join(QUARANTINE.column_names)
    with _now(platform) as run:
        return _query(run, f"select {columns} from {_ON_LEDGER} where {which.clause} order by {_ORDER}{end}")


def count(platform: Platform, which: QuarantineFilter | None = None) -> int:
    """How many rows are in quarantine."""
    with _now(platform) as run:
        where = (which or QuarantineFilter()).clause
        return int(_query(run, f"select count(*) as {ROWS} from {_ON_LEDGER} where {where}").item())


def files(platform: Platform, which: QuarantineFilter) -> pl.DataFrame:
    """Files with rejected rows: source_file, rows, in_landing (whether there is a file to replay)."""
    with _now(platform) as run:
        found = _query(
            run,
            f"select {c.SOURCE_FILE}, count(*) as {ROWS} from {_ON_LEDGER} where {which.clause} "
            f"group by {c.SOURCE_FILE} order by {c.SOURCE_FILE}",
        )
    is_there = [(platform.home.landing / name).is_file() for name in found[c.SOURCE_FILE]]
    return found.with_columns(pl.Series(IN_LANDING, is_there, dtype=pl.Boolean))


def files_to_replay(platform: Platform, which: QuarantineFilter) -> pl.DataFrame:
    """`files` that a replay reads again.

    Raises UsageError for a source or table that there is not, RecsError where no rejected row is of the file or reason.
    """
    if which.source is not None:
        platform.sources[which.source]
    if which.table not in {None, *SOURCE_TABLES}:
        raise UsageError(
            f"no contract table {which.table!r}{did_you_mean(str(which.table), SOURCE_TABLES)}; there are: "
            f"{', '.join(SOURCE_TABLES)}"
        )
    found = files(platform, which)
    named = [("file", which.file), ("reason", which.reason)]
    wanted = " and ".join(f"a {what} {value!r}" for what, value in named if value is not None)
    if found.is_empty() and wanted:
        raise RecsError(f"no rejected row of {wanted}; `recs quarantine summary` names the files that have some")
    return found


def export(platform: Platform, which: QuarantineFilter, target: Path) -> int:
    """Write the rows into a file whose suffix is in `EXPORTS`; returns how many. Raises UsageError for another one."""
    if target.suffix.lower() not in EXPORTS:
        raise UsageError(f"cannot write {target.name}: name a file that ends in {', '.join(EXPORTS)}")
    if not target.absolute().parent.is_dir():
        raise UsageError(f"no folder {target.absolute().parent}")
    found = rows(platform, which)
    EXPORTS[target.suffix.lower()](found, target)
    return found.height


def _write_csv(frame: pl.DataFrame, target: Path) -> None:
    frame.write_csv(target)


def _write_jsonl(frame: pl.DataFrame, target: Path) -> None:
    frame.write_ndjson(target)


def _write_parquet(frame: pl.DataFrame, target: Path) -> None:
    frame.write_parquet(target)


EXPORTS: dict[str, Callable[[pl.DataFrame, Path], None]] = {
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
}


def events_by_day(run: ModelRun) -> pl.DataFrame:
    """Rows of raw.events by source, file_hash and event_date: row_count, last_occurred_at."""
    run.require(EVENTS.name)
    return run.query(
        f"select {c.SOURCE}, {c.FILE_HASH}, {c.EVENT_DATE}, count(*) as {ROW_COUNT}, "
        f"max({c.OCCURRED_AT}) as {LAST_OCCURRED_AT} from {EVENTS.name} group by all order by all"
    )


def filled_values(run: ModelRun) -> pl.DataFrame:
    """Non-null values of each optional column of raw.events by source, file_hash and event_type, and `row_count`.

    Of the four weeks that end with the newest event's day.
    """
    run.require(EVENTS.name)
    counts = ", ".join(f"count({name}) as {name}" for name in OPTIONAL)
    newest = f"(select max({c.EVENT_DATE}) from {EVENTS.name})"
    return run.query(
        f"select {c.SOURCE}, {c.FILE_HASH}, {c.EVENT_TYPE}, count(*) as {ROW_COUNT}, {counts} from {EVENTS.name} "
        f"where {c.EVENT_DATE} > {newest} - {HISTORY_DAYS} group by all order by all"
    )


def _query(run: ModelRun, sql: str) -> pl.DataFrame:
    for table in (QUARANTINE, INGESTIONS):
        run.require(table.name)
    return run.query(sql)


def _now(platform: Platform) -> AbstractContextManager[ModelRun]:
    moment = datetime.now(UTC)
    return platform.model_run(moment, moment)
