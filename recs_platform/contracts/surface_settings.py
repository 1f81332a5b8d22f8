"""Settings of surfaces: places where lists are shown, each with a list of its own for everybody."""

from typing import Annotated, Any, Literal

from pydantic import Field

from recs_platform.contracts.shared_settings import Name, SettingGroup

# Of the lists that are shown on no surface of the settings.
DEFAULT_SURFACE = "default"
# What users do with an item; to be shown one is nothing that they do.
Answer = Literal[
    "view", "click", "scroll", "play", "like", "share", "comment", "bookmark", "follow", "download", "rating",
    "cart_add", "purchase", "subscribe",
]  # fmt: skip


class BoardSettings(SettingGroup):
    """A board of items by what users did lately: `{event = "bookmark", days = 7, by = "region"}`."""

    event: Annotated[Answer, Field(description="type of event that counts users")]
    days: Annotated[float, Field(gt=0, le=3650, description="days before the as-of in which it counts")] = 7.0
    by: Annotated[
        Literal["everybody", "country", "region", "device", "segment"],
        Field(description="a board each; a group of which too few did so sees everybody's"),
    ] = "everybody"


class SurfaceSettings(SettingGroup):
    """What is different on one surface; what is unset is as everywhere."""

    k: Annotated[int | None, Field(ge=1, le=1000, description="items in a list")] = None
    max_per_category: Annotated[int | None, Field(ge=1, le=1000, description="items of one category")] = None
    diversity: Annotated[float | None, Field(ge=0, le=1, description="variety of categories against relevance")] = None
    categories: Annotated[tuple[Name, ...], Field(description="items of these alone; none named, of all")] = ()
    without_categories: Annotated[tuple[Name, ...], Field(description="no items of these")] = ()
    personal: Annotated[bool, Field(description="whether lists are personal; if not, the board is the list")] = True
    board: Annotated[BoardSettings | None, Field(description="what fills lists; unset, what is popular")] = None
    rules: Annotated[dict[str, dict[str, Any]], Field(description="settings of rules, as in `rules`")] = {}  # noqa: RUF012 - copied
