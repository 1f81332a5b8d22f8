"""What everything else is counted from: catalogue, people, pairs, sessions and visits as of an instant."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property

from recs_platform.contracts import columns as c
from recs_platform_tests.features_reference.events import (
    CONVERSIONS,
    Event,
    Log,
    Row,
    microseconds,
    opted_out,
    resolved_events,
    usable_events,
)
from recs_platform_tests.features_reference.numbers import least_covering, nine

HOUR = 3_600_000_000
DAY = 24 * HOUR
GAP = 30 * 60_000_000
POSITION_MAX = 50
Session = tuple[str, str | None, int | None]  # user, the source's name, start where it has none


@dataclass(frozen=True)
class Pair:
    """All of a user's events on an item."""

    events: tuple[Event, ...]
    as_of_us: int

    def count(self, *kinds: str) -> int:
        return sum(event.kind in kinds for event in self.events)

    @property
    def impressions(self) -> int:
        return self.count("impression")

    @property
    def interactions(self) -> int:
        return len(self.events) - self.impressions

    @property
    def conversions(self) -> int:
        return self.count(*CONVERSIONS)

    @property
    def answered(self) -> int:
        return min(max(self.count("click"), self.count("view")), self.impressions)

    @property
    def first_position(self) -> int | None:
        places = [event.row[c.POSITION] for event in self.events if not event.is_interaction]
        return min((min(place, POSITION_MAX) for place in places if place is not None), default=None)

    @property
    def last_interaction(self) -> int:
        return max(event.us for event in self.events if event.is_interaction)

    @property
    def last_impression(self) -> int:
        return max(event.us for event in self.events if not event.is_interaction)

    @property
    def weight(self) -> Decimal:
        return sum((nine(event.weight) for event in self.events), Decimal(0))

    @property
    def weight_7d(self) -> Decimal:
        return decayed(self.events, 7 * 24, self.as_of_us)


@dataclass(frozen=True)
class Visit:
    """An item that a user turned to, once until another."""

    item: str
    session: Session


class Known:
    """Everything known as of an instant."""

    def __init__(self, log: Log, as_of: datetime, known_at: datetime) -> None:
        self.as_of, self.us = as_of, microseconds(as_of)
        self.as_of_date = as_of.astimezone(UTC).date()
        self.log = log
        self.events = usable_events(log, as_of, known_at)
        self.opted_out = opted_out(log, known_at)
        self.catalogue = _current(log.items, c.ITEM_ID, as_of, known_at)
        self._profiles = _current(log.users, c.USER_ID, as_of, known_at)
        self._seen_users = {event.user for event in resolved_events(log, as_of, known_at)}

    @cached_property
    def users(self) -> list[str]:
        """Signed up or seen before the as-of."""
        signed_up = {
            user
            for user, profile in self._profiles.items()
            if profile[c.SIGNED_UP_AT] is None or profile[c.SIGNED_UP_AT] < self.as_of
        }
        return sorted(signed_up | self._seen_users)

    def profile(self, user: str) -> Row:
        return {} if user in self.opted_out else self._profiles.get(user, {})

    @cached_property
    def items(self) -> list[str]:
        """Published before the as-of, or seen before it."""
        published = {
            item
            for item, version in self.catalogue.items()
            if all(version[key] is None or version[key] < self.as_of for key in (c.PUBLISHED_AT, c.AVAILABLE_FROM))
        }
        return sorted(published | {event.item for event in self.events})

    @cached_property
    def by_user(self) -> dict[str, list[Event]]:
        return _grouped(self.events, [event.user for event in self.events])

    @cached_property
    def by_item(self) -> dict[str, list[Event]]:
        return _grouped(self.events, [event.item for event in self.events])

    @cached_property
    def pairs(self) -> dict[tuple[str, str], Pair]:
        grouped = _grouped(self.events, [(event.user, event.item) for event in self.events])
        return {pair: Pair(tuple(events), self.us) for pair, events in grouped.items()}

    @cached_property
    def consumed(self) -> dict[tuple[str, str], Pair]:
        return {names: pair for names, pair in self.pairs.items() if pair.interactions}

    @cached_property
    def sessions(self) -> dict[str, Session]:
        """The session of each event: the source's, else one that a pause of more than half an hour ends."""
        found: dict[str, Session] = {}
        for user, events in self.by_user.items():
            last, start = None, None
            for event in events:
                if event.row[c.SESSION_ID] is not None:
                    found[event.event_id] = (user, event.row[c.SESSION_ID], None)
                    continue
                if last is None or event.us - last > GAP:
                    start = event.us
                last = event.us
                found[event.event_id] = (user, None, start)
        return found

    @cached_property
    def visits(self) -> dict[str, list[Visit]]:
        """What each user turned to, oldest first."""
        found: dict[str, list[Visit]] = defaultdict(list)
        for event in self.events:
            before = found[event.user][-1:] if event.is_interaction else ()
            if event.is_interaction and not (before and before[0].item == event.item):
                found[event.user].append(Visit(event.item, self.sessions[event.event_id]))
        return found

    @cached_property
    def limits(self) -> dict[str, tuple[float, float]]:
        """What a measure is drawn in to: its first and its last hundredth over all events."""
        found: dict[str, tuple[float, float]] = {}
        for column in (c.DWELL_SECONDS, c.SCROLL_FRACTION):
            values = [event.row[column] for event in self.events if event.row[column] is not None]
            if values:
                found[column] = (least_covering(values, 1), least_covering(values, 99))
        return found

    def measures(self, column: str, events: Iterable[Event]) -> list[float]:
        """Values of a measure that are known, drawn in to its limits."""
        low, high = self.limits.get(column, (0.0, 0.0))
        return [min(max(event.row[column], low), high) for event in events if event.row[column] is not None]

    def days_since(self, us: int | None) -> float | None:
        return None if us is None else (self.us - us) / DAY


def decayed(events: Iterable[Event], half_life_hours: int, as_of_us: int) -> Decimal:
    """Weights, each halved for every half-life of age."""
    half_life = half_life_hours * HOUR
    return sum((nine(0.5 ** ((as_of_us - event.us) / half_life) * event.weight) for event in events), Decimal(0))


def ratings_of(events: Iterable[Event]) -> list[Decimal]:
    """Values of those that rate."""
    return [nine(event.row[c.VALUE]) for event in events if event.kind == "rating" and event.row[c.VALUE] is not None]


def bought(pairs: Iterable[Pair]) -> tuple[int, int]:
    """Pairs with a conversion, of those consumed."""
    consumed = [pair for pair in pairs if pair.interactions]
    return sum(pair.conversions > 0 for pair in consumed), len(consumed)


def clicked(pairs: Iterable[Pair]) -> tuple[int, int]:
    """Impressions answered, of all."""
    shown = list(pairs)
    return sum(pair.answered for pair in shown), sum(pair.impressions for pair in shown)


def most_common(values: Iterable[str | None]) -> tuple[str | None, int]:
    """The value met most, of ties the first by name, with how often."""
    counts = Counter(value for value in values if value is not None)
    return min(counts.items(), key=lambda pair: (-pair[1], pair[0])) if counts else (None, 0)


def _current(versions: Sequence[Row], key: str, as_of: datetime, known_at: datetime) -> dict[str, Row]:
    """The version valid at the as-of; before the first one, that."""
    found: dict[str, Row] = {}
    for row in sorted(versions, key=lambda version: version[c.VALID_FROM]):
        if row[c.VALID_FROM] <= known_at and (row[c.VALID_FROM] <= as_of or row[key] not in found):
            found[row[key]] = row
    return found


def _grouped(events: Iterable[Event], keys):
    found = defaultdict(list)
    for event, key in zip(events, keys, strict=True):
        found[key].append(event)
    return dict(found)
