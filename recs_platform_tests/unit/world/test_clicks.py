"""Worlds of clicks are what their presets say: seeded, of the size asked for, each with the trait it is named for."""

from pathlib import Path

import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import UsageError
from recs_platform.evaluation.data_profile import item_half_life_days, repeat_share
from recs_platform.world.clicks import PRESETS, ClickWorld, click_world_config, simulate_clicks, write_click_landing


def _world(preset: str, seed: int = 3) -> ClickWorld:
    config = click_world_config(preset, seed=seed, users=1_500, items=600, days=14, events=20_000)
    return simulate_clicks(config)


@pytest.fixture(scope="module")
def worlds() -> dict[str, ClickWorld]:
    return {preset: _world(preset) for preset in PRESETS}


def _interactions(world: ClickWorld) -> pl.DataFrame:
    clicks = world.events.filter(pl.col(c.EVENT_TYPE) == world.config.click_type)
    return clicks.with_columns(pl.col(c.OCCURRED_AT).dt.epoch("us").alias("occurred_us"), pl.lit(1.0).alias(c.WEIGHT))


@pytest.mark.parametrize("preset", list(PRESETS))
def test_it_is_what_was_asked_for(worlds: dict[str, ClickWorld], preset: str) -> None:
    world = worlds[preset]
    events, config = world.events, world.config
    # Few items, many clicks: what somebody would click again falls away.
    assert 0.5 * config.events < events.height < 1.1 * config.events
    assert sum(world.file_rows) == events.height
    assert events[c.EVENT_ID].is_unique().all()
    assert events[c.OCCURRED_AT].is_sorted()
    assert world.items[c.ITEM_ID].n_unique() == config.items
    assert events.join(world.items, on=c.ITEM_ID, how="anti").is_empty()
    # Nothing is clicked on before it is there.
    at = events.join(world.items.select(c.ITEM_ID, c.PUBLISHED_AT), on=c.ITEM_ID, how="left")
    late = at.filter(pl.col(c.PUBLISHED_AT) > pl.col(c.OCCURRED_AT) + pl.duration(hours=1))
    assert late.is_empty()


def test_a_seed_is_a_world() -> None:
    first, again, other = _world("news"), _world("news"), _world("news", seed=4)
    assert first.events.equals(again.events)
    assert first.config.half_life_hours != other.config.half_life_hours


def test_news_die_and_a_shop_repeats(worlds: dict[str, ClickWorld]) -> None:
    news, shop = _interactions(worlds["news"]), _interactions(worlds["shop"])
    news_life, shop_life = item_half_life_days(news), item_half_life_days(shop)
    assert news_life is not None
    assert news_life < 2
    assert shop_life is None or shop_life > news_life
    assert (repeat_share(shop) or 0) > 0.05
    assert repeat_share(news) == 0


def test_courses_are_begun_at_their_first_item_and_gone_through_in_order(worlds: dict[str, ClickWorld]) -> None:
    world = worlds["courses"]
    clicks = _interactions(world).sort(c.USER_ID, c.OCCURRED_AT)
    length = world.config.series_items
    # Items of a series were drawn in order: their titles do not say so, their publication does.
    items = world.items.sort(c.CREATOR, c.CATEGORY, c.PUBLISHED_AT)
    assert items.height % length == 0
    assert clicks.select(c.USER_ID, c.ITEM_ID).is_unique().all()


def test_files_are_those_of_the_contract(worlds: dict[str, ClickWorld], tmp_path: Path) -> None:
    written = write_click_landing(worlds["courses"], tmp_path)
    assert sorted({path.name.split(".")[0] for path in written}) == ["events", "items", "users"]
    assert pl.concat(pl.read_parquet(path) for path in written if path.name.startswith("events")).height == sum(
        worlds["courses"].file_rows
    )


def test_an_unknown_preset_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match=r"no preset 'newz'.*news"):
        click_world_config("newz", seed=1)
