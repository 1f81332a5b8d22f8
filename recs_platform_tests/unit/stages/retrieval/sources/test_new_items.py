"""What came out last comes first, favourites before the rest, and everybody is served."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from recs_platform.stages.retrieval import top_n
from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.fit import fit_retrieval
from recs_platform.stages.retrieval.sources import new_items
from recs_platform.stages.retrieval.sources.new_items import NewItems, NewItemsConfig

AS_OF = datetime(2020, 3, 1, tzinfo=UTC)


def source_of(**config):
    return NewItems(config=NewItemsConfig(**{"half_age_days": 7, **config}))


def with_catalogue(problem, **columns):
    """A catalogue from {item: value} of each column; whole numbers are days before the instant."""
    frame = problem.catalogue
    for name, values in columns.items():
        given = [values.get(item) for item in problem.item_ids.tolist()]
        given = [AS_OF - timedelta(days=value) if isinstance(value, int) else value for value in given]
        frame = frame.with_columns(pl.Series(name, given, dtype=frame.schema[name]))
    return replace(problem, catalogue=frame)


def offered(problem, source, n=5):
    fit = fit_retrieval(problem, RetrievalConfig(), seed=0, threads=1)
    lists = source.retrieve(fit, np.arange(problem.n_users, dtype=np.int32), n)
    found = {}
    for user, item, score in zip(lists.users, lists.items, lists.scores.tolist(), strict=True):
        found.setdefault(problem.user_ids[user], []).append((problem.item_ids[item], score))
    return found


def test_the_first_date_that_is_known_tells_the_age(problem_of):
    problem = with_catalogue(
        problem_of([], users="u", items="abcde", gone="e"),
        published_at={"a": 14, "e": 0},
        available_from={"a": 0, "b": 7},
        first_seen_at={"a": 0, "b": 0, "c": 0},
    )
    listed = offered(problem, source_of())["u"]
    # d has no date: as if it were a hundredth and a day older than the oldest, which is 14 days old.
    ages = {"c": 0, "b": 7, "a": 14, "d": 14 * 1.01 + 1}
    assert [item for item, _ in listed] == list(ages)
    assert dict(listed) == pytest.approx({item: 1 / (1 + age / 7) for item, age in ages.items()})


def test_dates_to_come_are_today(problem_of):
    problem = with_catalogue(problem_of([], users="u", items="ab"), published_at={"a": 0, "b": -3})
    assert offered(problem, source_of())["u"] == [("a", 1.0), ("b", 1.0)]


def test_nothing_known_at_all_gives_everybody_the_first_items(problem_of):
    lists = offered(problem_of([], users="uv", items="cab"), source_of(), n=2)
    assert {user: [item for item, _ in entries] for user, entries in lists.items()} == {
        "u": ["a", "b"],
        "v": ["a", "b"],
    }
    assert offered(problem_of([]), source_of()) == {}
    assert offered(problem_of([], users="u"), source_of()) == {}


def test_favourite_categories_and_creators_come_first(problem_of):
    rows = [("u", "p", 5, 1.0), ("u", "q", 4, 1.0), ("u", "r", 3, 0.0)]
    problem = with_catalogue(
        problem_of(rows, users="v", items="abcd"),
        published_at=dict.fromkeys("abcdpqr", 7),
        category={"a": "news", "b": "sport", "p": "sport", "q": "art", "r": "news"},
        creator={"c": "ann", "p": "ann", "q": "ann"},
    )
    lists = offered(problem, source_of(category_boost=4, creator_boost=2), n=4)
    # Of the two that u liked one is sport and both are by ann; r was not liked.
    assert lists["u"] == [("b", 0.5 * (1 + 4 / 2)), ("c", 0.5 * (1 + 2)), ("a", 0.5), ("d", 0.5)]
    assert lists["v"] == [(item, 0.5) for item in "abcd"]


def test_favourites_are_sought_among_the_newest_only(problem_of):
    problem = with_catalogue(
        problem_of([("u", "p", 50, 1.0)], items="abc"),
        published_at={"a": 1, "b": 2, "c": 3, "p": 60},
        category={"b": "art", "c": "art", "p": "art"},
    )
    assert [item for item, _ in offered(problem, source_of(pool=2))["u"]] == ["b", "a", "c"]


def test_blocks_and_lengths_do_not_change_a_byte(problem_of, monkeypatch):
    generator = np.random.default_rng(2)
    items = [f"i{item:02d}" for item in range(60)]
    rows = [(f"u{user:02d}", str(item), 1, 1.0) for user in range(25) for item in generator.choice(items, user + 1)]
    problem = with_catalogue(
        problem_of(rows, users="z"),
        published_at={item: int(generator.integers(0, 9)) for item in items[5:]},
        category={item: f"c{generator.integers(0, 4)}" for item in items[:50]},
        creator={item: f"p{generator.integers(0, 9)}" for item in items},
    )
    whole = offered(problem, source_of(pool=20), n=60)
    assert all(len(listed) == 60 - len({row[1] for row in rows if row[0] == user}) for user, listed in whole.items())
    monkeypatch.setattr(top_n, "_BLOCK_KEYS", 130)
    monkeypatch.setattr(new_items, "_BLOCK_CELLS", 50)
    assert offered(problem, source_of(pool=20), n=60) == whole
    assert offered(problem, source_of(pool=20), n=3) == {user: listed[:3] for user, listed in whole.items()}
