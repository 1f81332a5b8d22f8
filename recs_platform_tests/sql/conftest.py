"""A random event log with every oddity that models meet, and scratch runs over it. What must hold is in the tests."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.contracts import tables
from recs_platform.contracts.tables import EventType
from recs_platform.lake.tables import Lake
from recs_platform.warehouse.connection import connect
from recs_platform.warehouse.models import Models, load_models
from recs_platform.warehouse.runner import ModelRun

SQL = Path(__file__).parents[2] / "dbt_like_sql"
FIRST = datetime(2020, 1, 1, tzinfo=UTC)
AS_OF = datetime(2020, 4, 1, tzinfo=UTC)
KNOWN_AT = datetime(2020, 6, 1, tzinfo=UTC)
TYPES = [event_type.value for event_type in EventType]
Log = dict[str, pl.DataFrame]
RunOf = Callable[..., ModelRun]


@pytest.fixture(scope="session")
def sql_folder() -> Path:
    return SQL


@pytest.fixture(scope="session")
def models() -> Models:
    contracts = [value for value in vars(tables).values() if isinstance(value, tables.TableContract)]
    return load_models(SQL / "models", contracts)


@pytest.fixture(scope="session")
def run_of(models: Models) -> RunOf:
    """A scratch run over a log, in a connection of its own."""

    def build(
        log: Mapping[str, pl.DataFrame], *, as_of: datetime = AS_OF, known_at: datetime = KNOWN_AT, threads: int = 1
    ) -> ModelRun:
        con = connect(memory_limit_gb=1, threads=threads)
        run = ModelRun(con, Lake(Path("no-lake")), models, (), as_of=as_of, known_at=known_at, scratch=True)
        for name, rows in log.items():
            run.register(name, rows)
        return run

    return build


@pytest.fixture(scope="session")
def events_of() -> Callable[..., pl.DataFrame]:
    return make_events


@pytest.fixture(scope="session")
def log() -> Log:
    """900 events of 40 users and 25 items over 120 days, some flagged, some of users who withdrew or share an id."""
    rng = np.random.default_rng(7)
    offsets = rng.integers(0, 120 * 86_400, 900)
    offsets[:9] = 0  # ties in time
    events = make_events(
        users=[f"u{code}" for code in rng.integers(0, 35, 900)],
        items=[f"i{code}" for code in (rng.random(900) ** 2 * 22).astype(int)],
        types=[TYPES[code] for code in rng.integers(0, len(TYPES), 900)],
        seconds=offsets.tolist(),
        rng=rng,
    )
    users, items = [f"u{code}" for code in range(40)], [f"i{code}" for code in range(25)]
    return {
        "raw.events": events,
        "raw.ingestions": pl.DataFrame({c.FILE_HASH: ["f"], c.CONTRACT_TABLE: ["events"]}),
        "raw.item_history": _catalogue(items[:20] + items[23:], rng),
        "raw.user_history": pl.DataFrame(
            {
                c.USER_ID: users[5:],
                c.COUNTRY: [["se", "no", None][code % 3] for code in range(35)],
                c.SIGNED_UP_AT: [FIRST + timedelta(days=int(day)) for day in rng.integers(-30, 60, 35)],
                c.VALID_FROM: [FIRST] * 35,
            }
        ),
        **_people(rng),
        "retrieval.candidates": pl.DataFrame({c.USER_ID: users}).join(
            pl.DataFrame({c.ITEM_ID: items[:20]}), how="cross"
        ),
        "retrieval.item_neighbours": pl.DataFrame(
            {
                c.ITEM_ID: [item for item in items for _ in range(4)],
                c.NEIGHBOUR_ID: [items[(code + step) % 25] for code in range(25) for step in (1, 2, 5, 9)],
                c.SCORE: rng.random(100).astype(np.float32),
                c.RANK: [1, 2, 3, 4] * 25,
            }
        ),
        "segments.behaviour_segments": pl.DataFrame(
            {
                c.USER_ID: users,
                c.SEGMENT_ID: [f"b{code % 3}" for code in range(40)],
                c.SEGMENT_NAME: [f"cluster {code % 3}" for code in range(40)],
                c.IS_NOISE: [False] * 40,
            }
        ),
        "recommendations.lists_history": pl.concat([_lists(users, items, days) for days in (5, 7, 20, 28, 90, 91)]),
    }


def _lists(users: Sequence[str], items: Sequence[str], days: int) -> pl.DataFrame:
    """Lists of three items that were made `days` before the as-of."""
    ranks = [1, 2, 3]
    return pl.DataFrame(
        {
            c.AS_OF: [AS_OF - timedelta(days=days)] * len(users) * len(ranks),
            c.USER_ID: [user for user in users for _ in ranks],
            c.RANK: ranks * len(users),
            c.ITEM_ID: [items[(code * days + rank) % 20] for code in range(len(users)) for rank in ranks],
        }
    )


def _people(rng: np.random.Generator) -> Log:
    """Links between ids, withdrawals and flags."""
    instants = [FIRST + timedelta(days=int(day)) for day in rng.integers(0, 120, 12)]
    linked = rng.integers([5, 0], 40, (12, 2))  # those with a profile stay known whatever they are linked to
    return {
        "raw.identities": pl.DataFrame(
            {
                c.ANONYMOUS_ID: [f"u{code}" for code in linked[:, 0]],
                c.USER_ID: [f"u{code}" for code in linked[:, 1]],
                c.VALID_FROM: instants,
                c.INGESTED_AT: instants,
                c.FILE_HASH: ["f"] * 12,
            }
        ),
        "raw.consents": pl.DataFrame(
            {
                c.USER_ID: ["u3", "u3", "u7", "u38"],
                c.PURPOSE: [tables.PERSONALIZATION] * 4,
                c.GRANTED: [False, True, False, False],
                c.OCCURRED_AT: instants[:4],
                c.INGESTED_AT: instants[:4],
            }
        ),
        "raw.event_flags": pl.DataFrame(
            {
                c.EVENT_ID: [f"e{code}" for code in range(0, 900, 30)],
                c.RULE: ["rate"] * 30,
                c.FLAGGED_AT: [FIRST] * 30,
            }
        ),
    }


def make_events(
    *,
    users: Sequence[str],
    items: Sequence[str],
    types: Sequence[str],
    seconds: Sequence[int],
    rng: np.random.Generator,
) -> pl.DataFrame:
    """Events `seconds` after 2020-01-01, with measures that are missing now and then."""
    count = len(users)
    occurred = [FIRST + timedelta(seconds=int(offset)) for offset in seconds]

    def sometimes(values: Sequence[object]) -> list[object]:
        return [value if keep else None for value, keep in zip(values, rng.random(count) < 0.7, strict=True)]

    def one_of(*values: str) -> list[object]:
        return sometimes([values[code] for code in rng.integers(0, len(values), count)])

    return pl.DataFrame(
        {
            c.EVENT_ID: [f"e{code}" for code in range(count)],
            c.FILE_HASH: ["f"] * count,
            c.USER_ID: users,
            c.ITEM_ID: items,
            c.EVENT_TYPE: types,
            c.OCCURRED_AT: occurred,
            c.INGESTED_AT: occurred,
            c.EVENT_DATE: [instant.date() for instant in occurred],
            c.SESSION_ID: one_of("s1", "s2", "s3"),
            c.VALUE: sometimes((rng.integers(1, 11, count) / 2).tolist()),
            c.DWELL_SECONDS: sometimes((rng.random(count) * 100).tolist()),
            c.SCROLL_FRACTION: sometimes(rng.random(count).tolist()),
            c.DEVICE: one_of("mobile", "desktop", "tablet"),
            c.COUNTRY: one_of("se", "no", "dk"),
            c.REGION: one_of("north", "south"),
            c.SOURCE: ["random"] * count,
        },
        schema_overrides={
            c.SESSION_ID: pl.String, c.VALUE: pl.Float64, c.DWELL_SECONDS: pl.Float64, c.SCROLL_FRACTION: pl.Float64,
            c.DEVICE: pl.String, c.COUNTRY: pl.String, c.REGION: pl.String,
            c.USER_ID: pl.String, c.ITEM_ID: pl.String, c.EVENT_TYPE: pl.String, c.EVENT_ID: pl.String,
            c.FILE_HASH: pl.String, c.SOURCE: pl.String, c.EVENT_DATE: pl.Date,
            c.OCCURRED_AT: pl.Datetime("us", "UTC"), c.INGESTED_AT: pl.Datetime("us", "UTC"),
        },
    )  # fmt: skip


def _catalogue(items: Sequence[str], rng: np.random.Generator) -> pl.DataFrame:
    count = len(items)
    return pl.DataFrame(
        {
            c.ITEM_ID: items,
            c.CATEGORY: [["news", "sport", "tea", None][code % 4] for code in range(count)],
            c.TAGS: [[["x", "y"], ["y"], [], None][code % 4] for code in range(count)],
            c.CREATOR: [["ann", "bo", None][code % 3] for code in range(count)],
            c.LANGUAGE: [["sv", None][code % 2] for code in range(count)],
            c.PRICE: [[1.5, None, 4.0][code % 3] for code in range(count)],
            c.PUBLISHED_AT: [FIRST + timedelta(days=int(day)) for day in rng.integers(-30, 110, count)],
            c.VALID_FROM: [FIRST] * count,
        }
    )
