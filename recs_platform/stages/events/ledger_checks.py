"""Checks of the ledger of files for an operator: whether it adds up, and which source behaves unlike before.

Pure functions over frames; reading the lake and showing the result belong to the assets.
"""

from datetime import date, timedelta

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import EVENTS

PASS, WARN, BLOCK = "pass", "warn", "block"
NO_HISTORY = "no history"

RATE_WARN = 0.05
RATE_FACTOR = 3.0
RATE_BLOCK = 0.5
HISTORY_ROWS_MIN = 1_000
# A handful of bad rows says nothing of a source: one cut file alone is one row, and must not stop a run.
RUN_ROWS_MIN = 100

VOLUME_WEEKS = 4
VOLUME_WEEKS_MIN = 2
VOLUME_LOW, VOLUME_HIGH = 0.5, 2.0

ROW_COUNT = "row_count"
LAST_OCCURRED_AT = "last_occurred_at"
LAST_INGESTED_AT = "last_ingested_at"
ROWS_PRESENT = "rows_present"
RATE, HISTORY_ROWS, HISTORY_FILES, HISTORY_RATE = "rate", "history_rows", "history_files", "history_rate"
LIMIT = "limit"
USUAL_ROWS, WEEKS, RATIO = "usual_rows", "weeks", "ratio"
FILES = "files"
FILE_KEY = [c.FILE_HASH, c.CONTRACT_TABLE]
VERDICT = c.VERDICT


def unbalanced(ledger: pl.DataFrame) -> pl.DataFrame:
    """Rows of raw.ingestions whose parts do not add up to what was read."""
    parts = pl.col(c.ROWS_ACCEPTED) + pl.col(c.ROWS_QUARANTINED) + pl.col(c.ROWS_DUPLICATE)
    return ledger.filter(pl.col(c.ROWS_READ) != parts).sort(FILE_KEY)


def missing_events(ledger: pl.DataFrame, removals: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """Event files of which other rows lie in raw.events than were accepted and not removed again.

    `days` (file_hash, row_count, …) counts the rows of raw.events. Returns source_file, file_hash, rows_accepted,
    rows_removed, rows_present; a file that the ledger does not know has no source_file and 0 accepted rows.
    """
    of_events = pl.col(c.CONTRACT_TABLE) == EVENTS.table
    accepted = ledger.filter(of_events).group_by(c.FILE_HASH).agg(pl.first(c.SOURCE_FILE), pl.sum(c.ROWS_ACCEPTED))
    removed = removals.filter(of_events).group_by(c.FILE_HASH).agg(pl.sum(c.ROWS_REMOVED))
    present = days.group_by(c.FILE_HASH).agg(pl.sum(ROW_COUNT).alias(ROWS_PRESENT))
    held = accepted.join(present, on=c.FILE_HASH, how="full", coalesce=True).join(removed, on=c.FILE_HASH, how="left")
    counts = [c.ROWS_ACCEPTED, c.ROWS_REMOVED, ROWS_PRESENT]
    filled = held.with_columns(pl.col(counts).fill_null(0).cast(pl.Int64))
    expected = pl.col(c.ROWS_ACCEPTED) - pl.col(c.ROWS_REMOVED)
    return filled.filter(expected != pl.col(ROWS_PRESENT)).select(c.SOURCE_FILE, c.FILE_HASH, *counts).sort(c.FILE_HASH)


def quarantine_rates(ledger: pl.DataFrame, run_files: pl.DataFrame, counted: str = c.ROWS_QUARANTINED) -> pl.DataFrame:
    """Each source's share of rejected rows in this run against that of its earlier files.

    `run_files` (file_hash, contract_table) names the ledger's rows of this run; `counted`: the ledger's column of rows
    that are too many, those rejected or those that were there already. Returns source, rows_read, `counted`, rate,
    history_rows, history_files, history_rate (missing without history), limit (from which a rate warns), verdict; by
    source. The history's rate
    is that of its middle file, or of the file that holds its middle row if that is lower: one bad file, however large,
    does not become the habit that the next is held against. More than
    RATE_WARN and RATE_FACTOR times its history is a `warn`, so is more than RATE_WARN without history; it is a `block`
    when at least RATE_BLOCK of at least RUN_ROWS_MIN rows were rejected by a source that was reliable over
    HISTORY_ROWS_MIN rows.
    """
    keys = run_files.select(FILE_KEY).unique()
    now = _refused(ledger.join(keys, on=FILE_KEY, how="semi"), counted)
    earlier = _habits(ledger.join(keys, on=FILE_KEY, how="anti"), counted)
    rates = now.join(earlier, on=c.SOURCE, how="left").with_columns(pl.col(HISTORY_ROWS, HISTORY_FILES).fill_null(0))
    rate, history = pl.col(RATE), pl.col(HISTORY_RATE)
    rates = rates.with_columns(pl.max_horizontal(RATE_WARN, RATE_FACTOR * history.fill_null(0.0)).alias(LIMIT))
    is_unusual = rate > pl.col(LIMIT)
    was_reliable = (pl.col(HISTORY_ROWS) >= HISTORY_ROWS_MIN) & (history < RATE_WARN)
    is_broken = was_reliable & (rate >= RATE_BLOCK) & (pl.col(c.ROWS_READ) >= RUN_ROWS_MIN)
    return rates.with_columns(_verdict(is_broken, is_unusual)).sort(c.SOURCE)


def _refused(ledger: pl.DataFrame, counted: str) -> pl.DataFrame:
    """Rows read and rejected by source; sources that read nothing have no rate and no row."""
    sums = ledger.group_by(c.SOURCE).agg(pl.sum(c.ROWS_READ, counted)).filter(pl.col(c.ROWS_READ) > 0)
    return sums.with_columns((pl.col(counted) / pl.col(c.ROWS_READ)).alias(RATE))


def _habits(ledger: pl.DataFrame, counted: str) -> pl.DataFrame:
    """Rows and files read of each source and the share usually too many: source, history_rows, _files and _rate."""
    files = ledger.group_by(c.SOURCE, c.FILE_HASH).agg(pl.sum(c.ROWS_READ, counted))
    rated = files.filter(pl.col(c.ROWS_READ) > 0).with_columns((pl.col(counted) / pl.col(c.ROWS_READ)).alias(RATE))
    by_rate = rated.sort(c.SOURCE, RATE)
    middle_file = pl.col(RATE).get((pl.len() - 1) // 2)
    middle_row = pl.col(RATE).filter(pl.col(c.ROWS_READ).cum_sum() * 2 >= pl.col(c.ROWS_READ).sum()).first()
    return by_rate.group_by(c.SOURCE, maintain_order=True).agg(
        pl.sum(c.ROWS_READ).alias(HISTORY_ROWS),
        pl.len().cast(pl.Int64).alias(HISTORY_FILES),
        pl.min_horizontal(middle_file, middle_row).alias(HISTORY_RATE),
    )


def weekday_volumes(days: pl.DataFrame) -> pl.DataFrame:
    """Each source's newest complete day against the same weekday of the four weeks before.

    `days` (source, event_date, row_count, …) counts the rows of raw.events; a day is complete once the source has a
    later event. Returns source, event_date, row_count, usual_rows (median, days without events are 0), weeks (how many
    of the four lie in the source's life), ratio, verdict; by source. Fewer than VOLUME_WEEKS_MIN weeks are no history.
    """
    counts = days.group_by(c.SOURCE, c.EVENT_DATE).agg(pl.sum(ROW_COUNT))
    rows = [_volume(str(source[0]), of_source) for source, of_source in counts.group_by(c.SOURCE)]
    schema = {
        c.SOURCE: pl.String(), c.EVENT_DATE: pl.Date(), ROW_COUNT: pl.Int64(), USUAL_ROWS: pl.Float64(),
        WEEKS: pl.Int64(), RATIO: pl.Float64(), VERDICT: pl.String(),
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row").sort(c.SOURCE)


_Volume = tuple[str, date, int, float | None, int, float | None, str]


def _volume(source: str, counts: pl.DataFrame) -> _Volume:
    by_day: dict[date, int] = dict(counts.select(c.EVENT_DATE, ROW_COUNT).iter_rows())
    first, day = min(by_day), max(by_day) - timedelta(days=1)
    earlier = [day - timedelta(weeks=week) for week in range(1, VOLUME_WEEKS + 1)]
    usual_days = pl.Series([by_day.get(each, 0) for each in earlier if each >= first], dtype=pl.Float64)
    rows, weeks = by_day.get(day, 0), len(usual_days)
    if weeks < VOLUME_WEEKS_MIN:
        return source, day, rows, None, weeks, None, NO_HISTORY
    usual = float(usual_days.median() or 0.0)  # pyright: ignore[reportArgumentType] - of floats it is a float
    ratio = rows / usual if usual else None
    is_usual = ratio is None or VOLUME_LOW <= ratio <= VOLUME_HIGH
    return source, day, rows, usual, weeks, ratio, PASS if is_usual else WARN


def rate_sentences(rates: pl.DataFrame) -> list[str]:
    """What is unusual of the rows of `quarantine_rates`, a sentence a source."""
    return [
        f"{row[c.SOURCE]}: {row[c.ROWS_QUARANTINED]:,} of {row[c.ROWS_READ]:,} rows were rejected ({row[RATE]:.0%}); "
        + ("it has no history" if row[HISTORY_RATE] is None else f"{row[HISTORY_RATE]:.1%} are usual")
        for row in rates.filter(pl.col(VERDICT).is_in([WARN, BLOCK])).iter_rows(named=True)
    ]


def volume_sentences(volumes: pl.DataFrame) -> list[str]:
    """What is unusual of the rows of `weekday_volumes`, a sentence a source."""
    return [
        f"{row[c.SOURCE]}: {row[ROW_COUNT]:,} events on {row[c.EVENT_DATE]}, "
        f"{row[USUAL_ROWS]:,.0f} are usual on that weekday"
        for row in volumes.filter(pl.col(VERDICT) == WARN).iter_rows(named=True)
    ]


def freshness(ledger: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """When each source last brought something: source, last_ingested_at, last_occurred_at, files, rows_accepted."""
    brought = ledger.group_by(c.SOURCE).agg(
        pl.max(c.INGESTED_AT).alias(LAST_INGESTED_AT), pl.n_unique(c.FILE_HASH).alias(FILES), pl.sum(c.ROWS_ACCEPTED)
    )
    happened = days.group_by(c.SOURCE).agg(pl.max(LAST_OCCURRED_AT))
    order = [c.SOURCE, LAST_INGESTED_AT, LAST_OCCURRED_AT, FILES, c.ROWS_ACCEPTED]
    return brought.join(happened, on=c.SOURCE, how="left").select(order).sort(c.SOURCE)


def last_files(ledger: pl.DataFrame, limit: int) -> pl.DataFrame:
    """The ledger's newest rows, newest first, as an operator reads them."""
    shown = [
        c.SOURCE_FILE, c.CONTRACT_TABLE, c.ROWS_READ, c.ROWS_ACCEPTED, c.ROWS_QUARANTINED, c.ROWS_DUPLICATE,
        c.INGESTED_AT,
    ]  # fmt: skip
    newest_first = [True, False, False]
    return (
        ledger.sort(c.INGESTED_AT, c.SOURCE_FILE, c.CONTRACT_TABLE, descending=newest_first).head(limit).select(shown)
    )


def worst(verdicts: pl.Series) -> str:
    """The gravest of some verdicts; `pass` for none.

    >>> worst(pl.Series(["pass", "warn", "no history"])), worst(pl.Series([], dtype=pl.String))
    ('warn', 'pass')
    """
    return next((verdict for verdict in (BLOCK, WARN) if verdict in verdicts.to_list()), PASS)


def _verdict(block: pl.Expr, warn: pl.Expr) -> pl.Expr:
    graded = pl.when(block).then(pl.lit(BLOCK)).when(warn).then(pl.lit(WARN)).otherwise(pl.lit(PASS))
    return graded.alias(VERDICT)
