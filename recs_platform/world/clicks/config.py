"""What a world of clicks is made of: sizes and rates. The presets are in `presets`."""

from datetime import UTC, datetime
from typing import Annotated, Self

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from recs_platform.contracts.manifests import content_key
from recs_platform.world.config import DAY_MS, Share


class ClickWorldConfig(BaseModel):
    """Frozen description of a world of clicks; equal descriptions give equal bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str
    users: Annotated[int, Field(ge=20, le=5_000_000)]
    items: Annotated[int, Field(ge=40, le=500_000)]
    days: Annotated[int, Field(ge=7, le=730)]
    events: Annotated[int, Field(ge=1_000, le=100_000_000, description="clicks and what follows them")]
    seed: Annotated[int, Field(ge=0)] = 7
    start: AwareDatetime = datetime(2024, 1, 1, tzinfo=UTC)

    new_item_share: Annotated[Share, Field(description="items published during the period")]
    half_life_hours: Annotated[float, Field(gt=0, description="age at which an item draws half of its first clicks")]
    activity_spread: Annotated[float, Field(ge=0, le=4, description="deviation of the log of a user's activity")]
    visit_clicks: Annotated[float, Field(ge=1, le=50, description="clicks a visit, on average")]
    taste_focus: Annotated[float, Field(gt=0, le=10, description="how far users differ in categories; 0 = all alike")]
    quality_spread: Annotated[float, Field(ge=0, le=4, description="deviation of the log of an item's appeal")]
    local_share: Annotated[Share, Field(description="items that interest one region")] = 0.0
    series_items: Annotated[int, Field(ge=1, le=500, description="items that follow one another")] = 1
    continue_share: Annotated[Share, Field(description="clicks on what follows the item before, where there is")] = 0.0
    begins_at_first: Annotated[bool, Field(description="a series is begun at its first item alone")] = False
    repeat_share: Annotated[Share, Field(description="clicks on something the user had before")] = 0.0
    season: Annotated[float, Field(ge=0, le=2, description="how far categories rise and fall with the weeks")] = 0.0
    follow_ups: Annotated[
        dict[str, Share], Field(description="event types that follow a click, in order, each with its chance")
    ] = {}
    click_type: Annotated[str, Field(description="event type of the click itself")] = "click"
    event_files: Annotated[int, Field(ge=1, le=1_000, description="files of events, equal spans of time")] = 4

    @model_validator(mode="after")
    def _must_choose(self) -> Self:
        if self.continue_share + self.repeat_share > 1:
            raise ValueError("continue_share + repeat_share must be at most 1")
        return self

    @property
    def key(self) -> str:
        """Hex digest (16 characters) of the whole description; names the files."""
        return content_key(self.model_dump(mode="json"))

    @property
    def start_ms(self) -> int:
        return int(self.start.timestamp() * 1000)

    @property
    def end_ms(self) -> int:
        """End (exclusive) in epoch milliseconds."""
        return self.start_ms + self.days * DAY_MS

    def generator(self, part: str) -> np.random.Generator:
        """The stream of chance of one part of the world."""
        return np.random.default_rng([self.seed, *part.encode()])
