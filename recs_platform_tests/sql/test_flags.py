"""Flags against plain Python on random logs; later events never change them; they find bots and leave people alone."""
# pyarrow brings no types.
# pyright: reportUnknownMemberType=false

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import median_low
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recs_platform.contracts import columns as c
from recs_platform.contracts import tables
from recs_platform.contracts.tables import EventType
from recs_platform.lake.tables import Lake
from recs_platform.warehouse.connection import connect
from recs_platform.warehouse.models import Models, load_models
from recs_platform.warehouse.parameters import DEFAULT_PARAMETERS
from recs_platform.warehouse.runner import ModelRun
from recs_platform.warehouse.sql_tests import run_tests
from recs_platform.world import WorldConfig, simulate

SQL = Path(__file__).parents[2] / "dbt_like_sql"
FIRST = datetime(2020, 1, 1, tzinfo=UTC)
KNOWN_AT = datetime(2030, 1, 1, tzinfo=UTC)
DAYS, HISTORY_DAYS, Z_MAX, IQR_FACTOR, EVENTS_MIN, VALUES_MIN = 6, 3, 2.0, 1.5, 110, 100
LEAST_SPREAD = {"dwell": 0.1, "scroll": 0.05, "rate": 0.5}
STEP = {"dwell": 0.02, "scroll": 0.01, "rate": 0.01}
WEEK_US = 7 * 24 * 3600 * 10**6
Flags = dict[tuple[str, str], float]


@pytest.fixture(scope="module")
def touchy() -> Models:
    """The models with limits that a small log crosses."""
    parameters = {
        **DEFAULT_PARAMETERS,
        "outlier_history_days": HISTORY_DAYS,
        "outlier_z_max": Z_MAX,
        "outlier_iqr_factor": IQR_FACTOR,
        "outlier_history_events_min": EVENTS_MIN,
    }
    contracts = [value for value in vars(tables).values() if isinstance(value, tables.TableContract)]
    return load_models(SQL / "models", contracts, parameters)


def run_on(models: Models, events: pl.DataFrame, threads: int = 1) -> ModelRun:
    con = connect(memory_limit_gb=1, threads=threads)
    run = ModelRun(con, Lake(Path("no-lake")), models, (), as_of=KNOWN_AT, known_at=KNOWN_AT, scratch=True)
    run.register("raw.events", events)
    run.register("raw.ingestions", pl.DataFrame({c.FILE_HASH: ["f"], c.CONTRACT_TABLE: ["events"]}))
    return run


def flags_of(models: Models, events: pl.DataFrame, threads: int = 1) -> Flags:
    found = run_on(models, events, threads).frame("flags.event_flags")
    flags = {(row[c.EVENT_ID], row[c.RULE]): row[c.SCORE] for row in found.to_dicts()}
    assert len(flags) == found.height, "an event and rule came twice"
    return flags


@cache
def random_log(seed: int) -> pl.DataFrame:
    """Ten users over six days, most of them calm: some hours are crowded, one user never sleeps, one keeps a pace."""
    rng = np.random.default_rng(seed)
    days = np.sort(rng.integers(0, DAYS, 900))
    seconds = days * 86_400 + rng.integers(0, 24, 900) * 3_600 + rng.integers(0, 3_600, 900)
    users = rng.integers(0, 8, 900)
    for _ in range(6):  # crowded hours
        rows = rng.choice(900, 25, replace=False)
        users[rows], seconds[rows] = rng.integers(0, 8), rng.integers(0, 24 * DAYS) * 3_600 + rng.integers(0, 600, 25)
    sleepless = rng.integers(0, 5) * 86_400 + 3_600 * np.arange(22) + rng.integers(0, 3_600, 22)
    pace = int(rng.integers(0, DAYS * 86_400)) + 30 * np.arange(60) + rng.integers(-3, 4, 60)
    seconds = np.concatenate([seconds, sleepless, pace])
    users = np.concatenate([users, np.full(22, 8), np.full(60, 9)])
    n = len(seconds)
    occurred = [FIRST + timedelta(seconds=int(offset)) for offset in seconds]
    types = np.where(rng.random(n) < 0.7, EventType.VIEW.value, EventType.LIKE.value)
    dwell = np.exp(rng.normal(2, 0.5, n)) * np.where(rng.random(n) < 0.03, 20, 1)
    scroll = np.where(rng.random(n) < 0.9, 0.2 * rng.random(n), rng.random(n))
    return pl.DataFrame(
        {
            c.EVENT_ID: [f"e{code}" for code in rng.permutation(n)],
            c.FILE_HASH: ["f"] * n,
            c.USER_ID: [f"u{code}" for code in users],
            c.ITEM_ID: [f"i{code}" for code in rng.integers(0, 40, n)],
            c.EVENT_TYPE: types,
            c.OCCURRED_AT: occurred,
            c.INGESTED_AT: occurred,
            c.EVENT_DATE: [instant.date() for instant in occurred],
            c.DWELL_SECONDS: pl.Series(np.where(rng.random(n) < 0.8, dwell, np.nan)).fill_nan(None),
            c.SCROLL_FRACTION: pl.Series(np.where(rng.random(n) < 0.8, scroll, np.nan)).fill_nan(None),
        }
    )


# The reference: loops that can be read.

Row = Mapping[str, Any]


def microseconds(event: Row) -> int:
    return (event[c.OCCURRED_AT] - FIRST) // timedelta(microseconds=1)


def hour_of(event: Row) -> int:
    return microseconds(event) // (3600 * 10**6)


def values_by_day(events: Sequence[Row], measure: str, event_type: str) -> dict[int, list[tuple[int, int]]]:
    """Values in steps, with the events behind each, by day."""
    days: dict[int, list[tuple[int, int]]] = defaultdict(list)
    hours: dict[tuple[str, int], int] = defaultdict(int)
    for event in (event for event in events if event[c.EVENT_TYPE] == event_type):
        hours[event[c.USER_ID], hour_of(event)] += 1
        if measure == "dwell" and event[c.DWELL_SECONDS] is not None:
            days[hour_of(event) // 24].append((round(math.log(1 + event[c.DWELL_SECONDS]) / 0.02), 1))
        if measure == "scroll" and event[c.SCROLL_FRACTION] is not None:
            days[hour_of(event) // 24].append((round(event[c.SCROLL_FRACTION] / 0.01), 1))
    if measure == "rate":
        for (_, hour), count in hours.items():
            days[hour // 24].append((round(math.sqrt(count) / 0.01), count))
    return days


def reached_by(values: list[int], share: float) -> int:
    """The least value that this share of the values does not exceed."""
    ordered = sorted(values)
    return next(value for place, value in enumerate(ordered, start=1) if place >= share * len(ordered))


def limits(events: Sequence[Row], measure: str, event_type: str) -> dict[int, tuple[float, float, float, float, float]]:
    """Median, spread, third quartile, interquartile range and what is usual, by the day they judge."""
    days = values_by_day(events, measure, event_type)
    found: dict[int, tuple[float, float, float, float, float]] = {}
    for day in range(DAYS):
        history = [value for before in range(day - HISTORY_DAYS, day) for value in days.get(before, [])]
        values = [value for value, _ in history]
        if sum(count for _, count in history) < EVENTS_MIN or len(values) < VALUES_MIN:
            continue
        step, least = STEP[measure], LEAST_SPREAD[measure]
        middle = reached_by(values, 0.5)
        deviation = median_low([abs(value - middle) for value in values])
        quartiles = reached_by(values, 0.25), reached_by(values, 0.75)
        distance = (quartiles[1] - quartiles[0]) * step
        usual = -math.inf if measure == "rate" else reached_by(values, 0.95) * step
        spread = max(1.4826 * deviation * step, distance / 1.349, least)
        found[day] = middle * step, spread, quartiles[1] * step, max(distance, 1.349 * least), usual
    return found


def outliers(events: Sequence[Row]) -> Flags:
    flags: Flags = {}
    for event_type in ("view", "like"):
        of_type = [event for event in events if event[c.EVENT_TYPE] == event_type]
        for measure in STEP:
            by_day = limits(events, measure, event_type)
            for event in of_type:
                value = measured(event, of_type, measure)
                if value is None or hour_of(event) // 24 not in by_day:
                    continue
                middle, spread, third, distance, usual = by_day[hour_of(event) // 24]
                if value > max(middle + Z_MAX * spread, usual):
                    flags[event[c.EVENT_ID], f"{measure}_robust_z"] = (value - middle) / spread
                if value > max(third + IQR_FACTOR * distance, usual):
                    flags[event[c.EVENT_ID], f"{measure}_iqr"] = (value - third) / distance
    return flags


def measured(event: Row, of_type: Sequence[Row], measure: str) -> float | None:
    if measure == "dwell":
        return None if event[c.DWELL_SECONDS] is None else math.log(1 + event[c.DWELL_SECONDS])
    if measure == "scroll":
        return event[c.SCROLL_FRACTION]
    return math.sqrt(
        sum(
            other[c.USER_ID] == event[c.USER_ID]
            and hour_of(other) == hour_of(event)
            and microseconds(other) <= microseconds(event)
            for other in of_type
        )
    )


def signs(events: Sequence[Row], flags: Flags) -> dict[str, list[int]]:
    """Instants of the signs of each user."""
    found: dict[str, list[int]] = defaultdict(list)
    for user in {event[c.USER_ID] for event in events}:
        own = sorted((e for e in events if e[c.USER_ID] == user), key=lambda e: (microseconds(e), e[c.EVENT_ID]))
        is_fast = [any((event[c.EVENT_ID], f"rate_{rule}") in flags for rule in ("robust_z", "iqr")) for event in own]
        fast: dict[int, int] = {}
        active: dict[int, int] = {}
        for event, is_too_fast in zip(own, is_fast, strict=True):
            active.setdefault(hour_of(event), microseconds(event))
            if is_too_fast:
                fast.setdefault(hour_of(event), microseconds(event))
        for hours, enough in ((fast, 3), (active, 20)):
            found[user] += [at for hour, at in hours.items() if sum(hour - 24 < h <= hour for h in hours) >= enough]
        found[user] += steady_hours(own)
    return found


def steady_hours(own: Sequence[Row]) -> list[int]:
    """First instant of each hour and type at which its gaps between different items vary by less than a tenth."""
    first: dict[int, int] = {}
    by_hour: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for event in own:
        before = by_hour[event[c.EVENT_TYPE], hour_of(event)]
        before.append(event)
        gaps = np.array(
            [
                (microseconds(right) - microseconds(left)) // 1000
                for left, right in pairwise(before)
                if left[c.ITEM_ID] != right[c.ITEM_ID]
            ]
        )
        if len(gaps) >= 20 and gaps.std() < 0.1 * gaps.mean():
            first[hour_of(event)] = min(first.get(hour_of(event), microseconds(event)), microseconds(event))
    return list(first.values())


def reference(events: Sequence[Row]) -> Flags:
    flags = outliers(events)
    by_user = signs(events, flags)
    for event in events:
        count = sum(0 <= microseconds(event) - at <= WEEK_US for at in by_user[event[c.USER_ID]])
        if count:
            flags[event[c.EVENT_ID], "bot_like"] = float(count)
    return flags


quick = settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
seeds = st.integers(0, 10_000)


@quick
@given(seed=seeds)
def test_flags_are_what_plain_loops_say(touchy: Models, seed: int) -> None:
    events = random_log(seed)
    found, expected = flags_of(touchy, events), reference(events.to_dicts())
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected)


def test_the_random_logs_meet_every_rule(touchy: Models) -> None:
    rules = {rule for seed in range(5) for _, rule in flags_of(touchy, random_log(seed))}
    assert rules == {f"{measure}_{rule}" for measure in STEP for rule in ("robust_z", "iqr")} | {"bot_like"}


@quick
@given(seed=seeds, cut=st.integers(1, DAYS * 86_400))
def test_later_events_never_change_the_flags_of_earlier_ones(touchy: Models, seed: int, cut: int) -> None:
    events = random_log(seed)
    before = events.filter(pl.col(c.OCCURRED_AT) < FIRST + timedelta(seconds=cut))
    earlier = set(before[c.EVENT_ID])
    assert flags_of(touchy, before) == {
        key: score for key, score in flags_of(touchy, events).items() if key[0] in earlier
    }


def test_neither_the_order_of_rows_nor_threads_change_a_flag(touchy: Models) -> None:
    events = random_log(1)
    expected = flags_of(touchy, events)
    assert flags_of(touchy, events.sample(fraction=1, shuffle=True, seed=3)) == expected
    assert flags_of(touchy, events, threads=2) == expected


def test_data_tests_hold_on_a_random_log(touchy: Models) -> None:
    run = run_on(touchy, random_log(2))
    results = [result for model in touchy.of("flags") for result in run_tests(run, model)]
    assert len(results) > 25
    assert not [result for result in results if result.failures]


def test_values_nearly_all_alike_do_not_flag_the_rest(models: Models) -> None:
    """Two in three events are scrolled to the end or not at all: no third of the log is an outlier."""
    rng = np.random.default_rng(5)
    events = pl.concat(
        [random_log(seed).with_columns(pl.format(f"{seed}-{{}}", c.EVENT_ID).alias(c.EVENT_ID)) for seed in range(3)]
    )
    for alike in (0.0, 1.0):
        scroll = np.where(rng.random(events.height) < 2 / 3, alike, rng.random(events.height))
        flags = flags_of(models, events.with_columns(pl.Series(c.SCROLL_FRACTION, scroll)))
        assert sum("scroll" in rule for _, rule in flags) <= 2 * 0.05 * events.height


Found = tuple[float, float, float]


@pytest.fixture(scope="module")
def bots_found(models: Models) -> Callable[[int], Found]:
    def find(seed: int) -> Found:
        """Share of bots found, of bots' events flagged, and of the events of all other users that were flagged."""
        world = simulate(WorldConfig(users=400, items=200, days=28, events=40_000, bot_rate=0.01, seed=seed))
        events = contract_events(world.events.with_columns(is_bot=pl.Series(world.truth.bot_rows)))
        flags = flags_of(models, events)
        flagged = {event for event, _ in flags}
        listed = events.filter(pl.col(c.EVENT_ID).is_in({event for event, rule in flags if rule == "bot_like"}))
        bots = events.filter("is_bot")
        people = events.filter(~pl.col(c.USER_ID).is_in(world.truth.bot_users))
        assert set(listed[c.USER_ID]) <= world.truth.bot_users
        return (
            len(set(listed[c.USER_ID])) / len(world.truth.bot_users),
            len(flagged & set(bots[c.EVENT_ID])) / bots.height,
            len(flagged & set(people[c.EVENT_ID])) / people.height,
        )

    return find


def contract_events(tracked: pl.DataFrame) -> pl.DataFrame:
    """The tracker's sound rows in the contract's words."""
    kinds = {"show": "impression", "open": "click", "read": "view", "hide": "dismiss", "save": "bookmark"}
    at = pl.from_epoch("ts_ms", time_unit="ms").dt.replace_time_zone("UTC").dt.cast_time_unit("us")
    sound = tracked.unique("eid").filter(
        pl.col("uid").is_not_null(), at.dt.year() == 2024, pl.col("dwell_ms").fill_null(0) >= 0,
        pl.col("scroll_pct").fill_null(0) <= 100,
    )  # fmt: skip
    return sound.select(
        pl.col("eid").alias(c.EVENT_ID),
        pl.lit("f").alias(c.FILE_HASH),
        pl.col("uid").alias(c.USER_ID),
        pl.col("iid").alias(c.ITEM_ID),
        pl.col("action").replace(kinds).alias(c.EVENT_TYPE),
        at.alias(c.OCCURRED_AT),
        at.alias(c.INGESTED_AT),
        at.dt.date().alias(c.EVENT_DATE),
        (pl.col("dwell_ms") / 1000).alias(c.DWELL_SECONDS),
        (pl.col("scroll_pct") / 100).alias(c.SCROLL_FRACTION),
        "is_bot",
    )


@pytest.mark.parametrize("seed", [7, 11])
def test_bots_of_a_world_are_found_and_people_are_left_alone(bots_found: Callable[[int], Found], seed: int) -> None:
    bots, bot_events, people_events = bots_found(seed)
    assert bots >= 0.9
    assert bot_events >= 0.8
    assert people_events <= 0.005
