"""Assets of the events stage: the raw tables, ingested from landing by one unpartitioned step."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.tables import (
    BATCH_TABLES,
    EVENTS,
    INGESTIONS,
    QUARANTINE,
    REMOVALS,
    TableContract,
)
from recs_platform.defs import metadata
from recs_platform.defs.as_of_assets import Results
from recs_platform.defs.landing_assets import landing_keys, observations
from recs_platform.defs.one_line import sentences
from recs_platform.defs.resources import HomeResource
from recs_platform.defs.staleness import LOG_VERSION
from recs_platform.pipeline.ingestion import ingest as ingestion
from recs_platform.pipeline.ingestion import quarantine as quarantining
from recs_platform.pipeline.platform import Platform
from recs_platform.stages.events import FileCounts, filled_columns
from recs_platform.stages.events import ledger_checks as books
from recs_platform.stages.events.sources import SOURCE_TABLES
from recs_platform.warehouse.runner import ModelRun

GROUP = "events"
BALANCE = "ledger_balances"
QUARANTINE_RATE = "quarantine_rate_vs_history"
VOLUME = "volume_vs_weekday"
FILLED = "columns_filled_vs_history"
RAW_STEP = "raw"
LAST_FILES = 20
CHECKED = {BALANCE: INGESTIONS, QUARANTINE_RATE: QUARANTINE, VOLUME: EVENTS, FILLED: EVENTS}


class IngestConfig(dg.Config):
    """What an operator may choose for an ingestion."""

    replay: bool = Field(default=False, description="Ingest files with rejected rows again, instead of new files.")
    file: str = Field(default="", description="Replay this file: its path in landing, or the end of it; empty: any.")
    source: str = Field(default="", description="Replay files of this source; empty: any.")
    reason: str = Field(default="", description="Replay files with rows rejected for this reason code; empty: any.")
    table: str = Field(default="", description="Replay files with rejected rows of this contract table; empty: any.")

    def chosen(self, run: dg.DagsterRun) -> quarantining.QuarantineFilter | None:
        """Which files to replay; None where new ones are ingested. A run of an earlier version has it in its tag.

        Raises UsageError where files are named and `replay` is off.
        """
        names = {"file": self.file, "source": self.source, "reason": self.reason, "table": self.table}
        if any(names.values()) and not self.replay:
            given = ", ".join(f"{name} = {value!r}" for name, value in names.items() if value)
            raise UsageError(f"{given} names what to replay, and replay is false: set replay to true")
        if self.replay:
            return quarantining.QuarantineFilter(**{name: value or None for name, value in names.items()})
        tag = run.tags.get(quarantining.REPLAY_TAG)
        return None if tag is None else quarantining.QuarantineFilter.from_tag(tag)


def replay_config(which: quarantining.QuarantineFilter) -> dict[str, Any]:
    """The run config of a replay."""
    chosen = {name: value or "" for name, value in asdict(which).items()}
    return {"ops": {RAW_STEP: {"config": {"replay": True, **chosen}}}}


def build_assets(platform: Platform) -> list[dg.AssetsDefinition]:
    """The raw tables as one multi-asset: a batch is sealed for all of them or for none."""
    landed = landing_keys(platform)

    @dg.multi_asset(
        name=RAW_STEP,
        specs=[_spec(table, landed) for table in BATCH_TABLES],
        check_specs=[
            _check_spec(
                BALANCE,
                "For every file, rows_read = rows_accepted + rows_quarantined + rows_duplicate, and events accepted "
                "less those removed again are there",
            ),
            _check_spec(
                QUARANTINE_RATE,
                f"No source had more than {books.RATE_WARN:.0%} of this run's rows rejected, unless that is its habit. "
                f"Blocks when {books.RATE_BLOCK:.0%} of {books.RUN_ROWS_MIN} rows or more of a reliable source were",
            ),
            _check_spec(
                VOLUME,
                f"Each source's newest complete day has {books.VOLUME_LOW:g} to {books.VOLUME_HIGH:g} times the events "
                "usual on that weekday",
                blocking=False,
            ),
            _check_spec(
                FILLED,
                f"Each source fills every column with {filled_columns.SHARE_MIN:.0%} or more of the values that its "
                f"events of the {filled_columns.HISTORY_DAYS} days before let expect",
                blocking=False,
            ),
        ],
    )
    def raw(context: dg.AssetExecutionContext, config: IngestConfig, home: HomeResource) -> Results:
        """Ingest every file in landing that was not yet ingested, exactly once; or replay files with rejected rows."""
        platform = home.platform
        files = _ingest(context, platform, config)
        for observed in observations(files):
            context.log_event(observed)
        moment = datetime.now(UTC)
        with platform.model_run(moment, moment) as run:
            facts = _Facts(run, files)
            for table in BATCH_TABLES:
                preview, rows = run.head(table.name, metadata.PREVIEW_ROWS), run.count(table.name)
                yield dg.MaterializeResult(
                    asset_key=metadata.asset_key(table.name),
                    metadata=metadata.table_metadata(rows, preview, **facts.numbers(table)) | facts.tables(table),
                    data_version=LOG_VERSION,
                )
        yield facts.balance()
        yield facts.quarantine_rate()
        yield facts.volume()
        yield facts.filled()

    return [raw]


def _ingest(context: dg.AssetExecutionContext, platform: Platform, config: IngestConfig) -> Sequence[FileCounts]:
    """Replay the files that the run's config or its tag names, else ingest all new ones."""
    now = datetime.now(UTC)
    with sentences(), platform.connection() as con:
        which = config.chosen(context.run)
        if which is None:
            files = ingestion.ingest_files(platform, con, now=now, progress=context.log.info).files
        else:
            files = ingestion.replay_files(platform, con, which, now=now, progress=context.log.info).after
        ingestion.settle_ledger(platform, con, now=now, progress=context.log.info)
    return files


def _spec(table: TableContract, landed: Sequence[dg.AssetKey]) -> dg.AssetSpec:
    return dg.AssetSpec(
        metadata.asset_key(table.name),
        deps=landed,
        group_name=GROUP,
        description=table.description,
        kinds={"duckdb", "delta"},
        owners=metadata.OWNERS,
        metadata=metadata.contract_metadata(table),
    )


def _check_spec(name: str, description: str, *, blocking: bool = True) -> dg.AssetCheckSpec:
    key = metadata.asset_key(CHECKED[name].name)
    return dg.AssetCheckSpec(name, asset=key, blocking=blocking, description=description)


class _Facts:
    """What the ledger and the tables say after a run, read once; `files` are those this run ingested."""

    def __init__(self, run: ModelRun, files: Sequence[FileCounts]) -> None:
        self._files = files
        self._ledger = run.frame(INGESTIONS.name)
        self._removals = run.frame(REMOVALS.name)
        self._days = quarantining.events_by_day(run)
        self._filled = quarantining.filled_values(run)
        self._reasons = quarantining.reasons(run)

    def numbers(self, table: TableContract) -> dict[str, float]:
        """Counts of this run, 0 included so that a plot has every run; the ledger's asset has those of all tables."""
        if table.name == INGESTIONS.name:
            return {"files_taken_in": len({file.file_hash for file in self._files}), **_counts(self._files)}
        if table.name == QUARANTINE.name:
            return {c.ROWS_QUARANTINED: _counts(self._files)[c.ROWS_QUARANTINED]}
        if table.table not in SOURCE_TABLES:
            return {}
        return _counts(file for file in self._files if file.contract_table == table.table)

    def tables(self, table: TableContract) -> dict[str, Any]:
        """Why rows were rejected, how fresh each source is, which files came last."""
        if table.name == QUARANTINE.name:
            return {"reasons": _table(self._reasons)}
        if table.name == INGESTIONS.name:
            fresh = books.freshness(self._ledger, self._days)
            return {"freshness": _table(fresh), "last_files": _table(books.last_files(self._ledger, LAST_FILES))}
        return {}

    def balance(self) -> dg.AssetCheckResult:
        unbalanced = books.unbalanced(self._ledger)
        missing = books.missing_events(self._ledger, self._removals, self._days)
        return _result(
            BALANCE,
            passed=unbalanced.is_empty() and missing.is_empty(),
            sentence=_balance_sentence(unbalanced, missing, self._ledger.height),
            numbers={
                "files": self._ledger.height,
                "unbalanced_files": unbalanced.height,
                "files_with_other_events": missing.height,
                "rows_accepted": _sum(self._ledger, c.ROWS_ACCEPTED),
                "rows_removed": _sum(self._removals, c.ROWS_REMOVED),
                "rows_in_events": _sum(self._days, books.ROW_COUNT),
            },
            tables={"unbalanced": unbalanced, "other_events": missing},
        )

    def quarantine_rate(self) -> dg.AssetCheckResult:
        keys = [(file.file_hash, file.contract_table) for file in self._files]
        schema = {name: pl.String() for name in books.FILE_KEY}
        rates = books.quarantine_rates(self._ledger, pl.DataFrame(keys, schema=schema, orient="row"))
        counts = _counts(self._files)
        rate = counts[c.ROWS_QUARANTINED] / counts[c.ROWS_READ] if counts[c.ROWS_READ] else 0.0
        sentence = "; ".join(books.rate_sentences(rates)) or (
            f"{counts[c.ROWS_QUARANTINED]:,.0f} of {counts[c.ROWS_READ]:,.0f} rows were rejected"
        )
        return _graded(QUARANTINE_RATE, rates, sentence, numbers={"rate": rate, **counts})

    def volume(self) -> dg.AssetCheckResult:
        volumes = books.weekday_volumes(self._days)
        known = volumes.filter(pl.col(books.VERDICT) != books.NO_HISTORY)
        sentence = "; ".join(books.volume_sentences(volumes)) or f"{known.height} sources have a history, as usual"
        return _graded(
            VOLUME, volumes, sentence, numbers={"sources": volumes.height, "sources_with_history": known.height}
        )

    def filled(self) -> dg.AssetCheckResult:
        columns = filled_columns.columns_gone(self._filled, {file.file_hash for file in self._files})
        gone = filled_columns.gone_sentences(columns)
        sentence = "; ".join(gone) or f"{columns.height} columns of sources with a history are filled as before"
        return _graded(FILLED, columns, sentence, numbers={"columns": columns.height, "columns_gone": len(gone)})


def _counts(counts: Iterable[FileCounts]) -> dict[str, float]:
    rows = list(counts)
    return {
        c.ROWS_READ: sum(count.rows_read for count in rows),
        c.ROWS_ACCEPTED: sum(count.rows_accepted for count in rows),
        c.ROWS_QUARANTINED: sum(count.rows_quarantined for count in rows),
        c.ROWS_DUPLICATE: sum(count.rows_duplicate for count in rows),
    }


def _balance_sentence(unbalanced: pl.DataFrame, missing: pl.DataFrame, files: int) -> str:
    for faulty, what in ((unbalanced, "do not add up"), (missing, "have other rows in raw.events than were accepted")):
        if not faulty.is_empty():
            return f"{faulty.height} files {what}, first {faulty[c.SOURCE_FILE][0]}"
    return f"all {files} rows of the ledger add up"


def _graded(check: str, judged: pl.DataFrame, sentence: str, numbers: dict[str, float]) -> dg.AssetCheckResult:
    """A check whose sources carry verdicts: `warn` warns, `block` fails it."""
    verdict = books.worst(judged[books.VERDICT])
    return _result(
        check,
        passed=verdict == books.PASS,
        sentence=sentence,
        numbers=numbers,
        tables={"sources": judged},
        blocks=verdict == books.BLOCK,
    )


def _result(
    check: str,
    *,
    passed: bool,
    sentence: str,
    numbers: dict[str, float],
    tables: dict[str, pl.DataFrame],
    blocks: bool = True,
) -> dg.AssetCheckResult:
    shown = {name: _table(frame.head(LAST_FILES)) for name, frame in tables.items() if not frame.is_empty()}
    return dg.AssetCheckResult(
        asset_key=metadata.asset_key(CHECKED[check].name),
        check_name=check,
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR if blocks else dg.AssetCheckSeverity.WARN,
        description=sentence,
        metadata={**numbers, **shown},
    )


def _sum(frame: pl.DataFrame, column: str) -> int:
    return int(frame[column].sum() or 0)


def _table(frame: pl.DataFrame) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md(metadata.markdown_table(frame))
