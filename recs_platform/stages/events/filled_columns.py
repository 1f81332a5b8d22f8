"""Columns of events that a source fills no longer: what came now against what the same source and event types had.

Pure functions over counts; reading the lake and showing the result belong to the assets.
"""

from collections.abc import Collection, Sequence

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import EVENTS
from recs_platform.stages.events.ledger_checks import PASS, ROW_COUNT, VERDICT, WARN

# Columns that a source may leave empty.
OPTIONAL = tuple(column.name for column in EVENTS.columns if not column.required)
HISTORY_DAYS = 28
SHARE_MIN = 0.1  # of what was expected
EXPECTED_MIN = 20.0  # values; of fewer, none may be chance
HISTORY_ROWS_MIN = 1_000
FILLED, EXPECTED = "filled", "expected"


def columns_gone(
    counts: pl.DataFrame,
    new: Collection[str],
    columns: Sequence[str] = OPTIONAL,
    history_rows_min: int = HISTORY_ROWS_MIN,
) -> pl.DataFrame:
    """What this run's files filled of each column, by source, against what was to be expected.

    `counts`: source, file_hash, event_type, row_count and, by its name, the non-null values of each of `columns`;
    `new`: hashes of this run's files. Expected is the sum over event types of the rows that came times the share that
    earlier files filled: a file without purchases owes none of their values; fewer than `history_rows_min` earlier rows
    of a type let expect nothing. Of other rows, days or ingestions, the same is told. Returns source, column_name,
    row_count, filled,
    expected, verdict; only where at least EXPECTED_MIN values were expected, by source and column.

    >>> seen = {"source": "shop", "event_type": "view", "row_count": [2000, 100], **dict.fromkeys(OPTIONAL, 0)}
    >>> seen |= {"file_hash": ["old", "new"], "device": [1000, 3], "region": [2000, 100]}
    >>> columns_gone(pl.DataFrame(seen), {"new"}).select("column_name", "filled", "expected", "verdict").rows()
    [('device', 3, 50.0, 'warn'), ('region', 100, 100.0, 'pass')]
    """
    is_new = pl.col(c.FILE_HASH).is_in(list(new))
    long = counts.unpivot(
        columns,
        index=[c.SOURCE, c.FILE_HASH, c.EVENT_TYPE, ROW_COUNT],
        variable_name=c.COLUMN_NAME,
        value_name=FILLED,
    )
    kind = [c.SOURCE, c.EVENT_TYPE, c.COLUMN_NAME]
    sums = [pl.sum(ROW_COUNT), pl.sum(FILLED)]
    before = long.filter(~is_new).group_by(kind).agg(sums).filter(pl.col(ROW_COUNT) >= history_rows_min)
    share = before.select(*kind, (pl.col(FILLED) / pl.col(ROW_COUNT)).alias("share"))
    now = long.filter(is_new).group_by(kind).agg(sums).join(share, on=kind, how="inner")
    found = now.group_by(c.SOURCE, c.COLUMN_NAME).agg(
        *(pl.sum(name).cast(pl.Int64) for name in (ROW_COUNT, FILLED)),
        (pl.col(ROW_COUNT) * pl.col("share")).sum().alias(EXPECTED),
    )
    is_gone = pl.col(FILLED) < SHARE_MIN * pl.col(EXPECTED)
    judged = found.with_columns(pl.when(is_gone).then(pl.lit(WARN)).otherwise(pl.lit(PASS)).alias(VERDICT))
    return judged.filter(pl.col(EXPECTED) >= EXPECTED_MIN).sort(c.SOURCE, c.COLUMN_NAME)


def gone_sentences(columns: pl.DataFrame) -> list[str]:
    """What a source fills no longer of the rows of `columns_gone`, a sentence a column."""
    return [
        f"{row[c.SOURCE]}: {row[c.COLUMN_NAME]} has a value in {row[FILLED]:,} of {row[ROW_COUNT]:,} events, "
        f"{row[EXPECTED]:,.0f} were to be expected; look at the source or its SQL"
        for row in columns.filter(pl.col(VERDICT) == WARN).iter_rows(named=True)
    ]
