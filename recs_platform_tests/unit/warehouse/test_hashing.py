"""A content hash tells contents apart and nothing else."""

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recs_platform.contracts.errors import ContractError
from recs_platform.warehouse.connection import connect
from recs_platform.warehouse.hashing import content_hash

ROWS = "(select i, i * 0.1 as value, 'u' || i as name, [i, i + 1] as pair from range(50000) as r(i))"


def test_threads_and_order_do_not_matter(con: duckdb.DuckDBPyConnection) -> None:
    single = connect(memory_limit_gb=1, threads=1)
    expected = content_hash(single, ROWS)
    single.close()
    assert content_hash(con, ROWS) == expected
    assert content_hash(con, f"(select name, pair, value, i from {ROWS} order by value desc)") == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("(select 0.1::double + 0.2 as a)", "(select 0.3::double as a)"),
        ("(select null as a)", "(select '' as a)"),
        ("(select null::varchar as a)", "(select 'NULL' as a)"),
        ("(select 'ab' as a, 'c' as b)", "(select 'a' as a, 'bc' as b)"),
        ("(select 1 as a)", "(select 1 as b)"),
        ("(select 1 as a)", "(select 1 as a union all select 1)"),
        ("(select ['a, b'] as a)", "(select ['a', 'b'] as a)"),
        ("(select [null] as a)", "(select ['NULL'] as a)"),
        (
            "(select timestamptz '2020-01-01 00:00:00+00' as a)",
            "(select timestamptz '2020-01-01 00:00:00.000001+00' as a)",
        ),
    ],
)
def test_different_contents_differ(con: duckdb.DuckDBPyConnection, one: str, other: str) -> None:
    assert content_hash(con, one) != content_hash(con, other)


def test_columns_can_be_left_out(con: duckdb.DuckDBPyConnection) -> None:
    assert content_hash(con, "(select 1 as a, 2 as b)", ["b"]) == content_hash(con, "(select 1 as a)")
    with pytest.raises(ContractError, match="nothing"):
        content_hash(con, "(select 1 as a)", ["nothing"])


@given(st.lists(st.floats(allow_nan=False, width=64), min_size=2, max_size=2, unique_by=repr))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_digit_of_a_double_counts(con: duckdb.DuckDBPyConnection, pair: list[float]) -> None:
    hashes = {content_hash(con, f"(select '{value!r}'::double as a)") for value in pair}
    assert len(hashes) == 2
