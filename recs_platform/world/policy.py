"""The logging policy: which items each list shows, in which order and with which probability. Clicks are in `feedback`.

A list comes of `n` draws with replacement; an item drawn again is shown once. One draw takes item i with probability

    q_i = random_share / available + popular_share * p_i / sum(p) + focus_share * p_i / sum(p in the focus category)

where p is the day's popularity and the last term counts in the visit's focus category only. So i is in the list, at any
position, with probability 1 - (1 - q_i)^n: the logged propensity, exact given the day and the focus of the visit. The
order within the list is drawn after that and leans to large q.
"""

from dataclasses import dataclass

import numpy as np

from recs_platform.world.catalogue import Catalogue, is_available_by_day, popularity_by_day
from recs_platform.world.config import MINUTE_MS, WorldConfig
from recs_platform.world.draws import Codes, Flags, Floats, Instants
from recs_platform.world.sessions import Visits


@dataclass(frozen=True)
class Impressions:
    """Items shown, by list and position; a row number is an impression's code. `position` counts from 1."""

    visit: Codes
    request: Codes
    item: Codes
    position: Codes
    propensity: Floats
    shown_ms: Instants

    def take(self, rows: slice) -> "Impressions":
        """These impressions only, a range of rows."""
        return Impressions(
            self.visit[rows], self.request[rows], self.item[rows], self.position[rows],
            self.propensity[rows], self.shown_ms[rows],
        )  # fmt: skip


@dataclass(frozen=True)
class LoggingPolicy:
    """The shares and the day's popularity that make up `q`; arrays are (days, items)."""

    config: WorldConfig
    catalogue: Catalogue
    popularity: Floats
    available: Floats

    def draw_probability(self, day: Codes, focus: Codes, items: Codes) -> Floats:
        """`q` of each item, given day and focus; all three of one shape."""
        bounds = self.catalogue.category_bounds
        totals = np.add.reduceat(self.popularity, bounds[:-1], axis=1)
        focus_share = 1.0 - self.config.random_share - self.config.popular_share
        popularity = self.popularity[day, items]
        in_focus = self.catalogue.category[items] == focus
        blind = self.config.random_share / self.available.sum(axis=1)[day] * self.available[day, items]
        popular = self.config.popular_share * popularity / totals.sum(axis=1)[day]
        return blind + popular + np.where(in_focus, focus_share * popularity / totals[day, focus], 0.0)

    def propensity(self, q: Floats) -> Floats:
        """Chance that a list holds an item of draw probability `q`."""
        return -np.expm1(self.config.draws_per_list * np.log1p(-q))


def logging_policy(config: WorldConfig, catalogue: Catalogue) -> LoggingPolicy:
    """The world's policy, fixed for its whole period."""
    available = is_available_by_day(config, catalogue).astype(np.float64)
    return LoggingPolicy(config, catalogue, popularity_by_day(config, catalogue), available)


def show_lists(policy: LoggingPolicy, visits: Visits) -> Impressions:
    """Draw the lists of all visits, one after the other some minutes apart; sorted by visit, request, position."""
    rng = policy.config.generator("lists")
    visit = np.repeat(np.arange(len(visits.user), dtype=np.int32), visits.list_count)
    first = np.cumsum(visits.list_count) - visits.list_count
    ordinal = np.arange(len(visit)) - first[visit]
    shown_ms = visits.start_ms[visit] + ordinal * (4 * MINUTE_MS) + rng.integers(MINUTE_MS, size=len(visit))
    day, focus = visits.day[visit], visits.focus[visit]
    items = _draw_items(policy, rng, day, focus)
    q = policy.draw_probability(np.repeat(day, items.shape[1]), np.repeat(focus, items.shape[1]), items.ravel())
    q = q.reshape(items.shape)
    is_repeat = _is_repeat(items)
    lateness = np.log(rng.standard_exponential(items.shape)) - 0.5 * np.log(q)
    order: Instants = np.argsort(np.where(is_repeat, np.inf, lateness), axis=1, kind="stable")
    request, index = np.nonzero(~np.sort(is_repeat, axis=1))
    chosen = order[request, index]
    return Impressions(
        visit=visit[request],
        request=request.astype(np.int32),
        item=items[request, chosen],
        position=(index + 1).astype(np.int32),
        propensity=policy.propensity(q[request, chosen]),
        shown_ms=shown_ms[request],
    )


def _draw_items(policy: LoggingPolicy, rng: np.random.Generator, day: Codes, focus: Codes) -> Codes:
    """Draws with replacement; int32 (requests, draws). All three kinds search one cumulative array by day."""
    config, catalogue = policy.config, policy.catalogue
    shape = (len(day), config.draws_per_list)
    kind, x = rng.random(shape), rng.random(shape)
    days = np.broadcast_to(day[:, None], shape)
    blind = kind < config.random_share
    in_focus = kind >= config.random_share + config.popular_share
    popular = _cumulative_share(policy.popularity)
    edges = np.concatenate([np.zeros((config.days, 1)), popular], axis=1)[:, catalogue.category_bounds]
    low, high = edges[day, focus][:, None], edges[day, focus + 1][:, None]
    target = np.where(in_focus, low + x * (high - low), x)
    items = np.empty(shape, dtype=np.int32)
    items[~blind] = _search(popular, days[~blind], target[~blind])
    items[blind] = _search(_cumulative_share(policy.available), days[blind], x[blind])
    return items


def _cumulative_share(weights: Floats) -> Floats:
    cumulative = np.cumsum(weights, axis=1)
    return cumulative / cumulative[:, -1:]


def _search(cumulative: Floats, rows: Codes, targets: Floats) -> Codes:
    """First column of each row whose cumulative share passes the target."""
    n_rows, k = cumulative.shape
    shifted: Floats = cumulative + np.arange(n_rows, dtype=np.float64)[:, None]
    return np.clip(
        np.searchsorted(shifted.ravel(), rows + targets, side="right") - rows.astype(np.int64) * k, 0, k - 1
    ).astype(np.int32)


def _is_repeat(items: Codes) -> Flags:
    """Whether the same list drew the item before; bool, shape of `items`."""
    repeat = np.zeros(items.shape, dtype=np.bool_)
    for index in range(1, items.shape[1]):
        repeat[:, index] = (items[:, index, None] == items[:, :index]).any(axis=1)
    return repeat
