"""A world of clicks drawn and put into contract columns."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.world.clicks.choices import choose_items
from recs_platform.world.clicks.config import ClickWorldConfig
from recs_platform.world.clicks.items import Items, draw_items, item_ids, items_table
from recs_platform.world.clicks.visits import DEVICES, Clicks, Users, draw_clicks, draw_users
from recs_platform.world.config import DAY_MS
from recs_platform.world.draws import Codes, Flags
from recs_platform.world.identifiers import named, numbered
from recs_platform.world.population import COUNTRIES, REGIONS

_AFTER_MS = 20_000  # between a click and each thing that follows it


@dataclass(frozen=True)
class ClickWorld:
    """Events by time, items and users, in contract columns; `file_rows`: how many events each file holds."""

    config: ClickWorldConfig
    events: pl.DataFrame
    items: pl.DataFrame
    users: pl.DataFrame
    file_rows: tuple[int, ...]


def simulate_clicks(config: ClickWorldConfig) -> ClickWorld:
    """Simulate; repeated clicks that nobody meant fall away, so that events may be fewer by some percent."""
    items, users, clicks = draw_items(config), draw_users(config), draw_clicks(config)
    chosen = choose_items(config, items, users, clicks)
    events = _events(config, items, users, clicks, chosen)
    day = (events[c.OCCURRED_AT].dt.epoch("ms").to_numpy() - config.start_ms) * config.event_files
    number = np.minimum(day // (config.days * DAY_MS), config.event_files - 1)
    rows = np.bincount(number, minlength=config.event_files)
    return ClickWorld(
        config, events, items_table(config, items), _users_table(config, users), tuple(int(each) for each in rows)
    )


def _events(config: ClickWorldConfig, items: Items, users: Users, clicks: Clicks, chosen: Codes) -> pl.DataFrame:
    rng = config.generator("follow_ups")
    happens = chosen >= 0
    parts = [_rows(config, items, users, clicks, chosen, happens, config.click_type, 0)]
    for after, (event_type, chance) in enumerate(config.follow_ups.items(), start=1):
        happens = happens & (rng.random(len(chosen)) < chance)
        parts.append(_rows(config, items, users, clicks, chosen, happens, event_type, after))
    events = pl.concat(parts).sort(c.OCCURRED_AT, c.USER_ID, c.ITEM_ID, c.EVENT_TYPE)
    numbers = numbered(f"e{config.key[:4]}-", np.arange(events.height))
    return events.select(numbers.alias(c.EVENT_ID), pl.all())


def _rows(
    config: ClickWorldConfig,
    items: Items,
    users: Users,
    clicks: Clicks,
    chosen: Codes,
    happens: Flags,
    event_type: str,
    after: int,
) -> pl.DataFrame:
    user, item = clicks.user[happens], chosen[happens]
    return pl.DataFrame(
        {
            c.USER_ID: _user_ids(config).gather(user),
            c.ITEM_ID: item_ids(config, items).gather(item),
            c.EVENT_TYPE: pl.repeat(event_type, len(user), eager=True),
            c.OCCURRED_AT: pl.Series(clicks.at_ms[happens] + after * _AFTER_MS).cast(pl.Datetime("ms", "UTC")),
            c.SESSION_ID: numbered(f"v{config.key[:4]}-", clicks.visit[happens]),
            c.DEVICE: named(DEVICES, users.device[user]),
            c.COUNTRY: named(COUNTRIES, users.region[user] // (len(REGIONS) // len(COUNTRIES))),
            c.REGION: named(REGIONS, users.region[user]),
        }
    )


def _users_table(config: ClickWorldConfig, users: Users) -> pl.DataFrame:
    countries = named(COUNTRIES, users.region // (len(REGIONS) // len(COUNTRIES)))
    return pl.DataFrame({c.USER_ID: _user_ids(config), c.COUNTRY: countries})


def _user_ids(config: ClickWorldConfig) -> pl.Series:
    return numbered(f"u{config.key[:4]}-", np.arange(config.users))
