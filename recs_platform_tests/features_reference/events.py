"""Which events of a log may be read as of an instant, and whose they are. What is made of them is elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from recs_platform.contracts import columns as c

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CONVERSIONS = {"purchase", "subscribe"}
WEIGHTS = {
    "impression": 0.0, "view": 1.0, "click": 1.0, "scroll": 0.5, "play": 1.0, "like": 3.0, "share": 3.0,
    "comment": 3.0, "bookmark": 3.0, "follow": 2.0, "download": 2.0, "rating": 1.0, "cart_add": 3.0,
    "purchase": 5.0, "subscribe": 3.0, "dismiss": 0.0,
}  # fmt: skip
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Log:
    """Rows of the raw tables, by column name; instants in any time zone."""

    events: Sequence[Row] = ()
    items: Sequence[Row] = ()  # versions
    users: Sequence[Row] = ()  # versions
    identities: Sequence[Row] = ()
    consents: Sequence[Row] = ()
    flags: Sequence[Row] = ()
    ledger: Sequence[str] = ("f",)
    candidates: Sequence[tuple[str, str]] = ()
    neighbours: Mapping[tuple[str, str], float] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """One event, of the person it belongs to, in microseconds since 1970."""

    event_id: str
    user: str
    item: str
    kind: str
    us: int
    row: Row

    @property
    def is_interaction(self) -> bool:
        return self.kind != "impression"

    @property
    def at(self) -> datetime:
        return EPOCH + timedelta(microseconds=self.us)

    @property
    def weight(self) -> float:
        """A rating below 3 says nothing for the item, one from 3 to 5 a part."""
        value = self.row[c.VALUE]
        if self.kind == "rating" and value is not None:
            return 0.0 if value < 3 else min(value, 5.0) / 5
        return WEIGHTS[self.kind]


def microseconds(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)


def resolved_events(log: Log, as_of: datetime, known_at: datetime) -> list[Event]:
    """Events before the as-of that were known by then, of the persons they belong to; oldest first."""
    links = [link for link in known_links(log, known_at) if link[c.VALID_FROM] < as_of]
    events = [
        Event(
            row[c.EVENT_ID],
            person(links, row[c.USER_ID], row[c.OCCURRED_AT]),
            row[c.ITEM_ID],
            row[c.EVENT_TYPE],
            microseconds(row[c.OCCURRED_AT]),
            row,
        )
        for row in log.events
        if row[c.OCCURRED_AT] < as_of and row[c.INGESTED_AT] <= known_at and row[c.FILE_HASH] in log.ledger
    ]
    return sorted(events, key=lambda event: (event.us, event.event_id))


def usable_events(log: Log, as_of: datetime, known_at: datetime) -> list[Event]:
    """The same, less flagged events and those of people who opted out."""
    flagged = {row[c.EVENT_ID] for row in log.flags if row[c.FLAGGED_AT] <= known_at}
    hidden = opted_out(log, known_at)
    return [
        event
        for event in resolved_events(log, as_of, known_at)
        if event.event_id not in flagged and event.user not in hidden
    ]


def known_links(log: Log, known_at: datetime | None) -> list[Row]:
    return [
        link
        for link in log.identities
        if link[c.FILE_HASH] in log.ledger and (known_at is None or link[c.INGESTED_AT] <= known_at)
    ]


def follow(links: Sequence[Row], anonymous: str, at: datetime) -> str:
    """One step: the latest link by then, else the earliest there is, else the id itself."""
    mine = [(link[c.VALID_FROM], link[c.USER_ID]) for link in links if link[c.ANONYMOUS_ID] == anonymous]
    if not mine:
        return anonymous
    past = [since for since, _ in mine if since <= at]
    chosen = max(past) if past else min(since for since, _ in mine)
    return min(user for since, user in mine if since == chosen)


def person(links: Sequence[Row], anonymous: str, at: datetime) -> str:
    """Two steps: a device to a login, a login to a user."""
    return follow(links, follow(links, anonymous, at), at)


def opted_out(log: Log, known_at: datetime) -> set[str]:
    """Who withdrew last, as known then or as known now, in a consent or in a profile, under every id they had."""
    hidden: set[str] = set()
    for instant in (known_at, None):
        links = known_links(log, instant)
        for statements in (_consents(log, instant), _profiles(log, instant)):
            said: dict[str, list[tuple[datetime, bool]]] = {}
            for user, at, granted in statements:
                said.setdefault(person(links, user, at), []).append((at, not granted))
            hidden |= {user for user, what in said.items() if max(what)[1]}
    return hidden | {
        link[c.ANONYMOUS_ID]
        for instant in (known_at, None)
        for links in [known_links(log, instant)]
        for link in links
        for moment in _moments(links)
        if person(links, link[c.ANONYMOUS_ID], moment) in hidden
    }


def _consents(log: Log, known_at: datetime | None) -> list[tuple[str, datetime, bool]]:
    return [
        (row[c.USER_ID], row[c.OCCURRED_AT], row[c.GRANTED])
        for row in log.consents
        if row[c.PURPOSE] == "personalization" and (known_at is None or row[c.INGESTED_AT] <= known_at)
    ]


def _profiles(log: Log, known_at: datetime | None) -> list[tuple[str, datetime, bool]]:
    return [
        (row[c.USER_ID], row[c.VALID_FROM], row[c.CONSENT_PERSONALIZATION])
        for row in log.users
        if row[c.CONSENT_PERSONALIZATION] is not None and (known_at is None or row[c.VALID_FROM] <= known_at)
    ]


def _moments(links: Sequence[Row]) -> list[datetime]:
    """Every instant at which somebody becomes somebody, and just before it."""
    starts = {link[c.VALID_FROM] for link in links}
    return sorted({start - step for start in starts for step in (timedelta(0), timedelta(microseconds=1))})
