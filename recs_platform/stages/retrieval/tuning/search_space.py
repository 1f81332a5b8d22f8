"""What is worth trying of each source, by profile: axes in the order they are tried. Trying is not done here."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Profile = Literal["fast", "best"]
Axes = Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Plan:
    """`sources`: those that are measured; `start`: parameters by source before any axis is tried; `space`: axes.

    `ahead`: measured as well where all of the test comes later than train. What fades with time is worth nothing where
    the test is of any time.

    Choices look at `validation_users` at most; each axis is tried `sweeps` times.
    """

    sources: tuple[str, ...]
    start: Mapping[str, Mapping[str, Any]]
    space: Mapping[str, Axes]
    validation_users: int
    sweeps: int = 1
    ahead: tuple[str, ...] = ("trending", "trending_1d")


FAST = Plan(
    sources=("als", "spectral", "item_knn", "transitions", "two_step", "popularity"),
    start={
        "spectral": {"factors": 256, "item_exponent": 0.5, "iterations": 3},
        "als": {"iterations": 5},
        "two_step": {"step_rules": 25},
    },
    space={
        "als": {"alpha": (0.5, 10.0)},
        "spectral": {
            "item_exponent": (0.3,),
            "sharpening": (0.5, 0.95),
            "filter_power": (1.0,),
            "factors": (96,),
            "decay": (0.95, 0.8),
        },
        "item_knn": {"decay": (1.0,), "activity_damping": (1.0,)},
        "transitions": {"decay": (0.6, 0.95)},
        "two_step": {"decay": (0.6, 0.95)},
    },
    validation_users=1_500,
)
BEST = Plan(
    sources=(
        "als",
        "spectral",
        "item_knn",
        "transitions",
        "two_step",
        "covisitation",
        "user_knn",
        "vs_knn",
        "ngrams",
        "popularity",
    ),
    start={"spectral": {"factors": 768}, "als": {"factors": 128}},
    space={
        "als": {
            "alpha": (0.5, 1.0, 5.0, 10.0),
            "regularization": (3.0, 30.0, 100.0),
            "iterations": (15,),
            "factors": (64, 256),
        },
        "spectral": {
            "item_exponent": (0.5, 0.3, 0.2),
            "sharpening": (0.0, 0.5, 0.9, 0.97),
            "filter_power": (0.5, 1.0, 1.5),
            "factors": (512, 256, 128, 64),
            "decay": (0.98, 0.9, 0.8),
        },
        "item_knn": {
            "decay": (0.95, 1.0),
            "history": (500,),
            "activity_damping": (0.0, 1.0),
            "shrinkage": (1.0, 50.0),
            "neighbours": (300,),
        },
        "transitions": {"decay": (0.6, 0.9, 1.0), "smoothing": (2.0, 100.0)},
        "two_step": {"decay": (0.6, 0.9, 1.0), "theta": (0.5, 5.0), "smoothing": (2.0, 100.0)},
        "covisitation": {"decay": (0.6, 0.95), "shrinkage": (1.0, 50.0)},
        "user_knn": {"fading": (0.0, 0.25, 1.0), "power": (1.0, 2.0), "neighbours": (300,)},
        "vs_knn": {"decay": (0.8, 1.0), "sessions": (300,)},
        "ngrams": {"decay": (0.6, 0.95)},
    },
    validation_users=3_000,
)
PROFILES: Mapping[Profile, Plan] = {"fast": FAST, "best": BEST}
# With fewer interactions the longer search takes as little time as the shorter one on many.
_FEW_ROWS = 200_000


def plan_for(profile: Profile, rows: int) -> Plan:
    """The profile's plan; on so few rows that time is no matter, the axes of the longest."""
    plan = PROFILES[profile]
    return plan if rows > _FEW_ROWS else replace(PROFILES["best"], sources=plan.sources, sweeps=2)
