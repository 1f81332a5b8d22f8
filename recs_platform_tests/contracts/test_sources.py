"""Every candidate source keeps the same promises, on a plain world and on the odd ones."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.embeddings import ALSConfig
from recs_platform.stages.retrieval.fit import fit_retrieval
from recs_platform.stages.retrieval.problem import encode
from recs_platform.stages.retrieval.sources import SOURCES

AS_OF = datetime(2020, 3, 1, tzinfo=UTC)
CONFIG = RetrievalConfig(embeddings=ALSConfig(factors=4, iterations=3))
N = 5


def random_rows(n_users, n_items, n_rows, *, positive=0.8):
    generator = np.random.default_rng(11)
    return pl.DataFrame(
        {
            "user_id": [f"u{code:02d}" for code in generator.integers(0, n_users, n_rows)],
            "item_id": [f"i{code:02d}" for code in generator.integers(0, n_items, n_rows) ** 2 // n_items],
            "occurred_us": generator.integers(1_580_000_000_000_000, 1_583_000_000_000_000, n_rows),
            "weight": np.where(generator.random(n_rows) < positive, generator.choice([0.5, 1.0], n_rows), 0.0),
        },
        schema={"user_id": pl.String, "item_id": pl.String, "occurred_us": pl.Int64, "weight": pl.Float64},
    )


def everything_consumed():
    pairs = [(user, item) for user in ("u0", "u1") for item in ("i0", "i1", "i2")]
    return pl.DataFrame(
        {
            "user_id": [user for user, _ in pairs],
            "item_id": [item for _, item in pairs],
            "occurred_us": list(range(len(pairs))),
            "weight": [1.0] * len(pairs),
        }
    )


WORLDS = {
    "plain": random_rows(20, 30, 240),
    "no_positives": random_rows(8, 9, 40, positive=0.0),
    "one_item": random_rows(5, 1, 6, positive=0.5),
    "one_user": random_rows(1, 12, 8),
    "everything_consumed": everything_consumed(),
    "nobody": random_rows(1, 1, 0),
}


def problem_of(rows, *, repeats=False):
    users = pl.concat([rows["user_id"].unique(), pl.Series(["u00", "zz-new"] if len(rows) else [], dtype=pl.String)])
    items = pl.concat([rows["item_id"].unique(), pl.Series(["zz-unused"] if len(rows) else [], dtype=pl.String)])
    frame = pl.DataFrame({"item_id": items.sort()})
    frame = frame.with_columns((pl.int_range(pl.len()) % 5 != 1).alias("is_available"))
    return encode(rows, pl.DataFrame({"user_id": users}), frame, as_of=AS_OF, allow_repeats=repeats)


def offer(source, problem, *, n=N, targets=None, threads=1):
    codes = np.arange(problem.n_users, dtype=np.int32) if targets is None else np.array(targets, dtype=np.int32)
    fit = fit_retrieval(problem, CONFIG, seed=7, threads=threads)
    return source.retrieve(fit, codes, n)


def rows_of(lists):
    return list(zip(lists.users.tolist(), lists.items.tolist(), lists.scores.tolist(), strict=True))


@pytest.mark.parametrize("repeats", [False, True], ids=["no_repeats", "repeats"])
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
class TestLists:
    def test_types_and_order(self, source, world, repeats):
        lists = offer(source, problem_of(WORLDS[world], repeats=repeats))
        assert (lists.users.dtype, lists.items.dtype, lists.scores.dtype) == (np.int32, np.int32, np.float32)
        rows = rows_of(lists)
        assert rows == sorted(rows, key=lambda row: (row[0], -row[2], row[1]))

    def test_no_pair_twice_and_no_list_too_long(self, source, world, repeats):
        rows = rows_of(offer(source, problem_of(WORLDS[world], repeats=repeats)))
        assert len({row[:2] for row in rows}) == len(rows)
        assert all(sum(other[0] == row[0] for other in rows) <= N for row in rows)

    def test_only_eligible_items_with_a_score(self, source, world, repeats):
        problem = problem_of(WORLDS[world], repeats=repeats)
        lists = offer(source, problem)
        assert problem.eligible[lists.items].all()
        assert (lists.scores > 0).all()
        assert np.isfinite(lists.scores).all()

    def test_nothing_consumed_unless_repeats_are_allowed(self, source, world, repeats):
        problem = problem_of(WORLDS[world], repeats=repeats)
        consumed = set(zip(problem.users.tolist(), problem.items.tolist(), strict=True))
        offered = {row[:2] for row in rows_of(offer(source, problem))}
        assert repeats or not offered & consumed

    def test_asking_for_fewer_gives_the_head_of_the_list(self, source, world, repeats):
        problem = problem_of(WORLDS[world], repeats=repeats)
        long, short = (rows_of(offer(source, problem, n=n)) for n in (N, 2))
        assert short == [row for place, row in enumerate(long) if sum(o[0] == row[0] for o in long[:place]) < 2]

    def test_a_list_depends_on_its_user_alone_and_not_on_threads(self, source, world, repeats):
        problem = problem_of(WORLDS[world], repeats=repeats)
        rows = rows_of(offer(source, problem))
        some = list(range(0, problem.n_users, 3))
        assert rows_of(offer(source, problem, targets=some, threads=2)) == [row for row in rows if row[0] in some]

    def test_no_targets_give_empty_lists(self, source, world, repeats):
        lists = offer(source, problem_of(WORLDS[world], repeats=repeats), targets=[])
        assert len(lists.users) == len(lists.items) == len(lists.scores) == 0


def test_names_are_distinct_and_each_source_offers_something():
    problem = problem_of(WORLDS["plain"])
    assert len({source.name for source in SOURCES}) == len(SOURCES)
    assert all(len(offer(source, problem).items) for source in SOURCES)
