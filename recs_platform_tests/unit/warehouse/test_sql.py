"""What is read from a SQL text, and that binding changes nothing but the placeholders."""

from datetime import UTC, datetime

import pytest
import sqlglot
from hypothesis import example, given
from hypothesis import strategies as st
from sqlglot import exp

from recs_platform.contracts.errors import ModelError
from recs_platform.warehouse.clauses import instant_literal, text_literal
from recs_platform.warehouse.sql import bind, parse_sql, set_parameters
from recs_platform_tests.connections import shared_connection

MODEL = """-- $never bound
with events as (select * from raw.events where occurred_at < $as_of)
select $as_of as as_of, 'costs $as_of' as note, "user $as_of" as user_name, count(*) as n,
from events join features.users as u using (user_id), range(3) as r
where ingested_at <= $known_at group by all;
"""
INSTANTS = {"as_of": datetime(2017, 2, 20, tzinfo=UTC), "known_at": datetime(2017, 2, 21, 15, 0, 0, 7, tzinfo=UTC)}


def test_a_model_names_its_columns_and_tables() -> None:
    parsed = parse_sql(MODEL)
    assert parsed.output_names == ("as_of", "note", "user_name", "n")
    assert parsed.tables == ("features.users", "raw.events")
    assert [placeholder.name for placeholder in parsed.placeholders] == ["as_of", "as_of", "known_at"]


def test_binding_equals_replacing_the_parsed_placeholders() -> None:
    def literal(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Placeholder):
            return sqlglot.parse_one(instant_literal(INSTANTS[node.name]), dialect="duckdb")
        return node

    bound = bind(MODEL, parse_sql(MODEL).placeholders, INSTANTS)
    expected = sqlglot.parse_one(MODEL, dialect="duckdb").transform(literal)
    assert sqlglot.parse_one(bound, dialect="duckdb").sql("duckdb") == expected.sql("duckdb")
    assert "'costs $as_of'" in bound
    assert "-- $never bound" in bound


def test_settings_become_values_and_instants_stay() -> None:
    sql = "select $gap * 60 as s, $z as z, $on as is_on, '$gap' as note, $as_of as as_of, $gapless as g -- $gap"
    done = set_parameters(sql, {"gap": 30, "z": 6.5, "on": True})
    assert (
        done == "select 30 * 60 as s, 6.5 as z, true as is_on, '$gap' as note, $as_of as as_of, $gapless as g -- $gap"
    )
    with pytest.raises(ModelError, match=r"\$gapless"):
        parse_sql(done)


@example("a\0b'")
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_in_a_literal_stays_as_it_is(text: str) -> None:
    assert shared_connection().execute(f"select {text_literal(text)}").fetchall() == [(text,)]
    if "\0" not in text:
        assert sqlglot.parse_one(f"select {text_literal(text)}", dialect="duckdb").expressions[0].this == text


def test_layout_does_not_change_what_a_model_is() -> None:
    again = parse_sql(MODEL.replace("\n", "\n\n    ").replace("select", "SELECT"))
    assert again.normalized == parse_sql(MODEL).normalized
    assert parse_sql(MODEL.replace("count(*)", "sum(1)")).normalized != again.normalized


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("select now() as t from raw.events", "another result"),
        ("select current_date as t", "another result"),
        ("select current_timestamp as t", "another result"),
        ("select today() as t", "another result"),
        ("select random() as r", "another result"),
        ("select uuid() as r", "another result"),
        ("select gen_random_uuid() as r", "another result"),
        ("select nextval('s') as n", "another result"),
        ("select approx_quantile(a, 0.5) as q from raw.events", "another result"),
        ("select approx_count_distinct(a) as n from raw.events", "another result"),
        ("select any_value(a) as v from raw.events", "order by"),
        ("select arbitrary(a) as v from raw.events", "order by"),
        ("select first(a) filter (where a > 1) as v from raw.events", "order by"),
        ("select list(distinct a) as v from raw.events", "order by"),
        ("select string_agg(a, ',') as v from raw.events", "order by"),
        ("select (select a from raw.events limit 1) as v", "order by"),
        ("select a from raw.events using sample 10", "another result"),
        ("select a from read_parquet('x.parquet')", "outside"),
        ("select a from 'x.parquet'", "no CTE"),
        ("select a from events", "no CTE"),
        ("select * from raw.events", "star"),
        ("select a, e.* from raw.events as e", "star"),
        ("select a + 1 from raw.events", "no name"),
        ("select a, b as a from raw.events", "twice"),
        ("select a from raw.events where b < $today", r"\$today"),
        ("select a from raw.events where b = ?", r"\?"),
        ("select 1 as a; select 2 as b", "one select"),
        ("create table t as select 1 as a", "one select"),
        ("selec a from raw.events", "not DuckDB|one select"),
        ("select a from where", "not DuckDB"),
    ],
)
def test_what_a_model_may_not_say(sql: str, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        parse_sql(sql)


@pytest.mark.parametrize(
    "value",
    [
        "list(a order by a)",
        "list_sort(list(a))",
        "len(list(distinct a))",
        "last(a order by b) filter (where a > 1)",
        "string_agg(a, ',' order by a)",
        "first_value(a) over (order by b)",
        "list(a) over (partition by b order by a)",
    ],
)
def test_what_takes_rows_in_a_stated_order_is_stable(value: str) -> None:
    assert parse_sql(f"select {value} as v from raw.events").output_names == ("v",)
