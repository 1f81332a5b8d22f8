"""Drawn matches of two rankers, for the gate's tests."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.stages.ranking import gate

CUTOFFS = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=7 * number) for number in range(4)]
USERS = 300
EQUAL_LISTS = dict.fromkeys(gate.GUARDED, (1.0, 1.0))


def drawn_match(seed: int, gain: float = 0.0, loss: float = 0.0, n: int = USERS) -> gate.Match:
    """Two rankers whose users differ by noise around `gain`; users of a small segment lose `loss`.

    Half of the users of a cutoff return at the next, and who is served well is so by both. The small segment, 3 % of
    all users, is there at each.
    """
    rng = np.random.default_rng(seed)
    frames: list[pl.DataFrame] = []
    small = {f"u{n // 2 + number}" for number in range(int(n * 1.5 * 0.03))}
    for index, cutoff in enumerate(CUTOFFS):
        ids = [f"u{number}" for number in range(index % 2 * n // 2, n + index % 2 * n // 2)]
        level = rng.beta(0.6, 2.0, n)
        is_small = np.array([name in small for name in ids])
        for metric in gate.METRICS:
            ours = level + gain - np.where(is_small, loss, 0.0) + rng.normal(0, 0.1, n)
            frames.append(
                pl.DataFrame(
                    {
                        c.CUTOFF: [cutoff] * n,
                        c.USER_ID: ids,
                        c.METRIC: metric,
                        c.CHALLENGER: ours,
                        c.OPPONENT: level + rng.normal(0, 0.1, n),
                        c.SEGMENT: np.where(is_small, "small", "large"),
                    }
                )
            )
    return gate.Match(pl.concat(frames), EQUAL_LISTS, (100.0, 100.0))
