"""Random logs with every oddity that a source brings, and the tables the product reads them from. Nothing is judged."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
from hypothesis import strategies as st

from recs_platform.contracts import columns as c
from recs_platform_tests.features_reference.events import WEIGHTS, Log

USERS = ["u0", "u1", "u2", "U2", "ü"]
ITEMS = ["i0", "i1", "i2", "i3", "茶", ""]
TEXTS = [None, "", "news", "News", "Ñandú", "☕ tea"]
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
INSTANT = timedelta(microseconds=1)
# a change of clocks, the last instant of a day in UTC, a leap day
AS_OFS = [
    datetime(2024, 3, 31, 1, tzinfo=UTC),
    datetime(2024, 3, 2, tzinfo=UTC) - INSTANT,
    datetime(2024, 3, 1, tzinfo=UTC),
]
ZONES = ["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"]
KINDS = [*WEIGHTS, *["impression"] * 8, *["click", "view", "rating", "purchase"] * 2]
Instants = dict[str, datetime]


@dataclass(frozen=True)
class Example:
    """A log, when it is looked at, and the zone its instants are written in."""

    log: Log
    as_of: datetime
    known_at: datetime
    zone: str


def _offsets() -> st.SearchStrategy[timedelta]:
    """How long before the as-of: on every edge of the definitions, beside it, or anywhere."""
    edges = [0 * DAY, DAY, 7 * DAY, 14 * DAY, 28 * DAY, 10 * HOUR, 30 * MINUTE, 60 * MINUTE]
    return st.one_of(
        st.builds(lambda edge, step: edge + step * INSTANT, st.sampled_from(edges), st.integers(-1, 1)),
        st.integers(0, 40 * 24).map(lambda hours: hours * HOUR),
        st.integers(1, 180).map(lambda minutes: minutes * MINUTE),
    )


@st.composite
def examples(draw: st.DrawFn) -> Example:
    """Up to 40 events of 5 users on 6 items, some late, some after the as-of, with ids that share people."""
    as_of = draw(st.sampled_from(AS_OFS))
    known_at = as_of + draw(st.sampled_from([-3 * DAY, 0 * DAY, 10 * DAY]))
    count = draw(st.integers(0, 40))
    rng = draw(st.randoms(use_true_random=True))
    offsets = draw(st.lists(_offsets(), min_size=count, max_size=count))
    events = [_event(rng, code, as_of - offset, known_at) for code, offset in enumerate(offsets)]
    zone = draw(st.sampled_from(ZONES))
    log = Log(
        events=events,
        items=[version for item in ITEMS for version in _item_versions(rng, item, as_of)],
        users=[version for user in USERS for version in _user_versions(rng, user, as_of)],
        identities=_identities(rng, as_of) if draw(st.booleans()) else [],
        consents=_consents(rng, as_of) if draw(st.booleans()) else [],
        flags=[{c.EVENT_ID: "e07", c.RULE: "rate", c.FLAGGED_AT: known_at + rng.choice([0, 1]) * INSTANT}],
        candidates=[(user, item) for user in USERS for item in ITEMS],
        neighbours={(rng.choice(ITEMS), rng.choice(ITEMS)): rng.randint(1, 64) / 64 for _ in range(8)},
    )
    return Example(log, as_of.astimezone(ZoneInfo(zone)), known_at.astimezone(ZoneInfo(zone)), zone)


def long_example() -> Example:
    """1,600 events, so that measures have outliers, lists are cut and a user has more than 200 visits."""
    rng = random.Random(7)  # noqa: S311  no secret
    as_of, known_at = AS_OFS[2], AS_OFS[2]
    users, items = [f"u{code}" for code in range(12)], [f"i{code:02}" for code in range(70)]
    events = [_event(rng, code, as_of - rng.random() * 40 * DAY, known_at) for code in range(1600)]
    for event in events:
        event[c.USER_ID] = users[0] if rng.random() < 0.8 else rng.choice(users)
        event[c.ITEM_ID] = items[0] if rng.random() < 0.5 else rng.choice(items)
        event[c.SESSION_ID] = "s" if rng.random() < 0.6 else event[c.SESSION_ID]
    log = Log(
        events=events,
        items=[version for item in items for version in _item_versions(rng, item, as_of)],
        candidates=[(user, item) for user in users for item in items[:25]],
        neighbours={(rng.choice(items), rng.choice(items)): rng.randint(1, 64) / 64 for _ in range(400)},
    )
    return Example(log, as_of, known_at, "UTC")


def on_the_edge() -> Example:
    """Events beside and on every edge: as-of, known_at, lengths of windows, the pause that ends a session, a link."""
    rng = random.Random(7)  # noqa: S311  no secret
    as_of, known_at = AS_OFS[0], AS_OFS[0] + DAY
    steps = [-INSTANT, 0 * INSTANT, INSTANT]
    edges = [
        {c.OCCURRED_AT: as_of + at, c.INGESTED_AT: known_at + learned} for at, learned in product(steps * 2, steps)
    ]
    edges += [
        {c.OCCURRED_AT: as_of - days * DAY + step, c.EVENT_TYPE: kind}
        for days, kind, step in product((1, 7, 14, 28), ("view", "click", "purchase"), steps)
    ]
    edges += [
        {c.OCCURRED_AT: as_of - 2 * DAY + pause, c.SESSION_ID: None, c.USER_ID: "paused"}
        for pause in (0 * MINUTE, 30 * MINUTE, 60 * MINUTE + INSTANT)
    ]
    events = [
        {**_event(rng, code, edge[c.OCCURRED_AT], edge[c.OCCURRED_AT]), c.FILE_HASH: "f", **edge}
        for code, edge in enumerate(edges)
    ]
    links = [
        {c.ANONYMOUS_ID: user, c.USER_ID: "linked", c.VALID_FROM: at, c.INGESTED_AT: at, c.FILE_HASH: "f"}
        for user, at in (("u0", as_of - INSTANT), ("u1", as_of))
    ]
    return Example(Log(events=events, identities=links), as_of, known_at, "UTC")


def _event(rng: random.Random, code: int, occurred_at: datetime, known_at: datetime) -> dict[str, Any]:
    """Many share their instant, and all they say, with others; ids run against time."""
    ingested_at = rng.choice([occurred_at, occurred_at, occurred_at, known_at, known_at + INSTANT])
    return {
        c.EVENT_ID: f"e{(code * 7) % 10_007:02}",
        c.FILE_HASH: rng.choice(["f"] * 15 + ["not in the ledger"]),
        c.USER_ID: rng.choice(USERS),
        c.ITEM_ID: rng.choice(ITEMS),
        c.EVENT_TYPE: rng.choice(KINDS),
        c.OCCURRED_AT: occurred_at,
        c.INGESTED_AT: max(ingested_at, occurred_at),
        c.EVENT_DATE: occurred_at.date(),
        c.SESSION_ID: rng.choice([None, None, "s", "t"]),
        c.VALUE: rng.choice([None, 0.5, 2.9, 3.0, 4.5, 5.0, 10.0, 19.99]),
        c.DWELL_SECONDS: rng.choice([None, rng.random() * 1e5, rng.random() * 1e5]),
        c.SCROLL_FRACTION: rng.choice([None, 0.0, 1.0, rng.random()]),
        c.POSITION: rng.choice([None, 1, 2, 3, 50, 51, 70]),
        c.DEVICE: rng.choice([None, "mobile", "phone", "tablet", "desktop"]),
        c.COUNTRY: rng.choice(TEXTS),
        c.REGION: rng.choice(TEXTS),
        c.SOURCE: "random",
    }


def _item_versions(rng: random.Random, item: str, as_of: datetime) -> list[dict[str, Any]]:
    instants = [as_of - 5 * DAY, as_of - DAY, as_of, as_of + INSTANT, as_of + 30 * DAY]
    published = [None, as_of - 3 * DAY, as_of - 50 * DAY, as_of, as_of + DAY]
    return [
        {
            c.ITEM_ID: item,
            c.CATEGORY: rng.choice(TEXTS),
            c.TAGS: rng.choice([None, [], ["x"], ["x", "y", "x"], ["", "☕", "y"]]),
            c.CREATOR: rng.choice(TEXTS),
            c.LANGUAGE: rng.choice([None, "sv", "en"]),
            c.PRICE: rng.choice([None, 0.0, 1.25, 19.99]),
            c.PUBLISHED_AT: rng.choice(published),
            c.AVAILABLE_FROM: rng.choice([None, None, *published]),
            c.VALID_FROM: start,
        }
        for start in rng.sample(instants, rng.choice([0, 1, 1, 2]))
    ]


def _user_versions(rng: random.Random, user: str, as_of: datetime) -> list[dict[str, Any]]:
    instants = [as_of - 5 * DAY, as_of, as_of + INSTANT, as_of + 30 * DAY]
    return [
        {
            c.USER_ID: user,
            c.SIGNED_UP_AT: rng.choice([None, as_of - 60 * DAY, as_of - INSTANT, as_of]),
            c.COUNTRY: rng.choice(TEXTS),
            c.CONSENT_PERSONALIZATION: rng.choice([None, None, None, True, False]),
            c.VALID_FROM: start,
        }
        for start in rng.sample(instants, rng.choice([0, 1, 1, 2]))
    ]


def _identities(rng: random.Random, as_of: datetime) -> list[dict[str, Any]]:
    links: list[dict[str, Any]] = []
    for _ in range(rng.randint(1, 3)):
        since = as_of - rng.choice([20 * DAY, DAY, 0 * DAY, INSTANT])
        links.append(
            {
                c.ANONYMOUS_ID: rng.choice(USERS),
                c.USER_ID: rng.choice(USERS),
                c.VALID_FROM: since,
                c.INGESTED_AT: since + rng.choice([0, 0, 12]) * DAY,
                c.FILE_HASH: "f",
            }
        )
    return links


def _consents(rng: random.Random, as_of: datetime) -> list[dict[str, Any]]:
    return [
        {
            c.USER_ID: rng.choice(USERS),
            c.PURPOSE: rng.choice(["personalization", "marketing"]),
            c.GRANTED: rng.random() < 0.4,
            c.OCCURRED_AT: as_of - rng.choice([DAY, INSTANT]),
            c.INGESTED_AT: as_of + rng.choice([0, 20]) * DAY,
        }
        for _ in range(rng.randint(1, 3))
    ]


def tables(example: Example) -> dict[str, pl.DataFrame]:
    """The log as the product meets it, in tables with the example's time zone."""
    log, zone = example.log, example.zone
    pairs = {c.USER_ID: pl.String, c.ITEM_ID: pl.String}
    neighbours = [(item, other, score) for (item, other), score in log.neighbours.items()]
    return {
        "raw.events": _frame(log.events, _EVENTS, zone),
        "raw.ingestions": pl.DataFrame({c.FILE_HASH: list(log.ledger), c.CONTRACT_TABLE: ["events"] * len(log.ledger)}),
        "raw.item_history": _frame(log.items, _ITEMS, zone),
        "raw.user_history": _frame(log.users, _USERS, zone),
        "raw.identities": _frame(log.identities, _IDENTITIES, zone),
        "raw.consents": _frame(log.consents, _CONSENTS, zone),
        "raw.event_flags": _frame(log.flags, _FLAGS, zone),
        "retrieval.candidates": pl.DataFrame(log.candidates, schema=pairs, orient="row"),
        "retrieval.item_neighbours": pl.DataFrame(
            neighbours, schema={c.ITEM_ID: pl.String, c.NEIGHBOUR_ID: pl.String, c.SCORE: pl.Float32}, orient="row"
        ),
    }


_TIME = pl.Datetime("us", "UTC")
_TEXT = pl.String()
_EVENTS = {
    **dict.fromkeys((c.EVENT_ID, c.FILE_HASH, c.USER_ID, c.ITEM_ID, c.EVENT_TYPE, c.SESSION_ID), _TEXT),
    **dict.fromkeys((c.DEVICE, c.COUNTRY, c.REGION, c.SOURCE), _TEXT),
    **dict.fromkeys((c.VALUE, c.DWELL_SECONDS, c.SCROLL_FRACTION), pl.Float64()),
    c.OCCURRED_AT: _TIME, c.INGESTED_AT: _TIME, c.EVENT_DATE: pl.Date(), c.POSITION: pl.Int32(),
}  # fmt: skip
_ITEMS = {
    **dict.fromkeys((c.ITEM_ID, c.CATEGORY, c.CREATOR, c.LANGUAGE), _TEXT),
    **dict.fromkeys((c.PUBLISHED_AT, c.AVAILABLE_FROM, c.VALID_FROM), _TIME),
    c.TAGS: pl.List(pl.String), c.PRICE: pl.Float64(),
}  # fmt: skip
_USERS = {
    c.USER_ID: _TEXT, c.COUNTRY: _TEXT, c.CONSENT_PERSONALIZATION: pl.Boolean(),
    c.SIGNED_UP_AT: _TIME, c.VALID_FROM: _TIME,
}  # fmt: skip
_IDENTITIES = {
    c.ANONYMOUS_ID: _TEXT, c.USER_ID: _TEXT, c.VALID_FROM: _TIME, c.INGESTED_AT: _TIME, c.FILE_HASH: _TEXT,
}  # fmt: skip
_CONSENTS = {
    c.USER_ID: _TEXT, c.PURPOSE: _TEXT, c.GRANTED: pl.Boolean(), c.OCCURRED_AT: _TIME, c.INGESTED_AT: _TIME,
}  # fmt: skip
_FLAGS = {c.EVENT_ID: _TEXT, c.RULE: _TEXT, c.FLAGGED_AT: _TIME}


def _frame(rows: Sequence[Any], schema: dict[str, pl.DataType], zone: str) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        pl.col(name).dt.convert_time_zone(zone) for name, dtype in schema.items() if dtype == _TIME
    )
