"""Sessions end at long pauses where times can tell one; nothing else is cut, but to its latest steps."""

import numpy as np
import pytest

from recs_platform.stages.retrieval.sessions import last_steps, spans, split_sessions

MINUTE = 1 / 1440


def cut(problem, **choices):
    """(user, items of a session) in order."""
    sessions = split_sessions(problem, **{"gap_minutes": 30, **choices})
    return [
        (problem.user_ids[user], "".join(problem.item_ids[sessions.items[start:end]]))
        for user, start, end in zip(sessions.users, sessions.starts[:-1], sessions.starts[1:], strict=True)
    ]


def visits(user, *steps):
    """Rows of (item, minutes before as_of)."""
    return [(user, item, minutes * MINUTE, 1.0) for item, minutes in steps]


def test_a_pause_longer_than_the_gap_ends_a_session(problem_of):
    rows = visits("u", ("a", 101), ("b", 71), ("c", 40.9), ("d", 5)) + visits("v", ("a", 3))
    assert cut(problem_of(rows)) == [("u", "ab"), ("u", "c"), ("u", "d"), ("v", "a")]
    assert cut(problem_of(rows), gap_minutes=31) == [("u", "abc"), ("u", "d"), ("v", "a")]
    assert cut(problem_of(rows), gap_minutes=None) == [("u", "abcd"), ("v", "a")]


def test_repeats_in_a_row_are_one_step_and_only_positives_are_steps(problem_of):
    rows = [*visits("u", ("a", 9), ("a", 8), ("b", 7), ("a", 6), ("a", 5)), ("u", "c", 6.5 * MINUTE, 0.0)]
    assert cut(problem_of(rows)) == [("u", "aba")]


def test_the_same_item_begins_the_next_session_again(problem_of):
    assert cut(problem_of(visits("u", ("a", 90), ("a", 1)))) == [("u", "a"), ("u", "a")]


def test_only_the_latest_steps_are_kept(problem_of):
    rows = visits("u", *((item, 99 - position) for position, item in enumerate("abcdd"))) + visits("v", ("a", 1))
    assert cut(problem_of(rows), length=2) == [("u", "cd"), ("v", "a")]


def test_a_session_ended_at_its_last_positive(problem_of):
    problem = problem_of(visits("u", ("a", 100.5), ("b", 90.5), ("b", 80.5), ("c", 2.5)))
    ended = split_sessions(problem, gap_minutes=30).ended_us
    assert ((problem.as_of_us - ended) / 60e6).tolist() == [80.5, 2.5]


@pytest.mark.parametrize("unit", [1 / 86_400e6, 1.0], ids=["row_numbers", "whole_days"])
def test_times_that_tell_no_pause_make_a_user_one_session(problem_of, unit):
    rows = [("u", item, (9 - 2 * position) * unit, 1.0) for position, item in enumerate("abc")]
    assert cut(problem_of(rows)) == [("u", "abc")]


def test_whole_days_are_cut_by_a_gap_of_days(problem_of):
    rows = [("u", "a", 9, 1.0), ("u", "b", 8, 1.0), ("u", "c", 2, 1.0)]
    assert cut(problem_of(rows), gap_minutes=1440) == [("u", "ab"), ("u", "c")]


def test_the_latest_session_of_each_user(problem_of):
    problem = problem_of(visits("u", ("a", 90), ("b", 1)) + visits("w", ("a", 1)), users="tvx")
    latest = split_sessions(problem, gap_minutes=30).latest(np.arange(5, dtype=np.int32))
    assert dict(zip(problem.user_ids, latest.tolist(), strict=True)) == {"t": -1, "u": 1, "v": -1, "w": 2, "x": -1}


def test_no_positives_are_no_sessions(problem_of):
    problem = problem_of([("u", "a", 1, 0.0)])
    sessions = split_sessions(problem, gap_minutes=30, length=3)
    assert (len(sessions.users), sessions.starts.tolist(), len(sessions.items)) == (0, [0], 0)
    assert sessions.latest(np.array([0], dtype=np.int32)).tolist() == [-1]


def test_an_item_counts_where_it_came_last(problem_of):
    problem = problem_of(visits("u", ("b", 9), ("a", 8), ("c", 7), ("a", 6)) + visits("v", ("c", 5)))
    trails = last_steps(split_sessions(problem, gap_minutes=30), problem.n_items)
    found = [(problem.item_ids[item], after) for item, after in zip(trails.columns, trails.values, strict=True)]
    assert trails.lengths.tolist() == [3, 1, 0]
    assert found == [("b", 3), ("c", 1), ("a", 0), ("c", 0)]


def test_spans_run_up_from_their_firsts():
    assert spans(np.array([7, 0, 3]), np.array([2, 0, 3])).tolist() == [7, 8, 3, 4, 5]
