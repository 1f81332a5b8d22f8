"""The source SQL turns the tracker's rows into contract rows, broken ones recognizably."""

from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
import yaml

from recs_platform.contracts.tables import EVENTS, ITEMS, USERS, EventType, TableContract
from recs_platform.world import World
from recs_platform_tests.worlds import tiny_world

SOURCE = Path(__file__).parents[3] / "dbt_like_sql" / "sources" / "world"
CONTRACTS = {"events": EVENTS, "items": ITEMS, "users": USERS}


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path]:
    folder = tmp_path_factory.mktemp("world")
    return tiny_world(folder), folder


def contract_rows(folder: Path, table: str) -> pl.DataFrame:
    """What ingestion sees: declared columns and line numbers in `raw_records`, then the SQL."""
    (kind,) = [kind for kind in source_yml()["files"] if kind["tables"] == [table]]
    columns: dict[str, str] = kind["columns"]
    files = f"'{folder}/{kind['match']}'"
    types = ", ".join(f"{name}: '{dtype}'" for name, dtype in columns.items())
    reader = f"read_parquet({files})" if kind["format"] == "parquet" else f"read_json({files}, columns = {{{types}}})"
    con = duckdb.connect()
    con.execute("set TimeZone = 'America/New_York'")
    names = ", ".join(f'"{name}"' for name in columns)
    con.execute(f"create view raw_records as select {names}, row_number() over () as line_number from {reader}")
    described = con.execute("describe raw_records").fetchall()
    assert {row[0]: row[1].lower() for row in described if row[0] != "line_number"} == columns
    con.execute("set TimeZone = 'UTC'")
    return con.sql((SOURCE / f"{table}.sql").read_text()).pl()


def source_yml() -> Any:
    return yaml.safe_load((SOURCE / "source.yml").read_text())


@pytest.mark.parametrize("table", ["events", "items", "users"])
def test_columns_are_the_contracts_and_cast_without_loss(landed: tuple[World, Path], table: str) -> None:
    rows = contract_rows(landed[1], table)
    contract: TableContract = CONTRACTS[table]
    assert set(rows.columns) - {"line_number"} <= set(contract.column_names)
    con = duckdb.connect()
    con.register("given", rows.to_arrow())
    dtypes = {column.name: column.dtype for column in contract.columns}
    for name in set(rows.columns) - {"line_number"}:
        lost = con.execute(
            f"select count(*) from given where {name} is not null and try_cast({name} as {dtypes[name]}) is null"
        ).fetchall()
        assert lost == [(0,)], name


def test_each_record_gives_one_row(landed: tuple[World, Path]) -> None:
    world, folder = landed
    for table in CONTRACTS:
        assert contract_rows(folder, table).height == getattr(world, table).height


def test_rows_that_break_the_contract_are_those_the_truth_broke(landed: tuple[World, Path]) -> None:
    world, folder = landed
    events = contract_rows(folder, "events")
    year = pl.col("occurred_at").dt.year()
    found = {
        "null_user": pl.col("user_id").is_null(),
        "unknown_action": ~pl.col("event_type").is_in(list(EventType)),
        "scroll_over_one": pl.col("scroll_fraction") > 1,
        "epoch_1970": year == 1970,
        "year_2124": year == 2124,
        "null_time": pl.col("occurred_at").is_null(),
        "negative_dwell": pl.col("dwell_seconds") < 0,
        "position_zero": pl.col("position") < 1,
    }
    counts = {kind: events.filter(rule).height for kind, rule in found.items()}
    assert counts == world.truth.broken_rows
    assert events.filter(pl.any_horizontal(found.values())).height == sum(world.truth.broken_rows.values())


def test_a_sound_row_says_what_happened(landed: tuple[World, Path]) -> None:
    world, folder = landed
    events = contract_rows(folder, "events").join(world.events, left_on="event_id", right_on="eid", how="inner")
    bought = events.filter(pl.col("event_type") == "purchase")
    assert (bought["value"] * 100).round().to_list() == bought["cents"].to_list()
    rated = events.filter(pl.col("event_type") == "rating")
    assert rated["value"].is_between(1, 5).all()
    sound = events.filter(pl.col("occurred_at").dt.year() == 2024)
    assert sound["occurred_at"].dt.epoch("ms").to_list() == sound["ts_ms"].to_list()
    shown = events.filter((pl.col("event_type") == "impression") & (pl.col("position") > 0))
    assert (shown["position"] == shown["slot"] + 1).all()
    assert shown["propensity"].is_between(0, 1, closed="right").all()
    assert set(EventType) - set(events["event_type"]) <= {EventType.SUBSCRIBE, EventType.DOWNLOAD, EventType.SHARE}


def test_items_and_users_keep_their_attributes(landed: tuple[World, Path]) -> None:
    world, folder = landed
    items, users = contract_rows(folder, "items"), contract_rows(folder, "users")
    expiring = items["available_until"].is_not_null()
    assert expiring.sum() == world.items["offline_ms"].is_not_null().sum() > 0
    assert (items.filter(expiring)["available_until"] > items.filter(expiring)["published_at"]).all()
    assert items["tags"].list.n_unique().eq(3).all()
    assert items["item_id"].n_unique() == world.config.items
    region = users["attributes"].str.json_path_match("$.region")
    assert region.str.head(2).eq_missing(users["country"]).all()
    assert users["consent_personalization"].null_count() == 0
