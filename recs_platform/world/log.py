"""A large made-up log for measurements of speed: skewed users and items, visits of several events. It has no truth."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from recs_platform.contracts.time import DAY_SECONDS

EVENTS = 10_000_000
USERS = 500_000
ITEMS = 50_000
VISIT_EVENTS = 8
SHOWN = 5
NICHE = 200
DAYS = 90
FIRST_DAY = "2024-01-01"


def write_log(folder: Path, *, events: int = EVENTS, users: int = USERS, items: int = ITEMS, days: int = DAYS) -> None:
    """Write `events.parquet` and `items.parquet` in contract columns; the same bytes for the same sizes.

    A visit shows five items or more and goes on with one of them, of the user's niche more often than not: three of
    four events are impressions. Three of ten visits have no session id. Low numbers of users and items take most.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _connection() as con:
        con.execute(f"copy ({_events_sql(events, users, items, days)}) to '{folder / 'events.parquet'}'")
        con.execute(f"copy ({_items_sql(items)}) to '{folder / 'items.parquet'}'")


def write_log_by_day(history: Path, last_day: Path, *, events: int, users: int, items: int, days: int) -> datetime:
    """The same, about `events` events of `days` days in `history` and those of the day after in `last_day`.

    Returns the midnight between the two.
    """
    for folder in (history, last_day):
        folder.mkdir(parents=True, exist_ok=True)
    midnight = datetime.fromisoformat(FIRST_DAY).replace(tzinfo=UTC) + timedelta(days=days)
    log = _events_sql(events * (days + 1) // days, users, items, days + 1)
    with _connection() as con:
        for folder, distance in ((history, "< 0"), (last_day, "= 0")):
            chosen = f"date_diff('day', timestamptz '{midnight.isoformat()}', occurred_at) {distance}"
            con.execute(f"copy (from ({log}) where {chosen}) to '{folder / 'events.parquet'}'")
        con.execute(f"copy ({_items_sql(items)}) to '{history / 'items.parquet'}'")
    return midnight


def _connection() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("set enable_progress_bar = false")
    con.execute("set TimeZone = 'UTC'")
    con.execute("create macro chance(x, salt) as (hash(x * 1000 + salt) % 1000000007) / 1000000007.0")
    return con


def _events_sql(events: int, users: int, items: int, days: int) -> str:
    return f"""
        with visits as (
            select
                i as visit,
                floor(pow(chance(i, 1), 1.5) * {users})::bigint as user_number,
                floor(chance(i, 2) * {days * DAY_SECONDS})::bigint as starts_at,
                chance(i, 3) < 0.3 as is_unnamed,
                (['mobile', 'desktop', 'tablet'])[1 + (chance(i, 4) * chance(i, 5) * 3)::integer % 3] as device,
                (['DE', 'US', 'IN', 'BR', 'JP'])[1 + user_number % 5] as country,
                (['1', '2', '3'])[1 + user_number % 3] as area
            from range({events // VISIT_EVENTS}) as numbers(i)
        ),

        steps as (
            select
                *,
                visit * {VISIT_EVENTS} + step as number,
                chance(visit * {VISIT_EVENTS} + step, 6) as kind,
                case when step < {SHOWN} then step else visit % {SHOWN} end as place
            from visits cross join range({VISIT_EVENTS}) as places(step)
        ),

        typed as (
            select
                *,
                case
                    when step = {SHOWN} and kind < 0.9 then 'click'
                    when step = {SHOWN + 1} and kind < 0.7 then 'view'
                    when step = {SHOWN + 2} and kind < 0.05 then 'like'
                    when step = {SHOWN + 2} and kind < 0.10 then 'cart_add'
                    when step = {SHOWN + 2} and kind < 0.15 then 'purchase'
                    when step = {SHOWN + 2} and kind < 0.20 then 'rating'
                    else 'impression'
                end as event_type,
                case
                    when chance(visit * {VISIT_EVENTS} + place, 12) < 0.4
                        then floor(pow(chance(visit * {VISIT_EVENTS} + place, 7), 2) * {items})::bigint
                    else (user_number * 37 + (chance(visit * {VISIT_EVENTS} + place, 7) * {NICHE})::bigint) % {items}
                end as item_number
            from steps
        )

        select
            'e' || number as event_id,
            'u' || user_number as user_id,
            'i' || item_number as item_id,
            event_type,
            timestamptz '{FIRST_DAY} 00:00:00+00' + to_seconds(starts_at + step * 40) as occurred_at,
            case when not is_unnamed then 's' || visit end as session_id,
            case event_type
                when 'purchase' then round(chance(number, 8) * 100, 2) when 'rating' then 1 + number % 5
            end as value,
            case when event_type in ('click', 'view') then round(chance(number, 9) * 120, 1) end as dwell_seconds,
            case when event_type = 'view' then round(chance(number, 10), 2) end as scroll_fraction,
            case when event_type = 'impression' then (1 + place)::integer end as position,
            device,
            country,
            country || '-' || area as region
        from typed
    """  # noqa: S608 - numbers


def _items_sql(items: int) -> str:
    return f"""
        select
            'i' || i as item_id,
            'title ' || i as title,
            'category ' || (i * 40 // {items}) as category,
            ['tag ' || (i // 500), 'tag ' || (i // 50), 'tag ' || (i % 1009)] as tags,
            'creator ' || (i // 10) as creator,
            (['en', 'de', 'pt'])[1 + i * 3 // {items}] as language,
            round(chance(i, 11) * 50, 2) as price,
            timestamptz '{FIRST_DAY} 00:00:00+00' - to_days((i % 300)::integer) as published_at
        from range({items}) as numbers(i)
    """  # noqa: S608 - a number
