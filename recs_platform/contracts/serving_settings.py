"""Settings of `recs serve`: how it answers, what it protects itself against, how a new release reaches its users."""

from typing import Annotated

from pydantic import Field

from recs_platform.contracts.shapes import Shapes
from recs_platform.contracts.shared_settings import Name, SettingGroup


class ServingSettings(SettingGroup):
    """How `recs serve` answers and what it protects itself against."""

    require_keys: Annotated[bool, Field(description="ask for a key on 127.0.0.1 too; elsewhere always")] = False
    surfaces: Annotated[tuple[Name, ...], Field(description="places where lists are shown; others are refused")] = (
        *("home", "item", "cart", "search", "email"),
    )
    session_minutes: Annotated[
        int, Field(ge=1, le=1440, description="pause after which what a user just did moves lists no more")
    ] = 30
    session_weight: Annotated[
        float, Field(ge=0, le=1, description="how far a session moves stored candidates; 0 = not at all")
    ] = 0.8
    candidates: Annotated[
        int,
        Field(
            ge=50,
            le=200,
            description="a user's best candidates in a bundle, which sessions move; lists are made from the best 50",
        ),
        Shapes("build"),
    ] = 50
    learning: Annotated[
        bool,
        Field(description="let what users choose move popularity and their own vectors until the next release"),
    ] = False
    list_minutes: Annotated[
        int, Field(ge=1, le=1440, description="how long the cursors and impressions of a shown list are understood")
    ] = 15
    redis_url: Annotated[
        str | None,
        Field(
            min_length=1,
            description="Redis or Valkey where several processes share sessions, shown lists and rate limits; unset, "
            "memory alone",
            examples=["redis://127.0.0.1:6379/0"],
        ),
    ] = None
    redis_seconds_max: Annotated[
        float, Field(ge=0.005, le=10, description="what takes that store longer is done without it for a second")
    ] = 0.1
    rate_per_second: Annotated[
        float, Field(gt=0, le=1_000_000, description="requests a second of one key, in the long run")
    ] = 500.0
    rate_burst: Annotated[int, Field(ge=1, le=1_000_000, description="requests of one key at once")] = 1_000
    body_bytes_max: Annotated[int, Field(ge=1_000, le=100_000_000, description="longest body of a request")] = 1_000_000
    request_seconds_max: Annotated[
        float, Field(gt=0, le=300, description="time in which the head, then the body of a request must arrive")
    ] = 10.0
    queued_events_max: Annotated[
        int, Field(ge=1, le=10_000_000, description="events that wait for the disk; beyond it the answer is 503")
    ] = 20_000
    memory_megabytes: Annotated[
        int,
        Field(
            ge=5,
            le=100_000,
            description="memory for sessions, shown lists, dismissals, ids of events and pages; the oldest go first",
        ),
    ] = 200
    seal_seconds: Annotated[
        float, Field(ge=0.05, le=3600, description="how long events are collected before they go to landing")
    ] = 10.0
    cors_origins: Annotated[
        tuple[Name, ...], Field(description="origins whose pages may call the API; none by default")
    ] = ()
    demo: Annotated[
        bool, Field(description="show the page /demo, where a list is seen and what is pressed is stored as an event")
    ] = False
    log_user_ids: Annotated[bool, Field(description="write the path of requests, which names users, to the log")] = (
        False
    )


class CanarySettings(SettingGroup):
    """How `recs serve` tries a new release on some users before everybody gets it."""

    share: Annotated[
        float, Field(ge=0, lt=1, description="share of users who get a new release first; 0 = everybody at once")
    ] = 0.0
    minutes: Annotated[float, Field(ge=0, le=100_000, description="how long at least, before everybody gets it")] = 60.0
    exposures_min: Annotated[
        int, Field(ge=0, le=10**9, description="impressions of it that must be reported before everybody gets it")
    ] = 2_000
    slow_milliseconds: Annotated[
        float, Field(gt=0, le=60_000, description="a list that takes longer to make counts as slow")
    ] = 20.0
