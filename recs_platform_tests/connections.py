"""DuckDB connections that tests of one process share: opening one takes longer than a small ingestion."""

from functools import cache

import duckdb

from recs_platform.warehouse.connection import connect


@cache
def shared_connection(threads: int = 1) -> duckdb.DuckDBPyConnection:
    """One a process and number of threads, in UTC; it may not spill, and what is made in it is dropped by its maker."""
    return connect(memory_limit_gb=1, threads=threads)
