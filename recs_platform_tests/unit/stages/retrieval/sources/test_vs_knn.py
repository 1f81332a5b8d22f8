"""Neighbour sessions, their weights and what they offer are the formula's numbers, worked out by hand."""

import numpy as np
import pytest

from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.fit import fit_retrieval
from recs_platform.stages.retrieval.sources.vs_knn import VSKnn, VSKnnConfig

PLAIN = {"decay": 1.0, "nearness": 1.0, "backward": 1.0, "idf": False}


def walks(**users):
    """Rows of users who walk through the items of a word, a day a step, all in one session."""
    return [
        (user, item, len(word) - position, 1.0) for user, word in users.items() for position, item in enumerate(word)
    ]


def lists(problem, config, *, n=5, targets=None, threads=1):
    codes = np.arange(problem.n_users, dtype=np.int32) if targets is None else np.array(targets, dtype=np.int32)
    return VSKnn(config=config).retrieve(fit_retrieval(problem, RetrievalConfig(), seed=7, threads=threads), codes, n)


def offered(problem, user, **choices):
    config = VSKnnConfig(**{**PLAIN, **choices})
    found = lists(problem, config, targets=[problem.user_ids.tolist().index(user)])
    return dict(zip(problem.item_ids[found.items].tolist(), found.scores.tolist(), strict=True))


def test_similarity_counts_shared_items_by_their_place(problem_of):
    problem = problem_of(walks(t="ab", u="abx", v="ay"))
    # u shares a and b: similarity 1 + 1/2, met at b, 0 steps ago. v shares a alone: 1/2, met 1 step ago.
    assert offered(problem, "t", decay=0.5) == {"x": 1 + 0.5, "y": 0.5 * 0.5}


def test_rare_items_count_more(problem_of):
    problem = problem_of(walks(t="ab", u="ax", v="ay", w="by"))
    # Four sessions: three of them hold a, two hold b.
    a, b = np.log(1 + 4 / 3), np.log(1 + 4 / 2)
    assert offered(problem, "t", idf=True) == pytest.approx({"y": a + b, "x": a})


def test_items_count_by_their_distance_from_the_last_shared_one(problem_of):
    problem = problem_of(walks(t="ab", u="vwbxyz"))
    scores = {"x": 1.0, "y": 0.5, "z": 0.25, "w": 0.1, "v": 0.1 * 0.5}
    assert offered(problem, "t", nearness=0.5, backward=0.1) == pytest.approx(scores)
    assert list(offered(problem, "t", nearness=0.5, backward=0.1, reach=1)) == ["x", "w"]
    assert list(offered(problem, "t", nearness=0.5, backward=0)) == ["x", "y", "z"]


def test_the_last_shared_item_is_the_one_the_target_met_last(problem_of):
    problem = problem_of(walks(t="ab", u="bxxxay"))
    # b is the target's latest, so distances count from b, though a stands later in u's session.
    assert offered(problem, "t", nearness=0.5, backward=0) == {"x": 2.0, "y": 2 * 0.25}


def test_old_sessions_fade_where_asked_to(problem_of):
    rows = [("t", "a", 3, 1.0), ("u", "a", 2, 1.0), ("u", "x", 1, 1.0), ("v", "a", 9, 1.0), ("v", "y", 8, 1.0)]
    problem = problem_of(rows)
    assert offered(problem, "t") == {"x": 1.0, "y": 1.0}
    assert offered(problem, "t", half_life_days=7) == {"x": 1.0, "y": 0.5}
    assert offered(problem, "t", half_life_days=0.001)["y"] > 0


def test_only_the_newest_sessions_of_an_item_are_compared(problem_of):
    rows = walks(t="a") + [
        (f"u{day}", item, day + 0.5 * (item == "a"), 1.0) for day in (1, 2, 3) for item in ("a", f"x{day}")
    ]
    assert list(offered(problem_of(rows), "t", sample=2)) == ["x1", "x2"]


def test_only_the_most_similar_sessions_are_listened_to(problem_of):
    problem = problem_of(walks(t="abc", u="abcx", v="bcy", w="cz"))
    assert offered(problem, "t", sessions=2) == {"x": 3.0, "y": 2.0}


def test_a_target_never_hears_itself(problem_of):
    hours = [("t", "a", 5.4, 1.0), ("t", "b", 5.39, 1.0), ("t", "a", 1.3, 1.0)]
    assert offered(problem_of(hours, repeats=True), "t", gap_minutes=60) == {}
    others = [("u", "a", 4.2, 1.0), ("u", "c", 4.19, 1.0)]
    assert offered(problem_of([*hours, *others], repeats=True), "t", gap_minutes=60) == {"c": 1.0}


def test_the_latest_session_speaks_alone(problem_of):
    rows = [("t", "a", 5.4, 1.0), ("t", "b", 1.3, 1.0), *walks(u="ax", v="by")]
    assert offered(problem_of(rows), "t", gap_minutes=2880) == {"y": 1.0}
    assert offered(problem_of(rows), "t") == {"x": 1.0, "y": 1.0}
    assert offered(problem_of(rows), "t", history=1) == {"y": 1.0}


def test_a_long_past_session_is_remembered_by_its_end(problem_of):
    problem = problem_of(walks(t="ab", u="axbyz"))
    assert offered(problem, "t", length=3) == {"y": 1.0, "z": 1.0}


def test_a_planted_continuation_comes_first(problem_of):
    generator = np.random.default_rng(3)
    noise = {f"n{user}": "".join(generator.permutation(list("abcdefgh"))[:3]) for user in range(30)}
    planted = {f"p{user}": "".join(generator.permutation(list("defgh"))[:2]) + "abz" for user in range(10)}
    problem = problem_of(walks(**noise, **planted, t="cab"))
    found = lists(problem, VSKnnConfig(), n=1, targets=[problem.user_ids.tolist().index("t")])
    assert problem.item_ids[found.items].tolist() == ["z"]


@pytest.mark.parametrize(
    "rows", [[], [("u", "a", 1, 0.0)], [("u", "a", 1, 1.0)], walks(u="abcab"), walks(u="a", v="a")]
)
def test_nobody_to_learn_from_gives_no_list(problem_of, rows):
    assert len(lists(problem_of(rows), VSKnnConfig()).items) == 0


def test_other_targets_and_threads_do_not_change_a_byte(problem_of, two_tastes):
    problem = problem_of(two_tastes[0])
    whole = lists(problem, VSKnnConfig())
    for part in (lists(problem, VSKnnConfig(), threads=2), lists(problem, VSKnnConfig(), targets=[3, 17, 30])):
        kept = np.isin(whole.users, part.users)
        assert part.items.tobytes() == whole.items[kept].tobytes()
        assert part.scores.tobytes() == whole.scores[kept].tobytes()
