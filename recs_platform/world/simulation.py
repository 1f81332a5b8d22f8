"""One world from one config: who is there, what they see and do, what the tracker logs. Files are in `landing`."""

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
import polars as pl

from recs_platform.world.bots import Bots, draw_bots
from recs_platform.world.catalogue import draw_catalogue
from recs_platform.world.config import DAY_MS, WorldConfig
from recs_platform.world.feedback import (
    FOLLOW_UPS,
    Actions,
    Appeal,
    draw_actions,
    measure_appeal,
)
from recs_platform.world.policy import Impressions, logging_policy, show_lists
from recs_platform.world.population import Population, draw_population, users_table
from recs_platform.world.sessions import draw_visits, mean_lists
from recs_platform.world.tracker import Delivery, deliver, events_table
from recs_platform.world.truth import Truth
from recs_platform.world.writing import items_table

_SPARE_VISITS = 1.08


@dataclass(frozen=True)
class World:
    """A world as its tracker and shop export it, and the truth behind it.

    `events` has a row a delivery, in order of delivery; `file_rows` says how many of them go into each file.
    `items` and `users` have a row each, in order of code.
    """

    config: WorldConfig
    events: pl.DataFrame
    items: pl.DataFrame
    users: pl.DataFrame
    file_rows: tuple[int, ...]
    truth: Truth


def simulate(config: WorldConfig) -> World:
    """Simulate; the number of events is within 5 % of what the config asks for. Same config, same world."""
    catalogue = draw_catalogue(config)
    population = draw_population(config, catalogue)
    policy = logging_policy(config, catalogue)
    visits = draw_visits(config, catalogue, population, _visits_needed(config, population))
    shown = show_lists(policy, visits)
    appeal = measure_appeal(config, catalogue, population, visits, shown)
    actions = draw_actions(config, catalogue, shown, appeal, population.group[visits.user[shown.visit]])
    bots = draw_bots(config, population, policy)
    shown, appeal, actions = _first_visits(config, bots, shown, appeal, actions)
    delivery = deliver(config, shown, actions, bots)
    return World(
        config=config,
        events=events_table(
            config, catalogue, visits=visits, shown=shown, actions=actions, bots=bots, delivery=delivery
        ),
        items=items_table(config, catalogue),
        users=users_table(config, population),
        file_rows=_rows_by_file(config, delivery),
        truth=Truth(config, catalogue, population, visits, policy, shown, appeal, actions, bots, delivery),
    )


def _visits_needed(config: WorldConfig, population: Population) -> int:
    """Visits that give the events asked for, and some to spare: the surplus is cut off afterwards."""
    after_click = 1.0 + sum(base + 0.3 * slope for base, slope in list(FOLLOW_UPS.values())[:-1])
    events_a_visit = (
        mean_lists(config, population) * 0.8 * config.draws_per_list * (1.0 + config.click_rate * after_click)
    )
    visits = config.events / events_a_visit
    return ceil(visits * _SPARE_VISITS + 6 * sqrt(visits))


def _first_visits(
    config: WorldConfig, bots: Bots, shown: Impressions, appeal: Appeal, actions: Actions
) -> tuple[Impressions, Appeal, Actions]:
    """Keep visits, in the order drawn, until there are enough events with the bots'; no visit depends on another."""
    sound = config.events / (1.0 + config.broken_share + config.duplicate_share) - len(bots.item)
    a_visit = np.bincount(shown.visit) + np.bincount(
        shown.visit[actions.impression], minlength=int(shown.visit[-1]) + 1
    )
    n_visits = int(np.searchsorted(np.cumsum(a_visit), sound))
    n_shown = int(np.searchsorted(shown.visit, n_visits, side="right"))
    kept = slice(0, n_shown)
    return shown.take(kept), appeal.take(kept), actions.take(actions.impression < n_shown)


def _rows_by_file(config: WorldConfig, delivery: Delivery) -> tuple[int, ...]:
    """Rows delivered in each of the equal spans of time; what comes after the end goes with the last."""
    edges = (
        config.start_ms + np.arange(1, config.event_files, dtype=np.int64) * config.days * DAY_MS // config.event_files
    )
    starts = np.searchsorted(delivery.delivered_ms, edges)
    return tuple(int(rows) for rows in np.diff(starts, prepend=0, append=len(delivery.number)))
