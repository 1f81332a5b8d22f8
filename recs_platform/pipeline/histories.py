"""What reports said as of earlier instants. What they read of this instant is in `reports`."""
# ruff: noqa: S608  names come from contracts, values are instant literals

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import TableContract
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.warehouse.clauses import instant_literal, relation

EARLIER_AS_OFS = 30


def earlier_rows(run: AsOfRun, history: TableContract) -> pl.DataFrame:
    """Rows of the last as-ofs before this one, in no order; `history` is a contract with `history_of`."""
    stored = history.history_of or history.name
    before = [instant for instant in run.platform.lake.as_ofs(stored) if instant < run.as_of]
    since = instant_literal(min(before[-EARLIER_AS_OFS:], default=run.as_of))
    with run.models() as models:
        rows = relation(models.require(history.name))
        return models.query(f"select * from {rows} where {c.AS_OF} >= {since}")
