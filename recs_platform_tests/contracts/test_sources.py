"""Every candidate source keeps the same promises, on a plain world and on the odd ones."""

from collections import Counter
from datetime import UTC, datetime
from functools import cache
from itertools import product

import numpy as np
import polars as pl
import pytest

from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.fit import fit_retrieval
from recs_platform.stages.retrieval.problem import encode
from recs_platform.stages.retrieval.sources import SOURCES

AS_OF = datetime(2020, 3, 1, tzinfo=UTC)
CONFIG = RetrievalConfig(
    sources={
        "als": {"factors": 4, "iterations": 3},
        "spectral": {"factors": 4, "tail": 1.0},
        "group_popularity": {"min_users": 2},
    }
)
SEGMENTS = ["new", "casual", None]
N = 5


def random_rows(n_users, n_items, n_rows, *, positive=0.8):
    generator = np.random.default_rng(11)
    return pl.DataFrame(
        {
            "user_id": [f"u{code:02d}" for code in generator.integers(0, n_users, n_rows)],
            "item_id": [f"i{code:02d}" for code in generator.integers(0, n_items, n_rows) ** 2 // n_items],
            "occurred_us": generator.integers(1_582_900_000_000_000, 1_583_000_000_000_000, n_rows),
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


@cache
def problem_of(world, *, repeats=False):
    """A world with catalogue, profiles and vectors of the operator's own; some items of each kind lack them."""
    rows = WORLDS[world]
    users = pl.concat([rows["user_id"].unique(), pl.Series(["u00", "zz-new"] if len(rows) else [], dtype=pl.String)])
    items = pl.concat([rows["item_id"].unique(), pl.Series(["zz-unused"] if len(rows) else [], dtype=pl.String)])
    position = pl.int_range(pl.len())
    catalogue = pl.DataFrame({"item_id": items.sort()}).with_columns(
        (position % 5 != 1).alias("is_available"),
        pl.format("word{} both", position % 3).alias("title"),
        pl.when(position % 4 != 0).then(pl.format("c{}", position % 2)).alias("category"),
        pl.concat_list(pl.format("t{}", position % 4)).alias("tags"),
        pl.lit(AS_OF).dt.offset_by(pl.format("-{}d", position)).alias("published_at"),
    )
    people = pl.DataFrame({"user_id": users.unique().sort()})
    people = people.with_columns(
        segment_id=pl.Series([SEGMENTS[position % 3] for position in range(len(people))], dtype=pl.String)
    )
    vectors = catalogue.filter(position % 6 != 0).select(
        "item_id", vector=pl.concat_list((position % 3 + 1).cast(pl.Float32), pl.lit(1.0, pl.Float32))
    )
    return encode(rows, people, catalogue, as_of=AS_OF, allow_repeats=repeats, vectors=vectors)


@cache
def fit_of(name, world, repeats, threads):
    off = {source.name: {"enabled": source.name == name} for source in SOURCES}
    return fit_retrieval(problem_of(world, repeats=repeats), CONFIG.with_sources(off), seed=7, threads=threads)


def offer(source, world, *, repeats=False, n=N, targets=None, threads=1):
    fit = fit_of(source.name, world, repeats, threads)
    codes = np.arange(fit.problem.n_users, dtype=np.int32) if targets is None else np.array(targets, dtype=np.int32)
    configured = next(found for found in fit.config.configured_sources() if found.name == source.name)
    return configured.retrieve(fit, codes, n)


def rows_of(lists):
    return list(zip(lists.users.tolist(), lists.items.tolist(), lists.scores.tolist(), strict=True))


def faults_of_lists(source, world, repeats):
    """What is wrong with types, order, lengths, scores and pairs of a source's lists in a world."""
    problem, lists = problem_of(world, repeats=repeats), offer(source, world, repeats=repeats)
    rows = rows_of(lists)
    offered = {row[:2] for row in rows}
    promises = {
        "types": (lists.users.dtype, lists.items.dtype, lists.scores.dtype) == (np.int32, np.int32, np.float32),
        "order of user, score, item": rows == sorted(rows, key=lambda row: (row[0], -row[2], row[1])),
        "no pair twice": len(offered) == len(rows),
        "no list too long": max(Counter(row[0] for row in rows).values(), default=0) <= N,
        "only eligible items": problem.eligible[lists.items].all(),
        "nothing consumed": repeats
        or not offered & set(zip(problem.users.tolist(), problem.items.tolist(), strict=True)),
        "scores above 0": (lists.scores > 0).all() and np.isfinite(lists.scores).all(),
    }
    return [promise for promise, is_kept in promises.items() if not is_kept]


def faults_of_asking(source, world, repeats):
    """What of a list changes with the other users asked for, with threads, or with how many are asked for."""
    rows = rows_of(offer(source, world, repeats=repeats))
    some = list(range(0, problem_of(world).n_users, 3))
    again = offer(source, world, repeats=repeats, targets=some, threads=2)
    short = rows_of(offer(source, world, repeats=repeats, n=2))
    nothing = offer(source, world, repeats=repeats, targets=[])
    promises = {
        "its user alone": rows_of(again) == [row for row in rows if row[0] in some],
        "fewer are the head of more": short
        == [row for position, row in enumerate(rows) if sum(o[0] == row[0] for o in rows[:position]) < 2],
        "nobody, nothing": len(nothing.users) == len(nothing.items) == len(nothing.scores) == 0,
    }
    return [promise for promise, is_kept in promises.items() if not is_kept]


@pytest.mark.parametrize("faults", [faults_of_lists, faults_of_asking])
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_source_keeps_its_promises_in_every_world(source, faults):
    cases = product(WORLDS, (False, True))
    assert {case: found for case in cases if (found := faults(source, *case))} == {}


def test_names_are_distinct_and_each_source_offers_something():
    assert len({source.name for source in SOURCES}) == len(SOURCES)
    assert [source.name for source in SOURCES if not len(offer(source, "plain").items)] == []
