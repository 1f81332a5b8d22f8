"""Who the made-up users are: their profiles and what they did. What becomes of them is in `lists`.

Adding one is a function and an entry in `PEOPLE`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import cycle, islice

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import EventType

# No id of a source begins so: they sort behind all others, and what is made of them is told apart.
PREFIX = "\U0010fffd made up: "
SOURCE = "made_up"
_HEAVY, _BOT, _DAYS = 3_000, 2_000, 30
# Popular items that those with many events go through, and that one who consumed everything liked.
_HELD, _LIKED = 1_000, 50
_BAD = 1.0
_UNDER_AGE = "under 13"


@dataclass(frozen=True)
class Surroundings:
    """What they are made from. `items`: item_id, category of what may be recommended, the most popular first.

    `since`: the first day of the log. `country`: the one that most users have, if any is known.
    """

    items: pl.DataFrame
    as_of: datetime
    since: datetime
    country: str | None

    def ids(self, n: int | None = None) -> list[str]:
        """The most popular items, all of them by default."""
        return self.items[c.ITEM_ID].head(self.items.height if n is None else n).to_list()

    def ago(self, **what: float) -> datetime:
        """An instant before the as-of, not before the log."""
        return max(self.since, self.as_of - timedelta(**what))


Event = tuple[str, EventType, datetime]


@dataclass(frozen=True)
class Person:
    """An entry of PEOPLE. `has_profile`: whether anything is known beside what they did; `age_band` if that is."""

    name: str
    text: str
    events: Callable[[Surroundings], Iterator[Event]]
    has_profile: bool = True
    age_band: str | None = None

    @property
    def user_id(self) -> str:
        return f"{PREFIX}{self.name}"


def _nothing(_: Surroundings) -> Iterator[Event]:
    yield from ()


def _one(around: Surroundings) -> Iterator[Event]:
    for item in around.ids(1):
        yield item, EventType.CLICK, around.ago(hours=1)


def _one_long_ago(around: Surroundings) -> Iterator[Event]:
    for item in around.ids(1):
        yield item, EventType.CLICK, around.since


def _everything_consumed(around: Surroundings) -> Iterator[Event]:
    """Views of the most popular, a bad rating for each of the others: one who likes all makes all items alike."""
    for at, item in enumerate(around.ids()):
        yield item, EventType.VIEW if at < _LIKED else EventType.RATING, around.ago(days=1)


def _everything_dismissed(around: Surroundings) -> Iterator[Event]:
    for item in around.ids():
        yield item, EventType.DISMISS, around.ago(days=1)


def _one_category(around: Surroundings) -> Iterator[Event]:
    """Half of the largest category, so that something of it is left; thirty items at most."""
    named = around.items.drop_nulls(c.CATEGORY)
    sizes = named.group_by(c.CATEGORY).len("n").sort("n", c.CATEGORY, descending=[True, False])
    own = named.filter(pl.col(c.CATEGORY).is_in(sizes[c.CATEGORY].head(1).to_list()))[c.ITEM_ID].to_list()
    for at, item in enumerate(own[: min(30, (len(own) + 1) // 2)]):
        yield item, EventType.CLICK, around.ago(hours=at + 1)


def _heavy(around: Surroundings) -> Iterator[Event]:
    """Views of every other popular item again and again, spread over thirty days."""
    own = around.ids(_HELD)[::2]
    for at, item in enumerate(islice(cycle(own), _HEAVY if own else 0)):
        yield item, EventType.VIEW, around.ago(minutes=1 + at * _DAYS * 24 * 60 / _HEAVY)


def _bot(around: Surroundings) -> Iterator[Event]:
    """A click a second without a pause, from one item to the next."""
    own = around.ids(_HELD)[::2]
    for at, item in enumerate(islice(cycle(own), _BOT if own else 0)):
        yield item, EventType.CLICK, around.ago(hours=2) + timedelta(seconds=at)


def _few(around: Surroundings) -> Iterator[Event]:
    for at, item in enumerate(around.ids(3)):
        yield item, EventType.VIEW, around.ago(hours=at + 1)


PEOPLE = (
    Person("no_history", "a profile and no event", _nothing),
    Person("one_event", "a click an hour ago", _one),
    Person("one_event_long_ago", "a click on the first day of the log", _one_long_ago),
    Person("everything_consumed", "consumed every item that may be recommended", _everything_consumed),
    Person("everything_dismissed", "dismissed every item that may be recommended", _everything_dismissed),
    Person("one_category", "clicks in the largest category alone", _one_category),
    Person("unknown_country", "three views, neither a profile nor a country", _few, has_profile=False),
    Person("very_heavy", f"{_HEAVY:,} views within thirty days", _heavy),
    Person("bot_like", f"{_BOT:,} clicks, one a second, that no rule flagged", _bot),
    Person("under_age", f"three views, age band '{_UNDER_AGE}'", _few, age_band=_UNDER_AGE),
)


def events_of(people: tuple[Person, ...], around: Surroundings) -> pl.DataFrame:
    """Rows in columns of `staging.stg_known_events`, those that they have."""
    rows = [
        (f"{PREFIX}{place} {at}", person.user_id, item, str(event), when)
        for place, person in enumerate(people)
        for at, (item, event, when) in enumerate(person.events(around))
    ]
    instant = pl.Datetime("us", "UTC")
    keys = (c.EVENT_ID, c.USER_ID, c.ITEM_ID, c.EVENT_TYPE)
    frame = pl.DataFrame(rows, schema=dict.fromkeys(keys, pl.String) | {c.OCCURRED_AT: instant}, orient="row")
    source = pl.lit(SOURCE)
    is_rating = pl.col(c.EVENT_TYPE) == EventType.RATING
    return frame.with_columns(
        pl.when(is_rating).then(_BAD).alias(c.VALUE),
        pl.col(c.OCCURRED_AT).dt.date().alias(c.EVENT_DATE),
        source.alias(c.SOURCE),
        source.alias(c.FILE_HASH),
    )


def profiles_of(people: tuple[Person, ...], around: Surroundings) -> pl.DataFrame:
    """Rows in columns of `raw.user_history`, those that they have; nobody of them opted out."""
    rows = [
        (person.user_id, around.since, around.country, person.age_band, around.since)
        for person in people
        if person.has_profile
    ]
    instant = pl.Datetime("us", "UTC")
    schema = {c.USER_ID: pl.String, c.SIGNED_UP_AT: instant, c.COUNTRY: pl.String, c.AGE_BAND: pl.String}
    return pl.DataFrame(rows, schema=schema | {c.VALID_FROM: instant}, orient="row")
