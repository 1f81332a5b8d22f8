"""Worlds that log clicks alone, without the lists they came from: news, a shop, videos, courses.

The world with lists, positions and propensities is in `world.simulation`.
"""

from recs_platform.world.clicks.config import ClickWorldConfig
from recs_platform.world.clicks.landing import write_click_landing
from recs_platform.world.clicks.presets import PRESETS, click_world_config
from recs_platform.world.clicks.simulation import ClickWorld, simulate_clicks

__all__ = [
    "PRESETS",
    "ClickWorld",
    "ClickWorldConfig",
    "click_world_config",
    "simulate_clicks",
    "write_click_landing",
]
