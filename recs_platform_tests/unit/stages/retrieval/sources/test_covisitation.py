"""Items of one session are similar, by as much as the formula says; sessions end at pauses, and old ones fade."""

import numpy as np
import pytest

from recs_platform.stages.retrieval.fit import RetrievalFit
from recs_platform.stages.retrieval.sources import covisitation
from recs_platform.stages.retrieval.sources.covisitation import Covisitation, CovisitationConfig, fit_covisitation

MINUTE = 1 / 1440
# Minutes that are no whole days, so that they show pauses.
START = 40 + MINUTE


def dense(matrix):
    result = np.zeros((matrix.n_rows, matrix.n_columns))
    result[matrix.rows, matrix.columns] = matrix.values
    return result


def session(user, items, *, days=START):
    return [(user, item, days - minute * MINUTE, 1.0) for minute, item in enumerate(items)]


def similarity(problem, **config):
    return dense(fit_covisitation(problem, CovisitationConfig(**config)))


def test_similarity_is_the_shrunken_cosine_over_sessions(problem_of):
    problem = problem_of([*session("u", "ab"), *session("v", "ac"), *session("w", "b")])
    # a is in 2 sessions, b in 2, c in 1; each pair with a in 1, b and c in none.
    found = similarity(problem, shrinkage=1.0, half_life_days=1e6)
    ab, ac = 1 / np.sqrt((2 + 1) * (2 + 1)), 1 / np.sqrt((2 + 1) * (1 + 1))
    np.testing.assert_allclose(found, [[0, ab, ac], [ab, 0, 0], [ac, 0, 0]], rtol=1e-4)


def test_a_pause_ends_a_session(problem_of):
    problem = problem_of([*session("u", "ab"), *session("u", "c", days=START - 60 * MINUTE)])
    assert (similarity(problem, gap_minutes=30)[0] > 0).tolist() == [False, True, False]
    assert (similarity(problem, gap_minutes=90)[0] > 0).tolist() == [False, True, True]


def test_without_times_the_window_decides(problem_of):
    problem = problem_of([("u", item, 10 - day, 1.0) for day, item in enumerate("abcd")])
    found = similarity(problem, window=2, shrinkage=0.0)
    np.testing.assert_allclose(found, [[0, 1, 1, 0], [1, 0, 1, 1], [1, 1, 0, 1], [0, 1, 1, 0]])


def test_an_item_counts_once_a_session(problem_of):
    once, often = (problem_of(session("u", items)) for items in ("ab", "abababa"))
    np.testing.assert_array_equal(similarity(once), similarity(often))


def test_old_sessions_fade_and_never_vanish(problem_of):
    problem = problem_of([*session("u", "ab", days=START + 3000), *session("v", "ac"), *session("w", "a", days=START)])
    found = similarity(problem, half_life_days=1000, shrinkage=0.0)
    # The session of 3000 days ago counts 1000 / 4000 of one of now.
    total, old = 2 + 1 / 4, 1 / 4
    np.testing.assert_allclose(found[0], [0, old / np.sqrt(total * old), 1 / np.sqrt(total)], rtol=1e-4)
    assert similarity(problem, half_life_days=1)[0, 1] > 0


def test_what_was_not_liked_is_no_visit(problem_of):
    problem = problem_of([*session("u", "a"), ("u", "b", START, 0.0)])
    assert not similarity(problem).any()


def test_blocks_do_not_change_a_byte(problem_of, two_tastes, monkeypatch):
    problem = problem_of(two_tastes[0])
    whole = fit_covisitation(problem, CovisitationConfig(neighbours=5))
    monkeypatch.setattr(covisitation, "_BLOCK_PAIRS", 50)
    parts = fit_covisitation(problem, CovisitationConfig(neighbours=5))
    for name in ("starts", "columns", "values"):
        assert getattr(parts, name).tobytes() == getattr(whole, name).tobytes()


def test_the_withheld_item_comes_first(problem_of, two_tastes):
    rows, withheld = two_tastes
    problem = problem_of(rows, users="z")
    lists = Covisitation().retrieve(RetrievalFit(problem, {}), np.arange(problem.n_users, dtype=np.int32), 1)
    found = zip(problem.user_ids[lists.users].tolist(), problem.item_ids[lists.items].tolist(), strict=True)
    assert dict(found) == withheld


def test_defaults():
    config = CovisitationConfig()
    assert (config.gap_minutes, config.half_life_days) == (1440, 365)
    with pytest.raises(ValueError, match="gap_minutes"):
        CovisitationConfig(gap_minutes=0)
