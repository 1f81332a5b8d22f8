"""Shares of what came next are the formula's numbers, and the shorter context counts where the longer is rare."""

import numpy as np
import pytest

from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.fit import fit_retrieval
from recs_platform.stages.retrieval.sources.ngrams import NGrams, NGramsConfig, fit_ngrams

LATEST = {"history": 1, "decay": 1.0}


def walks(**users):
    """Rows of users who walk through the items of a word, a day a step, all in one session."""
    return [
        (user, item, len(word) - position, 1.0) for user, word in users.items() for position, item in enumerate(word)
    ]


def lists(problem, config, *, n=5, targets=None, threads=1):
    codes = np.arange(problem.n_users, dtype=np.int32) if targets is None else np.array(targets, dtype=np.int32)
    return NGrams(config=config).retrieve(fit_retrieval(problem, RetrievalConfig(), seed=7, threads=threads), codes, n)


def offered(problem, user, **choices):
    found = lists(problem, NGramsConfig(**choices), targets=[problem.user_ids.tolist().index(user)])
    return dict(zip(problem.item_ids[found.items].tolist(), found.scores.tolist(), strict=True))


def test_shares_of_one_and_two_items(problem_of):
    # b is followed by c twice and by d once; after a b it was c once in once.
    problem = problem_of(walks(u="abc", v="bcb", w="bd", t="ab"))
    # t stands after a b, whose own share has weight 1 / (1 + s); P(c | b) = 2 / (3 + s), with s = 2.
    assert offered(problem, "t", smoothing=2, **LATEST) == pytest.approx(
        {"c": (1 + 2 * 2 / 5) / 3, "d": (2 * 1 / 5) / 3}
    )


def test_the_shorter_context_alone_where_the_longer_is_unknown(problem_of):
    problem = problem_of(walks(u="abc", v="bd", t="eb", w="b"))
    for user in ("t", "w"):
        assert offered(problem, user, smoothing=1, **LATEST) == pytest.approx({"c": 1 / 3, "d": 1 / 3})


def test_without_smoothing_a_known_pair_leaves_nothing_to_the_shorter_context(problem_of):
    problem = problem_of(walks(u="abc", v="bd", w="bd", t="ab", s="b"))
    assert offered(problem, "t", smoothing=0, **LATEST) == {"c": 1.0}
    assert offered(problem, "s", smoothing=0, **LATEST) == pytest.approx({"d": 2 / 3, "c": 1 / 3})


def test_earlier_contexts_fade(problem_of):
    problem = problem_of(walks(u="ac", v="bd", t="ab"))
    # Nothing was ever seen after a b, so both items count alone, b at position 0 and a at position 1; a also led to b.
    assert offered(problem, "t", smoothing=0, history=2, decay=0.5) == {"d": 1.0, "c": 0.5 * 1 / 2}


def test_nothing_is_counted_across_sessions(problem_of):
    rows = [("u", "a", 9.3, 1.0), ("u", "b", 9.29, 1.0), ("u", "c", 2.1, 1.0), ("t", "b", 1.7, 1.0)]
    problem = problem_of(rows)
    assert offered(problem, "t", gap_minutes=60) == {}
    assert list(offered(problem, "t")) == ["c"]
    assert offered(problem_of([*rows, ("s", "c", 4.3, 1.0), ("s", "d", 4.2, 1.0)]), "u", gap_minutes=60) == {}


def test_only_the_commonest_next_items_of_a_context_are_kept(problem_of):
    rules = fit_ngrams(problem_of(walks(u="ab", v="ab", w="ac", x="ad")), NGramsConfig(rules=2, smoothing=1)).rules
    assert rules.columns.tolist() == [1, 2]
    np.testing.assert_allclose(rules.values, [2 / 5, 1 / 5])


def test_a_planted_continuation_comes_first(problem_of):
    generator = np.random.default_rng(3)
    noise = {f"n{user}": "".join(generator.permutation(list("abcdefgh"))) for user in range(40)}
    planted = {f"p{user}": "".join(generator.permutation(list("defgh"))[:2]) + "abz" for user in range(8)}
    assert next(iter(offered(problem_of(walks(**noise, **planted, t="cab")), "t"))) == "z"


@pytest.mark.parametrize("rows", [[], [("u", "a", 1, 0.0)], [("u", "a", 1, 1.0)], walks(u="abcab")])
def test_nobody_to_learn_from_gives_no_list(problem_of, rows):
    assert len(lists(problem_of(rows), NGramsConfig()).items) == 0


def test_other_targets_and_threads_do_not_change_a_byte(problem_of, two_tastes):
    problem = problem_of(two_tastes[0])
    whole = lists(problem, NGramsConfig())
    for part in (lists(problem, NGramsConfig(), threads=2), lists(problem, NGramsConfig(), targets=[3, 17, 30])):
        kept = np.isin(whole.users, part.users)
        assert part.items.tobytes() == whole.items[kept].tobytes()
        assert part.scores.tobytes() == whole.scores[kept].tobytes()
