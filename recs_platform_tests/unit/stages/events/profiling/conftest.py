"""A connection on which the SQL of sources runs."""

import duckdb
import pytest

from recs_platform.stages.events.macros import prepare_macros


@pytest.fixture(scope="module")
def con():
    with duckdb.connect() as found:
        found.execute("set TimeZone = 'UTC'")
        prepare_macros(found)
        yield found
