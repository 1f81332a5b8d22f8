"""Who clicks when: activity of users, their tastes, visits and hours."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recs_platform.world.catalogue import CATEGORIES
from recs_platform.world.clicks.config import ClickWorldConfig
from recs_platform.world.config import DAY_MS, HOUR_MS, MINUTE_MS
from recs_platform.world.draws import Codes, Floats, Instants, choose
from recs_platform.world.population import REGIONS

DEVICES = ("mobile", "desktop", "tablet")
_DEVICE_WEIGHTS = np.array([0.6, 0.3, 0.1])
# Of the hours of a day, UTC: a trough at night, peaks in the morning and the evening.
_HOUR_WEIGHTS = np.array([2, 1, 1, 1, 1, 2, 5, 8, 7, 6, 5, 5, 6, 6, 5, 5, 6, 7, 8, 9, 9, 8, 6, 4], dtype=np.float64)


@dataclass(frozen=True)
class Users:
    """Users by code; `taste`: float64 (users, categories), positive, rows sum to 1."""

    taste: Floats
    region: Codes
    device: Codes


@dataclass(frozen=True)
class Clicks:
    """When somebody clicks, by user and time; what they click on is in `choices`.

    `user`, `visit` int32 and `at_ms` int64 have a row a click; a visit belongs to one user.
    """

    user: Codes
    visit: Codes
    at_ms: Instants


def draw_users(config: ClickWorldConfig) -> Users:
    """Draw tastes and places; the greater the focus, the fewer categories a user cares for."""
    rng = config.generator("users")
    taste = np.exp(config.taste_focus * rng.standard_normal((config.users, len(CATEGORIES))))
    return Users(
        taste=taste / taste.sum(axis=1, keepdims=True),
        region=choose(rng, rng.uniform(0.3, 1.7, len(REGIONS)), config.users),
        device=choose(rng, _DEVICE_WEIGHTS, config.users),
    )


def draw_clicks(config: ClickWorldConfig) -> Clicks:
    """Draw the times of all clicks: each user at least one, the rest by activity, in visits of some clicks."""
    rng = config.generator("clicks")
    after_click = 1.0 + float(np.cumprod(list(config.follow_ups.values()) or [0.0]).sum())
    n = max(config.users, round(config.events / after_click))
    activity = np.exp(config.activity_spread * rng.standard_normal(config.users))
    counts = 1 + rng.multinomial(n - config.users, activity / activity.sum())
    user = np.repeat(np.arange(config.users, dtype=np.int32), counts)
    begins = rng.random(n) < 1.0 / config.visit_clicks
    begins[np.cumsum(counts) - counts] = True
    visit = np.cumsum(begins) - 1
    pause_ms = rng.exponential(1.5 * MINUTE_MS, n) + 5_000
    elapsed = np.cumsum(pause_ms)
    first = np.flatnonzero(begins)
    at_ms = _visit_starts(config, rng, len(first))[visit] + (elapsed - elapsed[first][visit]).astype(np.int64)
    order = np.lexsort((at_ms, user))
    kept = order[at_ms[order] < config.end_ms]
    return Clicks(user[kept], visit[kept].astype(np.int32), at_ms[kept])


def _visit_starts(config: ClickWorldConfig, rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    day = rng.integers(config.days, size=n, dtype=np.int64)
    hour = choose(rng, _HOUR_WEIGHTS, n).astype(np.int64)
    return config.start_ms + day * DAY_MS + hour * HOUR_MS + rng.integers(HOUR_MS, size=n, dtype=np.int64)
