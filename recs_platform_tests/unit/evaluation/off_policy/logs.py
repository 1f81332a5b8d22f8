"""Worlds with a known value: rates of items and places, a logging policy, and lists of a target policy."""

from dataclasses import dataclass

import numpy as np

from recs_platform.evaluation.off_policy import ShownItems, TargetPolicy

PLACE_EFFECT = np.array([1.3, 1.0, 0.7])


@dataclass(frozen=True)
class World:
    """`evenness` of the logging policy (a Dirichlet's), `length` of the target's lists, one of them or one a user."""

    requests: int
    items: int
    length: int
    rate: float
    evenness: float
    users: int
    own_lists: bool = False

    def log(self, rng: np.random.Generator) -> tuple[ShownItems, TargetPolicy, float]:
        """A log, a target and the target's true value, users being drawn anew in each world."""
        places = len(PLACE_EFFECT)
        logging = 0.85 * rng.dirichlet(np.full(self.items, self.evenness), size=places) + 0.15 / self.items
        rates = self.rate * rng.uniform(0.3, 1.7, self.items)
        user, place = rng.integers(self.users, size=self.requests), rng.integers(places, size=self.requests)
        below = rng.random(self.requests)[:, None] > np.cumsum(logging, axis=1)[place]
        item = np.minimum(below.sum(axis=1), self.items - 1)
        eagerness = rng.gamma(2.0, 0.5, size=self.users)
        chance = np.minimum(rates[item] * eagerness[user] * PLACE_EFFECT[place], 1.0)
        reward = (rng.random(self.requests) < chance).astype(np.float64)
        n_lists = self.users if self.own_lists else 1
        lists = np.stack([rng.permutation(self.items)[: self.length] for _ in range(n_lists)])
        shown = ShownItems(np.arange(self.requests), item, reward, logging[place, item], user, place)
        target = TargetPolicy(
            np.repeat(np.arange(n_lists), self.length),
            lists.ravel(),
            np.full(n_lists * self.length, 1.0 / self.length),
            user if self.own_lists else np.zeros(self.requests, dtype=np.int64),
        )
        return shown, target, float(rates[lists].mean() * PLACE_EFFECT.mean())
