"""The same rows at one thread and at two, to the last bit."""

import numpy as np
import polars as pl
import pytest

from recs_platform.contracts import columns as c

pytestmark = pytest.mark.trial

EVENTS = 300_000  # more than two row groups of DuckDB, so that two threads share the sums


@pytest.fixture(scope="module")
def large_log(log) -> dict[str, pl.DataFrame]:
    """The random log with its events repeated at other instants, so that sums run over many rows of uneven size."""
    rng = np.random.default_rng(11)
    chosen = log["raw.events"][rng.integers(0, log["raw.events"].height, EVENTS)]
    shifted = chosen.with_columns(
        pl.Series(c.EVENT_ID, np.arange(EVENTS)).cast(pl.String),
        pl.col(c.OCCURRED_AT) + pl.Series(rng.integers(0, 43_200_000_000, EVENTS)).cast(pl.Duration("us")),
    ).with_columns(pl.col(c.OCCURRED_AT).dt.date().alias(c.EVENT_DATE))
    return {**log, "raw.events": shifted}


def test_two_threads_give_the_rows_of_one(run_of, large_log, models):
    one, two = run_of(large_log, threads=1), run_of(large_log, threads=2)
    for schema in ("features", "segments", "marts"):
        for model in models.of(schema):
            alone = one.frame(model.name, ordered=True)
            together = two.frame(model.name, ordered=True)
            assert alone.equals(together), f"{model.name} differs between one and two threads"
