"""What users do with what they are shown: clicks with position bias, then what follows. Rows are made in `tracker`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recs_platform.world.catalogue import Catalogue
from recs_platform.world.config import WorldConfig
from recs_platform.world.draws import Codes, Flags, Floats, Instants, Vectors, row_products, sigmoid
from recs_platform.world.groups import basket_tilts, dwell_tilts
from recs_platform.world.policy import Impressions
from recs_platform.world.population import Population
from recs_platform.world.sessions import Visits

# After a click on an item that attracts with chance a, an action follows with chance base + slope * a; by time.
FOLLOW_UPS: dict[str, tuple[float, float]] = {
    "read": (0.90, 0.08),
    "scroll": (0.30, 0.30),
    "play": (0.04, 0.06),
    "download": (0.01, 0.02),
    "like": (0.01, 0.16),
    "share": (0.005, 0.05),
    "save": (0.01, 0.09),
    "comment": (0.01, 0.03),
    "follow": (0.005, 0.04),
    "rate": (0.03, 0.05),
    "basket": (0.01, 0.09),
    "buy": (0.45, 0.0),  # of those with the item in the basket
}
ACTIONS = ("show", "open", "hide", *FOLLOW_UPS)
_HIDE = 0.02
_CALIBRATION_ROWS = 20_000


@dataclass(frozen=True)
class Appeal:
    """Truth of each impression: chance of a click = `examination` (position) x `attraction` (item, user, visit)."""

    affinity: Vectors
    attraction: Floats
    examination: Floats

    @property
    def click_probability(self) -> Floats:
        return self.examination * self.attraction

    def take(self, rows: slice) -> "Appeal":
        return Appeal(self.affinity[rows], self.attraction[rows], self.examination[rows])


@dataclass(frozen=True)
class Actions:
    """What was done besides being shown: `action` indexes ACTIONS, `impression` is the row it answers.

    `dwell_ms`, `cents` and `stars` are 0 and `scroll_percent` is NaN on actions that have none.
    """

    impression: Instants
    action: Codes
    at_ms: Instants
    dwell_ms: Instants
    scroll_percent: Floats
    cents: Instants
    stars: Instants

    def take(self, rows: Flags) -> "Actions":
        return Actions(
            self.impression[rows], self.action[rows], self.at_ms[rows], self.dwell_ms[rows],
            self.scroll_percent[rows], self.cents[rows], self.stars[rows],
        )  # fmt: skip


def examination_by_position(config: WorldConfig) -> Floats:
    """Probability that a position of the list is looked at; float64 (draws_per_list,), 1 at the first."""
    return np.arange(1, config.draws_per_list + 1, dtype=np.float64) ** -config.position_decay


def measure_appeal(
    config: WorldConfig, catalogue: Catalogue, population: Population, visits: Visits, shown: Impressions
) -> Appeal:
    """Appeal of every impression, its level set so that `click_rate` of the impressions are clicked on average."""
    fit = row_products(visits.intent, shown.visit, catalogue.vectors, shown.item)
    logit = config.taste_sharpness * fit.astype(np.float64) + 0.4 * catalogue.quality[shown.item]
    examination = examination_by_position(config)[shown.position - 1]
    level = _level(logit[:_CALIBRATION_ROWS], examination[:_CALIBRATION_ROWS], config.click_rate)
    affinity = row_products(population.taste, visits.user[shown.visit], catalogue.vectors, shown.item)
    return Appeal(affinity, sigmoid(logit + level), examination)


def _level(logit: Floats, examination: Floats, click_rate: float) -> float:
    """Intercept at which the mean click probability is `click_rate`, by bisection."""
    low, high = -60.0, 60.0
    for _ in range(50):
        middle = (low + high) / 2
        is_low = float((examination * sigmoid(logit + middle)).mean()) < click_rate
        low, high = (middle, high) if is_low else (low, middle)
    return (low + high) / 2


def draw_actions(
    config: WorldConfig, catalogue: Catalogue, shown: Impressions, appeal: Appeal, group: Codes
) -> Actions:
    """Draw clicks, dismissals of what did not attract, and what follows a click; in that order, each by impression.

    `group` is that of the user of each impression.
    """
    rng = config.generator("actions")
    n = len(shown.item)
    is_clicked = rng.random(n) < appeal.click_probability
    is_hidden = ~is_clicked & (rng.random(n) < _HIDE * appeal.examination * (1.0 - appeal.attraction))
    clicks, hides = np.flatnonzero(is_clicked), np.flatnonzero(is_hidden)
    looked_ms = shown.shown_ms + 2_500 * (shown.position.astype(np.int64) - 1) + 800 + rng.integers(1_500, size=n)
    cents = catalogue.price_cents[shown.item[clicks]]
    habits = dwell_tilts(config)[group[clicks]], basket_tilts(config)[group[clicks]]
    follow_ups = _draw_follow_ups(rng, clicks, looked_ms[clicks], appeal.attraction[clicks], cents, *habits)
    return _concatenate([_bare("open", clicks, looked_ms[clicks]), _bare("hide", hides, looked_ms[hides]), follow_ups])


def _draw_follow_ups(
    rng: np.random.Generator,
    clicks: Instants,
    clicked_ms: Instants,
    attraction: Floats,
    cents: Instants,
    dwell_tilt: Floats,
    basket_tilt: Floats,
) -> Actions:
    """What follows each click while the item is open; only an item with a price goes into the basket."""
    n = len(clicks)
    base, slope = np.array(list(FOLLOW_UPS.values())).T
    chance = base[:, None] + slope[:, None] * attraction
    chance[_kind("basket")] *= basket_tilt
    happens = rng.random((len(FOLLOW_UPS), n)) < chance
    happens[_kind("basket")] &= cents > 0
    happens[_kind("buy")] &= happens[_kind("basket")]
    kind, row = np.nonzero(happens)
    dwell_ms = _draw_dwell_ms(rng, attraction, dwell_tilt)
    scrolled = np.round(100.0 * np.minimum(rng.beta(2.0, 2.0, n) * (0.6 + 0.6 * attraction), 1.0), 1)
    stars = np.clip(np.rint(1.5 + 3.2 * attraction + 0.8 * rng.standard_normal(n)), 1, 5).astype(np.int64)
    return Actions(
        impression=clicks[row],
        action=(kind + len(ACTIONS) - len(FOLLOW_UPS)).astype(np.int32),
        at_ms=clicked_ms[row] + 200 + dwell_ms[row] * kind // len(FOLLOW_UPS),
        dwell_ms=np.where(kind == _kind("read"), dwell_ms[row], 0),
        scroll_percent=np.where(kind == _kind("scroll"), scrolled[row], np.nan),
        cents=np.where(kind == _kind("buy"), cents[row], 0),
        stars=np.where(kind == _kind("rate"), stars[row], 0),
    )


def _draw_dwell_ms(rng: np.random.Generator, attraction: Floats, tilt: Floats) -> Instants:
    """Time an item stays open: longer for what attracts, log-normal around it, two minutes at most."""
    dwell_seconds = tilt * np.exp(1.8 + 2.0 * attraction + 0.6 * rng.standard_normal(len(attraction)))
    return (1_000 * np.minimum(dwell_seconds, 120.0)).astype(np.int64)


def _kind(action: str) -> int:
    return list(FOLLOW_UPS).index(action)


def _bare(action: str, impression: Instants, at_ms: Instants) -> Actions:
    n = len(impression)
    none = np.zeros(n, dtype=np.int64)
    code = np.full(n, ACTIONS.index(action), dtype=np.int32)
    return Actions(impression, code, at_ms, none, np.full(n, np.nan), none, none)


def _concatenate(parts: Sequence[Actions]) -> Actions:
    return Actions(
        impression=np.concatenate([part.impression for part in parts]),
        action=np.concatenate([part.action for part in parts]),
        at_ms=np.concatenate([part.at_ms for part in parts]),
        dwell_ms=np.concatenate([part.dwell_ms for part in parts]),
        scroll_percent=np.concatenate([part.scroll_percent for part in parts]),
        cents=np.concatenate([part.cents for part in parts]),
        stars=np.concatenate([part.stars for part in parts]),
    )
