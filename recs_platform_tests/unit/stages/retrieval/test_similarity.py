"""How alike candidates are to what their users liked last is what a plain loop says of the ALS vectors."""

import numpy as np
import polars as pl
import pytest

from recs_platform.stages.retrieval.candidates import generate_candidates
from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.fit import RetrievalFit, fit_retrieval
from recs_platform.stages.retrieval.similarity.history import LATEST

CONFIG = RetrievalConfig(candidates_per_source=6, sources={"als": {"factors": 6, "iterations": 4}})
NAMES = ["last_item_similarity", "latest_items_similarity"]


def candidates(fit: RetrievalFit, **options: int) -> pl.DataFrame:
    return pl.concat(generate_candidates(fit, **options))


def cosine(one: np.ndarray, other: np.ndarray) -> float | None:
    lengths = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / lengths) if lengths > 0 else None


def as_loops_say(fit: RetrievalFit, rows: list[tuple], user: str, item: str) -> list[float | None]:
    """`rows`: user, item, days before, weight; the latest like of each item counts."""
    vectors = dict(zip(fit.problem.item_ids, fit.space("als").embeddings.item_factors.astype(float), strict=True))
    liked = sorted((days, other) for who, other, days, weight in rows if who == user and weight > 0)
    latest = list(dict.fromkeys(other for _, other in liked))[:LATEST]
    if not latest:
        return [None, None]
    lengths = [np.linalg.norm(vectors[other]) or 1.0 for other in latest]
    few = np.mean([vectors[other] / length for other, length in zip(latest, lengths, strict=True)], axis=0)
    return [cosine(vectors[item], vectors[latest[0]]), cosine(vectors[item], few)]


@pytest.mark.parametrize("threads", [1, 2])
def test_cosines_are_those_of_loops(problem_of, two_tastes, threads):
    rows, _ = two_tastes
    rows = [*rows, ("seen", "i00", 2, 0.0), ("once", "i03", 2, 1.0), ("once", "new", 1, 0.0)]
    fit = fit_retrieval(problem_of(rows, users=["nobody"]), CONFIG, seed=7, threads=threads)
    found = candidates(fit)
    assert {"seen", "once", "nobody"} <= set(found["user_id"])
    expected = [as_loops_say(fit, rows, user, item) for user, item in found.select("user_id", "item_id").rows()]
    for at, name in enumerate(NAMES):
        told = found[name].to_list()
        assert [value is None for value in told] == [each[at] is None for each in expected]
        assert [v for v in told if v is not None] == pytest.approx(
            [e[at] for e in expected if e[at] is not None], abs=1e-5
        )


def test_they_depend_on_the_user_alone_and_not_on_threads_or_company(problem_of, two_tastes):
    problem = problem_of(two_tastes[0])
    one, two = (candidates(fit_retrieval(problem, CONFIG, seed=7, threads=threads)) for threads in (1, 2))
    assert one.equals(two)
    fit = fit_retrieval(problem, CONFIG, seed=7, threads=1)
    assert one.equals(candidates(fit, block_users=7))


def test_they_are_missing_where_als_is_off(problem_of, two_tastes):
    config = RetrievalConfig(candidates_per_source=6, sources={"als": {"enabled": False}})
    found = candidates(fit_retrieval(problem_of(two_tastes[0]), config, seed=7, threads=1))
    assert found.select(pl.col(NAMES).null_count()).row(0) == (found.height, found.height)
