"""Calls as values: method, path, query, body and the shape of the answer. They are sent in `clients`."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import quote

import msgspec

from recs_platform.contracts.http_documents import (
    Event,
    EventsTaken,
    PopularItems,
    Recommendations,
    ReleaseInForce,
    SimilarItems,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request. `answer`: the type that its body is decoded into; None = the body says nothing.

    Every call may be sent again: reading changes nothing, events are known by their ids, and to forget twice is to
    forget once.
    """

    method: str
    path: str
    answer: type[T] | None
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


def recommendations_call(user_id: str, **chosen: object) -> Call[Recommendations]:
    """A user's list, or a page of it."""
    return Call("GET", f"/v1/users/{_id(user_id)}/recommendations", Recommendations, _query(chosen))


def similar_call(item_id: str, k: int | None) -> Call[SimilarItems]:
    """Neighbours of an item."""
    return Call("GET", f"/v1/items/{_id(item_id)}/similar", SimilarItems, _query({"k": k}))


def popular_call(**chosen: object) -> Call[PopularItems]:
    """Popular items of a context."""
    return Call("GET", "/v1/popular", PopularItems, _query(chosen))


def release_call() -> Call[ReleaseInForce]:
    """The release in force."""
    return Call("GET", "/v1/releases/current", ReleaseInForce)


def events_call(given: Iterable[Event]) -> Call[EventsTaken]:
    """Events without an id get one here, so that sending again adds nothing; impressions of lists have theirs."""
    named = [each if each.event_id is not None or _is_of_list(each) else _with_id(each) for each in given]
    return Call("POST", "/v1/events", EventsTaken, body=msgspec.json.encode(named))


def forget_call(user_id: str) -> Call[None]:
    """A request to forget a user."""
    return Call("DELETE", f"/v1/users/{_id(user_id)}", None)


def impression_of(made: Recommendations, session_id: str | None) -> Event:
    """The event that says that a list was seen."""
    return Event(
        user_id=made.user_id, event_type="impression", request_id=made.recommendation_id, session_id=session_id
    )


def _is_of_list(event: Event) -> bool:
    return event.event_type == "impression" and event.request_id is not None


def _with_id(event: Event) -> Event:
    return msgspec.structs.replace(event, event_id=uuid.uuid4().hex)


@dataclass(frozen=True)
class Names:
    """Several ids in one parameter."""

    names: tuple[str, ...]


def _id(text: str) -> str:
    return quote(text, safe="")


def _query(chosen: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple((name, _text(value)) for name, value in chosen.items() if value is not None)


def _text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case Names():
            return ",".join(value.names)
        case _:
            return str(value)
