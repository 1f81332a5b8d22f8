"""A seeded synthetic world with known truth: who is there, what they are shown, what they do, as a tracker logs it.

The truth is for tests and benchmarks: nothing of it goes to landing, and no stage of the graph reads it.
"""

from recs_platform.world.config import WorldConfig
from recs_platform.world.groups import GROUP_NAMES
from recs_platform.world.landing import write_landing
from recs_platform.world.simulation import World, simulate
from recs_platform.world.truth import Truth

__all__ = ["GROUP_NAMES", "Truth", "World", "WorldConfig", "simulate", "write_landing"]
