import pytest

from recs_platform.warehouse.row_shape import is_row_by_row


@pytest.mark.parametrize(
    "sql",
    [
        "select a, lower(b) as b from r",
        "with t as (select a from r), s as (select a + 1 as a from t) select a from s",
        "select make_timestamptz(a) as t from r",
    ],
)
def test_columns_and_scalar_expressions_keep_rows_and_their_order(sql):
    assert is_row_by_row(sql, "r")


@pytest.mark.parametrize(
    "sql",
    [
        "select a from r where a > 0",
        "select distinct a from r",
        "select row_number() over (order by a) as n from r",
        "select a from r order by a",
        "select a from r limit 5",
        "select unnest(a) as b from r",
        "select count(*) as n from r",
        "select a from r group by a",
        "select r.a from r join s using (a)",
        "select a from r union all select a from r",
        "select a from other",
        "with t as (select a from r where a > 0) select a from t",
        "select unknown_function(a) as b from r",
        "select a from r qualify row_number() over (order by a) = 1",
        "select a from r, unnest([1, 2])",
        "select a from (select a from r where false)",
    ],
)
def test_whatever_may_lose_add_or_move_rows_does_not(sql):
    assert not is_row_by_row(sql, "r")
