"""What a world is made of: sizes, rates, and its seed with the streams of chance."""

from datetime import UTC, datetime
from typing import Annotated, Self

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from recs_platform.contracts.manifests import content_key
from recs_platform.contracts.time import DAY_SECONDS, HOUR_SECONDS, MINUTE_SECONDS, SECOND_MILLISECONDS

DAY_MS = DAY_SECONDS * SECOND_MILLISECONDS
HOUR_MS = HOUR_SECONDS * SECOND_MILLISECONDS
MINUTE_MS = MINUTE_SECONDS * SECOND_MILLISECONDS
TASTE_DIMENSIONS = 16
_DAY_ITEMS_MAX = 20_000_000

Share = Annotated[float, Field(ge=0, le=1)]


class WorldConfig(BaseModel):
    """Frozen description of a world; equal descriptions give equal bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    users: Annotated[int, Field(ge=20, le=5_000_000)] = 2_000
    items: Annotated[int, Field(ge=40, le=200_000, description="two a category at least, and room to choose")] = 1_000
    days: Annotated[int, Field(ge=7, le=730, description="a week at least, for the weekday pattern")] = 60
    events: Annotated[int, Field(ge=1_000, le=100_000_000, description="contract events, impressions included")] = (
        200_000
    )
    seed: Annotated[int, Field(ge=0)] = 7
    start: AwareDatetime = datetime(2024, 1, 1, tzinfo=UTC)

    new_user_share: Annotated[Share, Field(description="users who sign up during the period")] = 0.25
    bot_rate: Annotated[float, Field(ge=0, le=0.2, description="share of accounts that a script uses for days")] = 0.005
    new_item_share: Annotated[Share, Field(description="items published during the period")] = 0.35
    expiring_share: Annotated[Share, Field(description="items with an end of availability")] = 0.10
    group_separation: Annotated[
        float, Field(ge=0, le=2, description="how far groups of users differ in habits; 0 = all alike")
    ] = 1.0
    missing_share: Annotated[Share, Field(description="chance that one attribute of a user is unknown")] = 0.10
    half_life_days: Annotated[float, Field(gt=0, le=365, description="of the burst of a new item")] = 4.0
    draws_per_list: Annotated[int, Field(ge=2, le=50, description="draws of the logging policy; repeats fall away")] = 9
    random_share: Annotated[float, Field(gt=0, le=1, description="draws blind to all; bounds propensity below")] = 0.10
    popular_share: Annotated[Share, Field(description="draws by popularity of the day over all categories")] = 0.15
    click_rate: Annotated[float, Field(gt=0, lt=0.5, description="clicks an impression, on average")] = 0.20
    position_decay: Annotated[float, Field(ge=0, le=3, description="position p is seen with chance p^-decay")] = 0.6
    taste_sharpness: Annotated[float, Field(ge=0, le=20, description="how much taste decides a click")] = 6.0
    broken_share: Annotated[float, Field(ge=0, le=0.1, description="rows no platform should accept")] = 0.001
    duplicate_share: Annotated[float, Field(ge=0, le=0.1, description="rows delivered twice")] = 0.0002
    event_files: Annotated[int, Field(ge=1, le=1_000, description="files of events, equal spans of time")] = 4

    @model_validator(mode="after")
    def _fits_in_memory(self) -> Self:
        if self.days * self.items > _DAY_ITEMS_MAX:
            raise ValueError(
                f"{self.days} days x {self.items} items: popularity is held by day and item, at most {_DAY_ITEMS_MAX}"
            )
        if self.random_share + self.popular_share > 1:
            raise ValueError("random_share + popular_share must be at most 1")
        return self

    @property
    def key(self) -> str:
        """Hex digest (16 characters) of the whole description; names the files."""
        return content_key(self.model_dump(mode="json"))

    @property
    def tag(self) -> str:
        """First 4 characters of the key; every id carries it, so that two worlds share no user, item or event."""
        return self.key[:4]

    @property
    def start_ms(self) -> int:
        """Start in epoch milliseconds."""
        return int(self.start.timestamp() * 1000)

    @property
    def end_ms(self) -> int:
        """End (exclusive) in epoch milliseconds."""
        return self.start_ms + self.days * DAY_MS

    def generator(self, part: str) -> np.random.Generator:
        """The stream of chance of one part of the world; a change in one part leaves the others' draws alone."""
        return np.random.default_rng([self.seed, *part.encode()])
