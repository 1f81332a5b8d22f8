"""Policies: the chance of each item of a slot. A row is a slot of one user, its items in list order, incumbent first.

All take rows of width `n` with a mask of the items there are, and return chances of that shape which sum to 1 a row.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts.shared_settings import ExplorationSettings
from recs_platform.stages.reranking.exploration.draws import keys_of

Floats = NDArray[np.float64]
EXACT, SIMULATED = "exact", "simulated"
# Draws from the posterior click rates of all items: a slot draws one of them, and its best item is shown.
REDRAWS = 1000
# Impressions that the click rate of an item is worth before it was shown.
PRIOR_IMPRESSIONS = 20.0
_ROWS_AT_ONCE = 500


@dataclass(frozen=True, eq=False)
class Slots:
    """Rows are slots, (n_rows, n).

    Attributes:
        exists: Whether there is an item.
        place: Its place in the user's ranking, from 1.
        boost: How many times as likely it is as an old item.
        item: Its row of `posterior`.
        posterior: (n_items, REDRAWS), click rates times boost as `posterior_rates` gives them, which `thompson` alone
            looks at.
    """

    exists: NDArray[np.bool_]
    place: NDArray[np.int64]
    boost: Floats
    item: NDArray[np.int64]
    posterior: NDArray[np.float32]


def epsilon_uniform(slots: Slots, settings: ExplorationSettings) -> Floats:
    """With epsilon any item, the new ones more often by their boost; else the incumbent."""
    any_item = _normalized(slots.boost * slots.exists)
    chances = settings.epsilon * any_item
    chances[:, 0] += 1.0 - settings.epsilon
    return chances


def softmax(slots: Slots, settings: ExplorationSettings) -> Floats:
    """In proportion to boost times exp(relevance / temperature); relevance is 1 / log2(place + 1)."""
    relevance = np.where(slots.exists, 1.0 / np.log2(slots.place + 1.0), -np.inf)
    scaled = (relevance - relevance.max(axis=1, keepdims=True)) / settings.temperature
    return _normalized(slots.boost * np.exp(scaled))


def thompson(slots: Slots, settings: ExplorationSettings) -> Floats:  # noqa: ARG001  what a policy is given
    """The share of REDRAWS draws of the click rates in which the item's rate, times its boost, is the greatest.

    Rates as in Chapelle and Li 2011, items independent. The draws are the same for all users, and a slot shows the best
    of one of them, each as likely as the others: so the shares are its chances, though they were got by simulation.
    Rates that agree in their first 13 bits or more are ties, which go to the item that stands first.
    """
    n_rows, width = slots.exists.shape
    # A float and the place of its item in one integer: the greatest of them is one pass over memory, not three.
    bits = max(int(width - 1).bit_length(), 1)
    mask = np.uint32((1 << bits) - 1)
    ordered = slots.posterior.view(np.uint32) & ~mask
    nothing = np.zeros((1, REDRAWS), dtype=np.uint32)
    item = np.where(slots.exists, slots.item, len(ordered))
    chances = np.empty((n_rows, width))
    ordered = np.concatenate([ordered, nothing])
    for start in range(0, n_rows, _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        best = np.zeros((len(item[rows]), REDRAWS), dtype=np.uint32)
        for column in range(width):
            np.maximum(best, ordered[item[rows, column]] | (mask - np.uint32(column)), out=best)
        winner = (mask - (best & mask)).astype(np.uint16)
        for column in range(width):
            chances[rows, column] = np.count_nonzero(winner == column, axis=1) / REDRAWS
    return chances


POLICIES: Mapping[str, tuple[Callable[[Slots, ExplorationSettings], Floats], str]] = {
    "epsilon_uniform": (epsilon_uniform, EXACT),
    "softmax": (softmax, EXACT),
    "thompson": (thompson, SIMULATED),
}


def _normalized(weights: Floats) -> Floats:
    return weights / weights.sum(axis=1, keepdims=True)


def posterior_rates(
    items: pl.Series, mean: Floats, impressions: Floats, boost: Floats, seed: int
) -> NDArray[np.float32]:
    """(n_items, REDRAWS) draws from Beta distributions, times boost; those of an item follow from its id and the seed.

    `mean`: the item's click rate, smoothed; `impressions`: what it rests on, PRIOR_IMPRESSIONS being added.
    """
    drawn = np.empty((len(items), REDRAWS), dtype=np.float32)
    rate, weight = np.clip(mean, 1e-6, 1 - 1e-6), impressions + PRIOR_IMPRESSIONS
    for row, key in enumerate(keys_of(items, "click rates").tolist()):
        rng = np.random.default_rng([seed, key])
        drawn[row] = boost[row] * rng.beta(rate[row] * weight[row], (1 - rate[row]) * weight[row], size=REDRAWS)
    return drawn
