"""Days of users of an experiment `x`, as `staging.stg_experiment_days` gives them, with a known difference."""

from datetime import date

import numpy as np
import polars as pl


def experiment_days(users: int = 800, *, lift: float = 0.0, lost: float = 0.0, seed: int = 3) -> pl.DataFrame:
    """Two rows a user, before and after: half in `b`, who click `lift` more; a share `lost` of them is missing."""
    draw = np.random.default_rng(seed)
    is_treated = draw.random(users) < 0.5
    kept = ~is_treated | (draw.random(users) >= lost)
    shown = draw.poisson(20, users) + 1
    clicked = draw.binomial(shown, np.minimum(0.1 * (1 + lift * is_treated), 1))
    own = {
        "experiment": "x",
        "user_id": [f"u{n:05d}" for n in range(users)],
        "variant": np.where(is_treated, "b", "control"),
        "variant_count": 1,
        "device": np.where(draw.random(users) < 0.5, "mobile", ""),
        "exposed_date": date(2020, 1, 2),
    }
    after = pl.DataFrame(
        own
        | {
            "event_date": date(2020, 1, 2),
            "is_exposed": True,
            "impression_count": shown,
            "clicked_count": clicked,
            "clicked_variants": pl.Series([], dtype=pl.List(pl.String)).extend_constant([], users),
            "interaction_count": clicked + 1,
            "conversion_count": 0,
            "conversion_value": 0.0,
        }
    )
    zero = [pl.lit(0).alias(name) for name in ("impression_count", "clicked_count")]
    before = after.with_columns(
        pl.Series("interaction_count", draw.poisson(3, users) + 1),
        *zero,
        pl.lit(date(2019, 12, 31)).alias("event_date"),
        pl.lit(value=False).alias("is_exposed"),
    )
    return pl.concat([part.filter(kept) for part in (before, after)], how="vertical_relaxed")
