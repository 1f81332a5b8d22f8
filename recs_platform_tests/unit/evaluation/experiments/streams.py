"""Streams of experiments in which the truth is known: users who arrive day by day, and what each did so far."""

from dataclasses import dataclass

import numpy as np

from recs_platform.evaluation.experiments.lift import Difference, Moments, difference


@dataclass(frozen=True)
class Looks:
    """Estimates of every stream at every day, both (streams, days), and the clock: days of users until then."""

    estimate: Difference
    clock: np.ndarray


def _moments(rows: np.ndarray, n: np.ndarray) -> Moments:
    """Moments of (streams, users, 3) of which `n` (streams, 1) count; the others are zero."""
    means = rows.sum(axis=1) / n
    products = np.einsum("sui,suj->sij", rows, rows) / n[:, None]
    outer = means[:, :, None] * means[:, None, :]
    return Moments(n[:, 0], means, (products - outer) * (n / (n - 1))[:, :, None])


def look_daily(
    seed: int, *, streams: int, users: int, days: int, lift: float = 0.0, at_once: bool = False, ratio: bool = True
) -> Looks:
    """Every stream's estimates after each day from the second on.

    Users arrive evenly over the days (or all on the first: `at_once`) and stay. Each shows a gamma number of
    impressions a day and clicks at a rate of their own, so days of one user are alike; `lift` is added to the rate.
    """
    draw = np.random.default_rng(seed)
    first = np.zeros(users, dtype=int) if at_once else np.sort(np.arange(users) * days // users)
    treated = draw.random((streams, users)) < 0.5
    activity = draw.gamma(1.0, 1.0, (streams, users))
    rate = draw.beta(2.0, 18.0, (streams, users))
    before = draw.poisson(activity * 5 * rate * 3)
    shown, clicked = np.zeros((streams, users)), np.zeros((streams, users))
    found, clock, user_days = [], [], 0
    for day in range(days):
        here = first <= day
        today = draw.poisson(activity * 5) * here
        shown += today
        clicked += draw.binomial(today, np.minimum(rate * (1 + lift * treated), 1.0))
        user_days += int(here.sum())
        if day:
            below = shown if ratio else np.ones_like(shown)
            rows = np.stack([clicked, below, before], axis=2) * here[None, :, None]
            sides = [rows * side[:, :, None] for side in (treated, ~treated)]
            counts = [(side & here).sum(axis=1, keepdims=True).astype(float) for side in (treated, ~treated)]
            found.append(difference(*(_moments(part, n) for part, n in zip(sides, counts, strict=True))))
            clock.append(user_days)
    names = Difference.__dataclass_fields__
    return Looks(
        Difference(*(np.stack([getattr(each, name) for each in found], axis=1) for name in names)), np.array(clock)
    )
