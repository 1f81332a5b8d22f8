"""What the checks of ingestion say as of an instant: their own functions, over days and ingestions known by then."""
# ruff: noqa: S608  names come from contracts

from collections.abc import Sequence
from datetime import timedelta

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import EVENTS, INGESTIONS, ITEMS, USERS
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.stages.events import filled_columns
from recs_platform.stages.events import ledger_checks as books
from recs_platform.stages.reports import DAILY_QUALITY, ITEM_VERSIONS, USER_VERSIONS, Checked, brought, standing
from recs_platform.warehouse.clauses import instant_literal, relation, text_literal

HISTORY_ROWS_MIN = 100
VERSIONS = {ITEMS.name: ITEM_VERSIONS, USERS.name: USER_VERSIONS}
_SUFFIX = "_count"
_FILES, _KIND, _EVERY = c.FILE_HASH, c.EVENT_TYPE, "all"


def daily_quality(run: AsOfRun) -> pl.DataFrame:
    """Rows of `staging.stg_daily_quality`, in the order of its grain."""
    return run.once("daily quality", lambda: _frame(run, DAILY_QUALITY))


def versions(run: AsOfRun) -> dict[str, pl.DataFrame]:
    """Rows of `staging.stg_item_versions` and `stg_user_versions` by the raw table that they are of."""
    return run.known.once("versions", lambda: {table: _frame(run, model) for table, model in VERSIONS.items()})


def ledger(run: AsOfRun) -> pl.DataFrame:
    """Rows of raw.ingestions that were known."""
    with run.models() as models:
        return models.frame(INGESTIONS.name).filter(pl.col(c.INGESTED_AT) <= run.known_at)


def checked(run: AsOfRun) -> Checked:
    """What each check says."""
    files = ledger(run)
    of_events = files.filter(pl.col(c.CONTRACT_TABLE) == EVENTS.table)
    duplicate = books.quarantine_rates(of_events, _newest(of_events), c.ROWS_DUPLICATE)
    # What came for the first time has nothing that it could repeat.
    is_first = pl.col(books.HISTORY_RATE).is_null()
    duplicate = duplicate.with_columns(
        pl.when(is_first).then(pl.lit(books.NO_HISTORY)).otherwise(c.VERDICT).alias(c.VERDICT)
    )
    rejected = books.quarantine_rates(files, _newest(files))
    return Checked(run.known_at, _volumes(run), rejected, duplicate, pl.concat(_gone(run)), _silent(run, of_events))


def _silent(run: AsOfRun, of_events: pl.DataFrame) -> pl.DataFrame:
    """Sources that brought events once and have none in the daily quality; only where there are any the log is read."""
    brought_events = of_events.filter(pl.col(c.ROWS_ACCEPTED) > 0)[c.SOURCE].unique()
    asked = sorted(set(brought_events) - set(daily_quality(run)[c.SOURCE]))
    if not asked:
        return pl.DataFrame(schema={c.SOURCE: pl.String, c.DAYS_AGO: pl.Int64, c.LONGEST_GAP_DAYS: pl.Int64})
    with run.models() as models:
        return models.query(_silence_sql(run, relation(models.require(EVENTS.name)), asked))


def _silence_sql(run: AsOfRun, events: str, asked: Sequence[str]) -> str:
    """Days from a source's last event to the as-of, and the longest gap between its days with events before that."""
    ago = f"(epoch_us({instant_literal(run.as_of)}) - epoch_us({c.OCCURRED_AT}) - 1) // 86400000000"
    days = (
        f"select distinct {c.SOURCE}, {ago} as {c.DAYS_AGO} from {events} "
        f"where {c.SOURCE} in ({', '.join(map(text_literal, asked))}) "
        f"and {c.OCCURRED_AT} < {instant_literal(run.as_of)} and {c.INGESTED_AT} <= {instant_literal(run.known_at)}"
    )
    earlier = f"lag({c.DAYS_AGO}) over (partition by {c.SOURCE} order by {c.DAYS_AGO} desc)"
    gaps = f"select {c.SOURCE}, {c.DAYS_AGO}, {earlier} - {c.DAYS_AGO} - 1 as gap from ({days})"
    return (
        f"select {c.SOURCE}, min({c.DAYS_AGO}) as {c.DAYS_AGO}, max(gap) as {c.LONGEST_GAP_DAYS} from ({gaps}) "
        f"group by {c.SOURCE} order by {c.SOURCE}"
    )


def _newest(files: pl.DataFrame) -> pl.DataFrame:
    """Of each source what came with its newest ingestion of any row."""
    newest = pl.col(c.INGESTED_AT) == pl.col(c.INGESTED_AT).max().over(c.SOURCE)
    return files.filter(pl.col(c.ROWS_READ) > 0).filter(newest).select(books.FILE_KEY)


def _volumes(run: AsOfRun) -> pl.DataFrame:
    """Rows of `weekday_volumes` with the ends of what it takes for usual."""
    ago = pl.duration(days=pl.col(c.DAYS_AGO))
    # Days end at the as-of: the newest is the date that its last microsecond lies on.
    last = (run.as_of - timedelta(microseconds=1)).date()
    days = daily_quality(run).select(
        c.SOURCE, (pl.lit(last) - ago).cast(pl.Date).alias(c.EVENT_DATE), pl.col(c.EVENT_COUNT).alias(books.ROW_COUNT)
    )
    usual = pl.col(books.USUAL_ROWS)
    return books.weekday_volumes(days).with_columns(
        (usual * books.VOLUME_LOW).alias("low"), (usual * books.VOLUME_HIGH).alias("high")
    )


def _gone(run: AsOfRun) -> list[pl.DataFrame]:
    """Columns that are filled no longer: of events by day, of catalogue and profiles by ingestion."""
    daily = daily_quality(run)
    counts = daily.select(
        c.SOURCE,
        pl.col(c.DAYS_AGO).cast(pl.String).alias(_FILES),
        _KIND,
        pl.col(c.EVENT_COUNT).alias(books.ROW_COUNT),
        *(pl.col(f"{name}{_SUFFIX}").alias(name) for name in filled_columns.OPTIONAL),
    )
    newest = daily.select(pl.col(c.DAYS_AGO).min().cast(pl.String)).to_series().drop_nulls().to_list()
    found = [_told(counts, newest, filled_columns.OPTIONAL, filled_columns.HISTORY_ROWS_MIN, EVENTS.name, _EVERY)]
    for table, frame in versions(run).items():
        columns = [name.removesuffix(_SUFFIX) for name in frame.columns if name.endswith(_SUFFIX)]
        columns = [name for name in columns if f"{name}{_SUFFIX}" != c.ROW_COUNT]
        for segment, states in (("new", brought(frame)), ("whole", standing(frame))):
            schema = {c.CHANGED_AT: frame.schema[c.CHANGED_AT], **dict.fromkeys((c.ROW_COUNT, *columns), pl.Int64)}
            rows = pl.DataFrame(states, schema=schema).with_columns(
                pl.lit(_EVERY).alias(c.SOURCE),
                pl.lit(segment).alias(_KIND),
                pl.col(c.CHANGED_AT).cast(pl.String).alias(_FILES),
            )
            found.append(_told(rows, rows[_FILES].head(1).to_list(), columns, HISTORY_ROWS_MIN, table, segment))
    return found


def _told(
    counts: pl.DataFrame, new: Sequence[str], columns: Sequence[str], rows_min: int, table: str, segment: str
) -> pl.DataFrame:
    """Rows of `columns_gone` with whose they are; `new`: the newest day or ingestion."""
    periods = counts.filter(~pl.col(_FILES).is_in(new))[_FILES].n_unique()
    return filled_columns.columns_gone(counts, new, columns, rows_min).with_columns(
        pl.lit(table).alias(c.TABLE_NAME),
        pl.lit(segment).alias(c.SEGMENT),
        pl.lit(periods, pl.Int64).alias(c.N_PERIODS),
        pl.lit(filled_columns.SHARE_MIN).alias(books.LIMIT),
        pl.lit("days" if table == EVENTS.name else "ingestions").alias(c.COMPARED_WITH),
    )


def _frame(run: AsOfRun, model: str) -> pl.DataFrame:
    with run.models() as models:
        rows = models.frame(model)
    keys = [name for name in (c.DAYS_AGO, c.CHANGED_AT, c.CHANGE, c.SOURCE, c.EVENT_TYPE) if name in rows.columns]
    return rows.sort(keys)
