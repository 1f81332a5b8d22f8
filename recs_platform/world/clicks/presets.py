"""Presets of worlds of clicks. Each seed draws its own rates around them, so that no constant can be tuned to one."""

from typing import Any

import numpy as np

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.spelling import did_you_mean
from recs_platform.world.clicks.config import ClickWorldConfig

PRESETS: dict[str, ClickWorldConfig] = {
    # Articles live for hours, a third of a day's clicks is on articles of that day, most readers click once or twice.
    "news": ClickWorldConfig(
        preset="news",
        users=300_000,
        items=46_000,
        days=11,
        events=2_400_000,
        new_item_share=0.35,
        half_life_hours=20.0,
        activity_spread=1.9,
        visit_clicks=1.6,
        taste_focus=0.9,
        quality_spread=2.4,
        local_share=0.3,
    ),
    # A lasting catalogue, baskets, and people who come back for the same.
    "shop": ClickWorldConfig(
        preset="shop",
        users=20_000,
        items=8_000,
        days=120,
        events=600_000,
        new_item_share=0.1,
        half_life_hours=4_000.0,
        activity_spread=1.0,
        visit_clicks=4.0,
        taste_focus=2.5,
        quality_spread=1.1,
        repeat_share=0.2,
        season=0.5,
        click_type="view",
        follow_ups={"cart_add": 0.15, "purchase": 0.6},
    ),
    # Long sessions, and series of which one goes on to the next part.
    "video": ClickWorldConfig(
        preset="video",
        users=15_000,
        items=6_000,
        days=90,
        events=900_000,
        new_item_share=0.3,
        half_life_hours=700.0,
        activity_spread=1.0,
        visit_clicks=6.0,
        taste_focus=2.0,
        quality_spread=1.2,
        series_items=10,
        continue_share=0.45,
        click_type="play",
        follow_ups={"like": 0.08},
    ),
    # Few items, in an order that must be kept.
    "courses": ClickWorldConfig(
        preset="courses",
        users=8_000,
        items=240,
        days=180,
        events=120_000,
        new_item_share=0.1,
        half_life_hours=20_000.0,
        activity_spread=0.8,
        visit_clicks=1.6,
        taste_focus=2.5,
        quality_spread=0.8,
        series_items=8,
        continue_share=0.7,
        begins_at_first=True,
        click_type="view",
        follow_ups={"bookmark": 0.1},
    ),
}
# What a seed draws around: each of them times or through at most 1.4.
_DRAWN = ("half_life_hours", "activity_spread", "visit_clicks", "taste_focus", "quality_spread")
_SPREAD = 1.4


def click_world_config(preset: str, *, seed: int, **sizes: int | None) -> ClickWorldConfig:
    """The preset with rates of this seed's own and the sizes that are given. Raises UsageError for an unknown name."""
    if preset not in PRESETS:
        known = ", ".join(PRESETS)
        raise UsageError(f"no preset {preset!r}{did_you_mean(preset, PRESETS) or f'; known: {known}'}")
    base = PRESETS[preset].model_dump()
    rng = np.random.default_rng([seed, *b"preset"])
    factors = _SPREAD ** rng.uniform(-1, 1, len(_DRAWN))
    drawn: dict[str, Any] = {
        name: max(1.0 if name == "visit_clicks" else 0.0, round(base[name] * float(factor), 4))
        for name, factor in zip(_DRAWN, factors, strict=True)
    }
    given = {name: size for name, size in sizes.items() if size is not None}
    return ClickWorldConfig.model_validate({**base, **drawn, **given, "seed": seed})
