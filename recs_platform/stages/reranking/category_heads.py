"""Choosing one by one where categories alone decide beside relevance: only the best item of each is looked at.

The same over every column is `slates.greedy`.
"""

from collections.abc import Callable

import numpy as np

from recs_platform.stages.reranking.slates import Bools, Floats, Ints, Slate, places, with_first

# What is taken from the relevance of items of each category (n_users, n_categories + 1), those of none last, told at
# which position, which category (n_users,) each user took last, and whether there was one.
Penalty = Callable[[int, Ints, Bools], Floats]
_SORTED_IN_ONE_PASS = 1 << 16


def greedy_by_category(slate: Slate, first: Ints, relevance: Floats, penalty_of: Penalty) -> Ints:
    """Places chosen one by one: the greatest of `relevance` less penalty, ties by score; the rest follows by `first`.

    `relevance`: (n_users, width), falling along `first`.
    """
    heads, every = _Heads(slate, first), np.arange(len(first))
    width = first.shape[1]
    steps = min(slate.k, width)
    key = np.full(first.shape, steps, dtype=np.uint16)
    last, took = np.zeros(len(first), dtype=np.int64), np.zeros(len(first), dtype=np.bool_)
    for position in range(steps):
        column, there = heads.columns()
        worth = np.take_along_axis(relevance, column, axis=1) - penalty_of(position, last, took)
        worth[~there] = -np.inf
        is_best = there & (worth == worth.max(axis=1, keepdims=True))
        # The first column of those that are equal stands higher by score.
        chosen = np.where(is_best, column, width).argmin(axis=1)
        last, took = chosen.astype(np.int64), there[every, chosen]
        heads.take(last, took)
        taken = column[every, chosen]
        key[every[took], first[every[took], taken[took]]] = position
    return with_first(first, key)


class _Heads:
    """The first items of each category, by user, of those that were not taken."""

    def __init__(self, slate: Slate, first: Ints) -> None:
        n_users, self._width = len(first), first.shape[1]
        none = int(slate.items.category.max(initial=-1)) + 1  # what has no category comes last, then what is not there
        codes = np.where(slate.exists, np.where(slate.category < 0, none, slate.category), none + 1)
        in_order = places(first)
        small = codes.astype(np.uint16) if none + 1 < _SORTED_IN_ONE_PASS else codes
        by_category = np.argsort(np.take_along_axis(small, in_order, axis=1), axis=1, kind="stable")
        self._columns = np.take_along_axis(in_order, by_category, axis=1)
        owner = np.arange(n_users)[:, None] * (none + 2) + codes
        counts = np.bincount(owner.ravel(), minlength=n_users * (none + 2)).reshape(n_users, none + 2)
        self._end = np.cumsum(counts, axis=1)[:, :-1]
        self._next = self._end - counts[:, :-1]
        self._every = np.arange(n_users)

    def columns(self) -> tuple[Ints, Bools]:
        """The column of each category's first item (n_users, n_categories + 1), and whether there is one."""
        there = self._next < self._end
        return np.take_along_axis(self._columns, np.minimum(self._next, self._width - 1), axis=1), there

    def take(self, category: Ints, took: Bools) -> None:
        """Take the first of one category of each user who took any."""
        self._next[self._every[took], category[took]] += 1
