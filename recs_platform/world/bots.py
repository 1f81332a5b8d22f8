"""Bots: accounts that a script uses for some days, item after item, around the clock. What people do is in `feedback`.

The people behind these accounts visit as well, as drawn in `sessions`; a bot asks for items without being shown lists.
"""

from dataclasses import dataclass

import numpy as np

from recs_platform.world.config import DAY_MS, HOUR_MS, WorldConfig
from recs_platform.world.draws import Codes, Floats, Instants, choose_in_rows
from recs_platform.world.feedback import ACTIONS
from recs_platform.world.policy import LoggingPolicy
from recs_platform.world.population import Population

# A bot makes so many times the events of a user; all of them together at most this share of the world's.
_BUSYNESS = 9.0
_SHARE_MAX = 0.2
# Between two items, and how much that varies: from a metronome to a script that waits at random; each bot its own.
_PACE_SECONDS = (75.0, 180.0)
_JITTER = (0.02, 0.4)
_READ_SHARE = 0.15
_QUIET_SHARE = 0.25  # of the period, before the first bot may begin
_SYSTEM_BY_DEVICE = np.array([0, 2, 5], dtype=np.int32)  # the most common one


@dataclass(frozen=True)
class Bots:
    """Accounts of the bots (`users`, ascending codes) and their requests.

    A bot's day is one session: `user`, `device`, `system` and `region` have a row each. The other arrays have a row a
    request, `session` pointing there; `dwell_ms` is 0 where an item is opened.
    """

    users: Codes
    user: Codes
    device: Codes
    system: Codes
    region: Codes
    session: Codes
    item: Codes
    action: Codes
    at_ms: Instants
    dwell_ms: Instants


def draw_bots(config: WorldConfig, population: Population, policy: LoggingPolicy) -> Bots:
    """Draw who is a bot, when each begins and what it asks for; a stream of chance of its own."""
    rng = config.generator("bots")
    users = _draw_accounts(config, population, rng)
    opened_ms = _draw_instants(config, rng, len(users))
    is_in_time = opened_ms < config.end_ms - HOUR_MS
    bot = np.nonzero(is_in_time)[0]
    at_ms = opened_ms[is_in_time]
    day = ((at_ms - config.start_ms) // DAY_MS).astype(np.int32)
    days, session = np.unique(bot * config.days + day, return_inverse=True)
    user = users[days // config.days]
    item = choose_in_rows(day, rng.random(len(day)), policy.available) if len(day) else day
    read = np.flatnonzero(rng.random(len(day)) < _READ_SHARE)
    row = np.concatenate([np.arange(len(day)), read])
    is_read = np.arange(len(row)) >= len(day)
    dwell_ms = np.where(is_read, rng.integers(300, 2_000, len(row)), 0)
    return Bots(
        users=users,
        user=user,
        device=population.device[user],
        system=_SYSTEM_BY_DEVICE[population.device[user]],
        region=population.region[user],
        session=session[row].astype(np.int32),
        item=item[row],
        action=np.where(is_read, ACTIONS.index("read"), ACTIONS.index("open")).astype(np.int32),
        at_ms=at_ms[row] + dwell_ms,
        dwell_ms=dwell_ms,
    )


def _draw_accounts(config: WorldConfig, population: Population, rng: np.random.Generator) -> Codes:
    """Accounts that exist before bots begin."""
    first_ms = config.start_ms + int(_QUIET_SHARE * config.days * DAY_MS)
    able = np.flatnonzero(~population.is_brand_new & (population.signed_up_ms < first_ms))
    n = min(round(config.bot_rate * config.users), len(able))
    return np.sort(rng.choice(able, n, replace=False)).astype(np.int32)


def _draw_instants(config: WorldConfig, rng: np.random.Generator, n: int) -> Instants:
    """When each bot opens an item, at a pace of its own; int64 (bots, items each)."""
    events = min(_BUSYNESS * config.events / config.users, _SHARE_MAX * config.events / max(n, 1))
    shape = (n, max(1, round(events / (1 + _READ_SHARE))))
    pace_ms, jitter = 1_000 * rng.uniform(*_PACE_SECONDS, (n, 1)), rng.uniform(*_JITTER, (n, 1))
    gaps_ms: Floats = pace_ms * np.maximum(1 + jitter * rng.standard_normal(shape), 0.2)
    first_ms = config.start_ms + _QUIET_SHARE * config.days * DAY_MS
    room_ms = np.maximum(config.end_ms - HOUR_MS - first_ms - gaps_ms.sum(axis=1, keepdims=True), 0)
    begin_ms = first_ms + rng.random((n, 1)) * room_ms
    return (begin_ms + np.cumsum(gaps_ms, axis=1)).astype(np.int64)
