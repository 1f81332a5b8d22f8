"""Visits: who comes when, with what in mind, on which device and from where. What they are shown is in `policy`."""

from dataclasses import dataclass

import numpy as np

from recs_platform.world.catalogue import CATEGORIES, Catalogue
from recs_platform.world.config import DAY_MS, HOUR_MS, TASTE_DIMENSIONS, WorldConfig
from recs_platform.world.draws import Codes, Floats, Instants, Vectors, choose, choose_in_rows, unit_noise, unit_rows
from recs_platform.world.groups import hour_tilts, list_tilts, weekday_tilts
from recs_platform.world.population import DEVICES, REGIONS, Population

REFERRERS = ("direct", "search", "social", "newsletter", "partner")
SYSTEMS = ("android", "ios", "windows", "macos", "linux", "ipados")
_SYSTEM_SHARES = np.array([  # by device: mobile, desktop, tablet
    [0.60, 0.40, 0.00, 0.00, 0.00, 0.00],
    [0.00, 0.00, 0.65, 0.25, 0.10, 0.00],
    [0.45, 0.00, 0.05, 0.00, 0.00, 0.50],
])  # fmt: skip
_HOURS = np.array([4, 2, 1, 1, 1, 2, 5, 9, 10, 9, 8, 9, 11, 9, 8, 8, 9, 11, 14, 17, 19, 18, 13, 8], dtype=np.float64)
_WEEKDAYS = np.array([1.0, 0.95, 0.95, 1.0, 1.1, 1.35, 1.4])  # from Monday
_LIST_COUNT_SHARES = np.array([0.45, 0.35, 0.20])
_FOCUS_WANDERS = 0.08
_OWN_DEVICE_SHARE = 0.8
_HOME_SHARE = 0.97


@dataclass(frozen=True)
class Visits:
    """All visits, in the order drawn (not of time); a row number is a visit's code."""

    user: Codes
    start_ms: Instants
    day: Codes
    focus: Codes
    intent: Vectors
    list_count: Codes
    device: Codes
    system: Codes
    region: Codes
    referrer: Codes


def draw_visits(config: WorldConfig, catalogue: Catalogue, population: Population, n: int) -> Visits:
    """Draw `n` visits: users by activity and time since sign-up, instants by the hours and weekdays of their group.

    What a visit is after (`intent`) lies between the user's taste, the category in focus and chance,
    so that things clicked in one visit are more alike than things clicked by one user.
    """
    rng = config.generator("visits")
    user, start_ms = _draw_users_and_instants(config, population, rng, n)
    wandering = np.where(rng.random(n) < _FOCUS_WANDERS, rng.integers(len(CATEGORIES), size=n), -1)
    focus = choose_in_rows(user, rng.random(n), population.category_weights)
    focus = np.where(wandering >= 0, wandering, focus).astype(np.int32)
    mood = 0.45 * catalogue.centers[focus] + 0.45 * unit_noise(rng, n, TASTE_DIMENSIONS)
    device = np.where(rng.random(n) < _OWN_DEVICE_SHARE, population.device[user], rng.integers(len(DEVICES), size=n))
    at_home = rng.random(n) < _HOME_SHARE
    return Visits(
        user=user,
        start_ms=start_ms,
        day=((start_ms - config.start_ms) // DAY_MS).astype(np.int32),
        focus=focus,
        intent=unit_rows(population.taste[user] + mood),
        list_count=1 + choose_in_rows(population.group[user], rng.random(n), _list_count_shares(config)),
        device=device.astype(np.int32),
        system=choose_in_rows(device.astype(np.int32), rng.random(n), _SYSTEM_SHARES),
        region=np.where(at_home, population.region[user], rng.integers(len(REGIONS), size=n)).astype(np.int32),
        referrer=choose(rng, np.array([0.45, 0.25, 0.15, 0.10, 0.05]), n),
    )


def mean_lists(config: WorldConfig, population: Population) -> float:
    """Lists a visit asks for on average, over those who are expected to come."""
    by_group = _list_count_shares(config) @ np.arange(1.0, 1 + len(_LIST_COUNT_SHARES))
    visitors = _expected_visits(config, population)
    return float(by_group[population.group] @ visitors / visitors.sum())


def _list_count_shares(config: WorldConfig) -> Floats:
    """Shares of visits by how many lists they ask for, from 1; float64 (groups, counts)."""
    weights = list_tilts(config, len(_LIST_COUNT_SHARES)) * _LIST_COUNT_SHARES
    return weights / weights.sum(axis=1, keepdims=True)


def _expected_visits(config: WorldConfig, population: Population) -> Floats:
    """Visits of each user, up to a factor: activity and what follows sign-up, whatever the group; float64 (users,)."""
    intensity = _cumulative_intensity(config, _HOURS, _WEEKDAYS)
    signed_up = np.interp(population.signed_up_ms.astype(np.float64), _edges_ms(config), intensity)
    return population.activity * np.maximum(intensity[-2] - signed_up, 0.0)


def _draw_users_and_instants(
    config: WorldConfig, population: Population, rng: np.random.Generator, n: int
) -> tuple[Codes, Instants]:
    """Instants follow the group's cumulative intensity since sign-up; none in the last hour: visits end in time."""
    user, uniform = choose(rng, _expected_visits(config, population), n), rng.random(n)
    edges_ms, signed_up_ms = _edges_ms(config), population.signed_up_ms[user].astype(np.float64)
    start_ms = np.zeros(n, dtype=np.int64)
    hours, weekdays = _HOURS * hour_tilts(config), _WEEKDAYS * weekday_tilts(config)
    for group in range(len(hours)):
        intensity = _cumulative_intensity(config, hours[group], weekdays[group])
        rows = np.flatnonzero(population.group[user] == group)
        signed_up = np.interp(signed_up_ms[rows], edges_ms, intensity)
        drawn: Floats = signed_up + uniform[rows] * (intensity[-2] - signed_up)
        start_ms[rows] = np.interp(drawn, intensity, edges_ms).astype(np.int64)
    return user, start_ms


def _edges_ms(config: WorldConfig) -> Floats:
    """Where the hours of the period begin, and where the last ends; float64 (24 x days + 1,)."""
    return config.start_ms + np.arange(24 * config.days + 1, dtype=np.float64) * HOUR_MS


def _cumulative_intensity(config: WorldConfig, hours: Floats, weekdays: Floats) -> Floats:
    """Visits expected before each hour's edge, up to a factor; float64 (24 x days + 1,), from 0."""
    days = (config.start.weekday() + np.arange(config.days)) % 7
    by_hour = weekdays[days][:, None] * np.roll(hours, -config.start.hour)
    return np.concatenate([[0.0], np.cumsum(by_hour)])
