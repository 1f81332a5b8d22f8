"""Groups of users who live alike: by hour, weekday, device, length of visit, dwell, buying. Tastes are in `population`.

A group leans away from what all would do: a choice with weight w has w x exp(group_separation x lean) for its users. So
0 is a world without groups, and twice the separation doubles every lean.
"""

from dataclasses import dataclass

import numpy as np

from recs_platform.world.config import WorldConfig
from recs_platform.world.draws import Codes, Floats, choose


@dataclass(frozen=True)
class Group:
    """Leans in logarithms; `to_peak` at `peak_hour` (UTC), its negative twelve hours away, a cosine between."""

    name: str
    share: float
    peak_hour: float
    to_peak: float
    to_weekend: float
    device: str
    to_device: float
    to_more_lists: float
    to_dwell: float
    to_basket: float


GROUPS = (
    Group("evening mobile", 0.22, 18.0, 2.5, -1.0, "mobile", 3.0, -1.0, 0.0, -0.5),
    Group("night-time mobile", 0.16, 2.0, 4.5, 0.2, "mobile", 4.0, 0.0, 0.0, 0.0),
    Group("office desktop", 0.27, 12.0, 2.5, -2.5, "desktop", 3.0, -0.8, 0.4, -0.5),
    Group("weekend tablet", 0.14, 14.0, 2.5, 2.5, "tablet", 5.0, 1.2, 0.4, 0.0),
    Group("morning shopping", 0.21, 6.0, 3.0, 0.5, "desktop", 2.0, -0.6, -0.6, 1.6),
)
GROUP_NAMES = tuple(group.name for group in GROUPS)
_IS_WEEKEND = np.array([0, 0, 0, 0, 0, 1, 1])
_HOUR_ANGLES = 2 * np.pi * np.arange(24) / 24


def draw_groups(config: WorldConfig) -> Codes:
    """The group of each user, by the groups' shares; int32 (users,), index of GROUPS. A stream of chance of its own."""
    return choose(config.generator("groups"), np.array([group.share for group in GROUPS]), config.users)


def hour_tilts(config: WorldConfig) -> Floats:
    """Factors on the weights of the hours of a day, UTC; float64 (groups, 24)."""
    angles = 2 * np.pi * np.array([group.peak_hour for group in GROUPS]) / 24
    leans = np.array([group.to_peak for group in GROUPS])
    return _tilts(config, leans[:, None] * np.cos(_HOUR_ANGLES - angles[:, None]))


def weekday_tilts(config: WorldConfig) -> Floats:
    """Factors on the weights of the weekdays, from Monday; float64 (groups, 7)."""
    return _tilts(config, np.outer([group.to_weekend for group in GROUPS], _IS_WEEKEND))


def device_tilts(config: WorldConfig, devices: tuple[str, ...]) -> Floats:
    """Factors on the weights of the devices; float64 (groups, devices)."""
    return _tilts(
        config, np.array([[group.to_device * (group.device == name) for name in devices] for group in GROUPS])
    )


def list_tilts(config: WorldConfig, most: int) -> Floats:
    """Factors on the weights of 1 to `most` lists a visit; float64 (groups, most)."""
    return _tilts(config, np.outer([group.to_more_lists for group in GROUPS], np.arange(most)))


def dwell_tilts(config: WorldConfig) -> Floats:
    """Factors on the time an item stays open; float64 (groups,)."""
    return _tilts(config, np.array([group.to_dwell for group in GROUPS]))


def basket_tilts(config: WorldConfig) -> Floats:
    """Factors on the chance that an opened item goes into the basket; float64 (groups,)."""
    return _tilts(config, np.array([group.to_basket for group in GROUPS]))


def _tilts(config: WorldConfig, leans: Floats) -> Floats:
    return np.exp(config.group_separation * leans)
