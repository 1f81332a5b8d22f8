"""The lists of a whole run, as an analyst finds them: complete, new to their reader, true in what they say."""

import polars as pl
import pytest

from recs_platform.pipeline.retrieval.inputs import retrieval_config
from recs_platform.stages import retrieval
from recs_platform_tests.homes import Built, ask

TABLES = {
    "raw.events", "raw.items", "raw.users", "raw.item_history", "raw.user_history", "raw.item_tags", "raw.quarantine",
    "raw.ingestions", "features.user_features", "features.item_features", "segments.user_segments",
    "segments.segment_profiles", "recommendations.current", "recommendations.releases", "recommendations.short_lists",
    "reports.offline_metrics", "reports.drift", "reports.bias", "reports.verdicts", "meta.tables", "meta.columns",
    "meta.column_lineage",
}  # fmt: skip
COLUMNS = {
    "recommendations.current": "user_id rank item_id score sources reason segment_id propensity as_of ranker_version "
    "release_id propensity_method is_holdout",
    "reports.offline_metrics": "as_of model segment metric k value ci_low ci_high n_users protocol horizon_days "
    "n_windows",
    "segments.user_segments": "as_of user_id segment_id segment_name",
    "raw.events": "event_id file_hash user_id item_id event_type occurred_at ingested_at event_date session_id value "
    "dwell_seconds scroll_fraction position request_id propensity device os country region referrer source",
    "raw.items": "item_id title body category tags creator language price published_at available_from available_until "
    "attributes",
    "raw.users": "user_id signed_up_at country age_band gender subscription consent_personalization attributes",
    "raw.quarantine": "file_hash source_file line_number contract_table reason_code reason payload ingested_at",
    "raw.ingestions": "file_hash source_file source contract_table raw_records rows_read rows_accepted "
    "rows_quarantined rows_duplicate attributes_dropped ingested_at",
}
KNOWN = (
    "(select user_id from raw.users where signed_up_at is null or signed_up_at < (select any_value(as_of) from "
    "recommendations.current) union select user_id from raw.events)"
)


def _tables(built: Built) -> set[str]:
    found = ask(built.platform, "select table_schema || '.' || table_name as name from information_schema.tables")
    return set(found["name"])


def test_the_file_holds_every_promised_table_and_marts(built: Built) -> None:
    found = _tables(built)
    assert found >= TABLES
    assert any(name.startswith("marts.") for name in found)


@pytest.mark.parametrize("table", sorted(COLUMNS))
def test_promised_columns_come_in_order(built: Built, table: str) -> None:
    assert ask(built.platform, f"from {table} limit 0").columns == COLUMNS[table].split()


@pytest.mark.parametrize("schema", ["features", "segments"])
def test_as_of_tables_carry_the_as_of_of_the_run(built: Built, schema: str) -> None:
    without = {"segments.migrations"}  # the first as-of has none before it
    for table in sorted(name for name in _tables(built) - without if name.startswith(f"{schema}.")):
        assert ask(built.platform, f"select distinct as_of from {table}").rows() == [(built.as_of,)], table


def test_every_known_user_has_k_distinct_items_at_ranks_1_to_k(built: Built) -> None:
    k = built.platform.settings.k
    lists = ask(
        built.platform,
        "select u.user_id, count(r.item_id) as n, count(distinct r.item_id) as items, list(r.rank order by r.rank) as "
        f"ranks from {KNOWN} u left join recommendations.current r using (user_id) group by all",
    )
    assert lists.height >= 60
    assert lists.filter((pl.col("n") != k) | (pl.col("items") != k)).is_empty()
    assert lists["ranks"].to_list() == [list(range(1, k + 1))] * lists.height


def test_nobody_unknown_is_served(built: Built) -> None:
    assert ask(
        built.platform, f"select distinct user_id from recommendations.current where user_id not in {KNOWN}"
    ).is_empty()


def test_nothing_consumed_is_recommended(built: Built) -> None:
    broken = ask(
        built.platform,
        "from recommendations.current r semi join (from raw.events where event_type <> 'impression') e "
        "on e.user_id = r.user_id and e.item_id = r.item_id and e.occurred_at < r.as_of",
    )
    assert broken.is_empty()


def test_only_available_items_are_recommended(built: Built) -> None:
    gone = ask(
        built.platform,
        "from recommendations.current r join raw.items i using (item_id) where i.available_until <= r.as_of "
        "or i.available_from >= r.as_of or i.published_at >= r.as_of",
    )
    assert gone.is_empty()


def test_each_row_says_why_and_where_from(built: Built) -> None:
    rows = ask(built.platform, "from recommendations.current")
    assert rows["reason"].str.strip_chars().str.len_chars().min() > 0
    names = {source.name for source in retrieval.SOURCES} | {"fallback"}
    assert set(rows["sources"].explode()) <= names
    assert rows.filter(pl.col("sources").list.len() == 0).is_empty()
    assert rows.filter((pl.col("propensity") <= 0) | (pl.col("propensity") > 1)).is_empty()
    assert rows["release_id"].n_unique() == rows["ranker_version"].n_unique() == 1


def test_metrics_stand_beside_popularity_and_every_source(built: Built) -> None:
    metrics = ask(built.platform, "from reports.offline_metrics where segment = 'all' and metric = 'ndcg'")
    enabled = {source.name for source in retrieval_config(built.platform).configured_sources()}
    assert set(metrics["model"]) == {"final", "popularity"} | enabled
    assert "content" not in enabled  # a source that is off has no figures, not zeros
    assert metrics["value"].is_between(0, 1).all()
    assert (metrics["ci_low"] <= metrics["value"]).all()
    assert (metrics["value"] <= metrics["ci_high"]).all()


def test_reports_say_no_data_rather_than_pass(built: Built) -> None:
    assert set(ask(built.platform, "from reports.verdicts")["verdict"]) <= {"pass", "warn", "no_data"}
    silent = ask(built.platform, "from reports.bias where group_name = 'no_data' and verdict = 'pass'")
    assert silent.is_empty()


def test_every_published_column_is_described(built: Built) -> None:
    missing = ask(
        built.platform,
        "select table_schema || '.' || table_name as t, c.column_name from information_schema.columns c "
        "anti join meta.columns m on m.table_name = c.table_schema || '.' || c.table_name and "
        "m.column_name = c.column_name and m.description <> ''",
    )
    assert missing.rows() == []


def test_the_ledger_balances(built: Built) -> None:
    unbalanced = ask(
        built.platform,
        "from raw.ingestions where rows_read <> rows_accepted + rows_quarantined + rows_duplicate",
    )
    assert unbalanced.is_empty()
    assert ask(
        built.platform,
        "select (select sum(rows_accepted) from raw.ingestions where contract_table = 'events') "
        "= (select count(*) from raw.events) as same",
    )["same"].item()


def test_the_champion_learned_only_from_what_was_before(built: Built) -> None:
    from recs_platform.pipeline.as_of_run import AsOfRun
    from recs_platform.pipeline.training.champion import choose_champion

    labels_end = choose_champion(AsOfRun(built.platform, built.as_of, built.known_at)).manifest.parameters["labels_end"]
    assert labels_end <= built.as_of.isoformat()
