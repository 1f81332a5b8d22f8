"""Documents of the HTTP interface, as msgspec structs: what the server answers with and the events it takes.

One shape for JSON, OpenAPI and the client.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

EventType = Literal[
    "impression", "view", "click", "scroll", "play", "like", "share", "comment", "bookmark", "follow", "download",
    "rating", "cart_add", "purchase", "subscribe", "dismiss",
]  # fmt: skip
Id = Annotated[str, Meta(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]+\Z")]
Word = Annotated[str, Meta(max_length=512)]


class Move(msgspec.Struct, frozen=True, gc=False):
    """A step of serving that gave an item another rank: by itself, or by moving what stood before it.

    `step`: max_per_category, or by a variant diversity or exploration.
    """

    step: str
    from_rank: int
    to_rank: int


class SessionShare(msgspec.Struct, frozen=True, gc=False):
    """An item's score in parts that add up to it: of its stored place, of its likeness to the session, of learning.

    `because_of`: the session's item that speaks most for it, empty without a session. `from_learning`: what users did
    since the release, where `serving.learning` is set.
    """

    from_place: float
    from_session: float
    because_of: str
    from_learning: float = 0.0


class Explanation(msgspec.Struct, frozen=True, gc=False):
    """Why an item is at its place, as far as the release holds it; what it does not hold is null or empty.

    `offered_by`: candidate sources that found the item for this user. `candidate_rank`, `candidate_score`: among the
    stored candidates, before any rule. `released_rank`: in the released list, after all batch rules, with the chance
    it was drawn with there. `session`: null where nothing of the session was counted. `moves`: steps of serving that
    changed the rank, in their order. `is_drawn`: a variant's exploration drew it.
    """

    offered_by: tuple[str, ...] = ()
    candidate_rank: int | None = None
    candidate_score: float | None = None
    released_rank: int | None = None
    released_propensity: float | None = None
    session: SessionShare | None = None
    moves: tuple[Move, ...] = ()
    is_drawn: bool = False


class RecommendedItem(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One place of a list. `propensity`: the chance with which this item was put there; null where it cannot be told.

    `explanation`: where it was asked for.
    """

    rank: int
    item_id: str
    score: float
    reason: str
    sources: tuple[str, ...]
    propensity: float | None
    explanation: Explanation | None = None


class Recommendations(msgspec.Struct, frozen=True):
    """A page of a user's list. `recommendation_id` is that of the whole list: impressions refer to it."""

    user_id: str
    request_id: str
    recommendation_id: str
    release_id: str
    as_of: datetime
    variant: str
    expires_at: datetime
    items: list[RecommendedItem]
    next_cursor: str | None


class ScoredItem(msgspec.Struct, frozen=True, gc=False):
    """An item with its place and score in a ranking."""

    rank: int
    item_id: str
    title: str
    score: float


class SimilarItems(msgspec.Struct, frozen=True):
    """Items chosen by the same users as another, best first."""

    item_id: str
    release_id: str
    items: list[ScoredItem]


class PopularItems(msgspec.Struct, frozen=True):
    """Popular items of a context: everybody, a device, a country or a region."""

    context: str
    release_id: str
    items: list[ScoredItem]


class ReleaseInForce(msgspec.Struct, frozen=True):
    """The release that answers now, and how much it knows."""

    release_id: str
    bundle: str
    as_of: datetime
    sealed_at: datetime
    users: int
    items: int


class Event(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One event, in contract columns. Without `event_id` one is given to it; without `occurred_at` it happened now.

    An impression of a whole list leaves `item_id` out and names the list by `request_id`, its `recommendation_id`.
    """

    user_id: Id
    event_type: EventType
    item_id: Id | None = None
    event_id: Id | None = None
    occurred_at: Annotated[datetime, Meta(tz=True)] | None = None
    session_id: Id | None = None
    value: Annotated[float, Meta(ge=-1e12, le=1e12)] | None = None
    dwell_seconds: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    scroll_fraction: Annotated[float, Meta(ge=0, le=1)] | None = None
    position: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    request_id: Id | None = None
    propensity: Annotated[float, Meta(gt=0, le=1)] | None = None
    device: Word | None = None
    os: Word | None = None
    country: Word | None = None
    region: Word | None = None
    referrer: Word | None = None


class EventError(msgspec.Struct, frozen=True):
    """Why one event of a request was not accepted; `index` counts from 0."""

    index: int
    code: str
    detail: str


class EventsTaken(msgspec.Struct, frozen=True):
    """What became of the events of a request. 202: some are durable now. 200: all of them were there already."""

    accepted: int
    duplicates: int
    event_ids: list[str]
    errors: list[EventError]
