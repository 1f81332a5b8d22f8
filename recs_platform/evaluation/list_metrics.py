"""Metrics of all lists together: what of the catalogue they show, how varied, how close to tastes, how popular.

Metrics of each user's list are in `metrics`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from recs_platform.contracts import columns as c

_PAIR = [c.USER_ID, c.ITEM_ID]
# Steck's smoothing: a category that lists lack altogether must not make the divergence infinite.
_SMOOTHING = 0.01


def catalogue_coverage(lists: pl.DataFrame, n_items: int, k: int) -> float:
    """Share of the `n_items` eligible items that appear in somebody's first `k`; 0 where there are no items.

    >>> lists = pl.DataFrame({"user_id": ["a", "a", "b"], "item_id": ["x", "y", "x"], "rank": [1, 2, 1]})
    >>> catalogue_coverage(lists, n_items=4, k=10)
    0.5
    """
    return _exposures(lists, k).height / n_items if n_items else 0.0


def gini_exposure(lists: pl.DataFrame, n_items: int, k: int) -> float:
    """Gini index of how often each of `n_items` items is shown in the first `k`: 0 = all equally, towards 1 = one item.

    Items never shown count with 0. Returns 0 where nothing is shown.

    >>> lists = pl.DataFrame({"user_id": ["a", "a", "b"], "item_id": ["x", "y", "x"], "rank": [1, 2, 1]})
    >>> round(gini_exposure(lists, n_items=3, k=10), 4)  # shown 0, 1, 2: 2 (1*0 + 2*1 + 3*2) / (3*3) - 4/3
    0.4444
    """
    shown = np.sort(_exposures(lists, k)["len"].to_numpy().astype(np.int64))
    if not len(shown):
        return 0.0
    ranks = np.arange(n_items - len(shown) + 1, n_items + 1)
    return float(2 * (ranks * shown).sum() / (n_items * shown.sum()) - (n_items + 1) / n_items)


def novelty(lists: pl.DataFrame, user_counts: pl.DataFrame, n_users: int, k: int) -> float:
    """Mean self-information, in bits, of the items in the first `k`: -log2(users of the item / all users).

    `user_counts`: item_id, user_count. An item nobody used counts as used by one. Returns 0 where nothing is shown.
    As in Zhou et al. 2010.

    >>> lists = pl.DataFrame({"user_id": ["a", "a"], "item_id": ["x", "y"], "rank": [1, 2]})
    >>> counts = pl.DataFrame({"item_id": ["x", "y"], "user_count": [4, 1]})
    >>> novelty(lists, counts, n_users=8, k=10)  # (1 + 3) / 2
    2.0
    """
    shown = _exposures(lists, k).join(user_counts, on=c.ITEM_ID, how="left").sort(c.ITEM_ID)
    if not len(shown):
        return 0.0
    used = np.maximum(shown[c.USER_COUNT].fill_null(1).to_numpy().astype(np.float64), 1.0)
    times = shown["len"].to_numpy().astype(np.float64)
    return float((times * np.log2(n_users / used)).sum() / times.sum())


def _exposures(lists: pl.DataFrame, k: int) -> pl.DataFrame:
    return lists.filter(pl.col(c.RANK) <= k).group_by(c.ITEM_ID).len()


def intra_list_diversity(lists: pl.DataFrame, categories: pl.DataFrame, k: int) -> float:
    """Share of the pairs of a list that differ in category, mean over users (Ziegler et al. 2005 with distance 0 or 1).

    `categories`: item_id, category; items without one take no part. Users with fewer than two such items do not count;
    0 where nobody does.

    >>> lists = pl.DataFrame({"user_id": ["a"] * 3, "item_id": ["x", "y", "z"], "rank": [1, 2, 3]})
    >>> categories = pl.DataFrame({"item_id": ["x", "y", "z"], "category": ["news", "news", "sport"]})
    >>> round(intra_list_diversity(lists, categories, k=10), 4)  # two of three pairs differ
    0.6667
    """
    counts = _categories_of(lists.filter(pl.col(c.RANK) <= k), categories)
    n = pl.col("n").cast(pl.Float64)
    users = counts.group_by(c.USER_ID).agg((n.sum() ** 2 - (n**2).sum()).alias("apart"), n.sum().alias("n"))
    shares = users.filter(pl.col("n") > 1).sort(c.USER_ID).select(pl.col("apart") / (pl.col("n") * (pl.col("n") - 1)))
    return _mean(shares.to_series())


def miscalibration(lists: pl.DataFrame, consumed: pl.DataFrame, categories: pl.DataFrame, k: int) -> float:
    """How far the categories of a list are from those of the user's history, mean over users; 0 = alike.

    The divergence of Steck 2018: Σ p log2(p / q), p the shares of categories among what was consumed (user_id,
    item_id), q those of the list mixed with .01 of p. Users without a category on either side do not count; 0 where
    nobody does.

    >>> lists = pl.DataFrame({"user_id": ["a", "a"], "item_id": ["x", "y"], "rank": [1, 2]})
    >>> consumed = pl.DataFrame({"user_id": ["a", "a"], "item_id": ["z", "y"]})
    >>> categories = pl.DataFrame({"item_id": ["x", "y", "z"], "category": ["news", "news", "sport"]})
    >>> round(miscalibration(lists, consumed, categories, k=10), 4)  # .5 log2(.5 / .995) + .5 log2(.5 / .005)
    2.8255
    """
    shown, liked = _categories_of(lists.filter(pl.col(c.RANK) <= k), categories), _categories_of(consumed, categories)
    shares = [
        side.with_columns((pl.col("n") / pl.col("n").sum().over(c.USER_ID)).alias(name)).drop("n")
        for side, name in ((liked, "p"), (shown, "q"))
    ]
    both = shares[0].join(shown.select(c.USER_ID).unique(), on=c.USER_ID, how="semi")
    joined = both.join(shares[1], on=[c.USER_ID, c.CATEGORY], how="left").with_columns(pl.col("q").fill_null(0.0))
    q = (1 - _SMOOTHING) * pl.col("q") + _SMOOTHING * pl.col("p")
    users = joined.sort(c.USER_ID, c.CATEGORY).group_by(c.USER_ID, maintain_order=True)
    return _mean(users.agg((pl.col("p") * (pl.col("p") / q).log(2)).sum().alias("d"))["d"])


def serendipity(lists: pl.DataFrame, held_out: pl.DataFrame, user_counts: pl.DataFrame, k: int) -> float:
    """Share of the first `k` that the user went on to choose and that is not among the `k` most used items.

    Relevant and not obvious, as in Ge et al. 2010 with popularity as the primitive recommender; mean over the users of
    `held_out`. Ties of `user_counts` (item_id, user_count) go by item_id.

    >>> lists = pl.DataFrame({"user_id": ["a", "a"], "item_id": ["x", "y"], "rank": [1, 2]})
    >>> held_out = pl.DataFrame({"user_id": ["a", "a"], "item_id": ["x", "y"]})
    >>> counts = pl.DataFrame({"item_id": ["x", "y", "z"], "user_count": [5, 1, 4]})
    >>> serendipity(lists, held_out, counts, k=2)  # x and z are the most used: y alone of two counts
    0.5
    """
    users = held_out[c.USER_ID].n_unique()
    obvious = user_counts.sort(c.USER_COUNT, c.ITEM_ID, descending=[True, False]).head(k).select(c.ITEM_ID)
    hits = lists.filter(pl.col(c.RANK) <= k).join(held_out.select(_PAIR).unique(), on=_PAIR, how="semi")
    return hits.join(obvious, on=c.ITEM_ID, how="anti").height / (users * k) if users else 0.0


def popularity_lift(lists: pl.DataFrame, consumed: pl.DataFrame, user_counts: pl.DataFrame, k: int) -> float:
    """How much more used the items shown are than those consumed: mean of the lists over mean of histories, less 1.

    Means over users of their own means (Abdollahpouri et al. 2020); users with a list and a history count. 0 = as
    popular as what people take by themselves; 0 where nobody counts.

    >>> lists = pl.DataFrame({"user_id": ["a"], "item_id": ["x"], "rank": [1]})
    >>> consumed = pl.DataFrame({"user_id": ["a"], "item_id": ["y"]})
    >>> counts = pl.DataFrame({"item_id": ["x", "y"], "user_count": [6, 4]})
    >>> popularity_lift(lists, consumed, counts, k=10)  # 6 / 4 - 1
    0.5
    """
    used = [
        frame.select(_PAIR)
        .join(user_counts, on=c.ITEM_ID)
        .group_by(c.USER_ID)
        .agg(pl.col(c.USER_COUNT).mean().alias(name))
        for frame, name in ((lists.filter(pl.col(c.RANK) <= k), "shown"), (consumed, "taken"))
    ]
    both = used[0].join(used[1], on=c.USER_ID).sort(c.USER_ID)
    taken = _mean(both["taken"])
    return _mean(both["shown"]) / taken - 1 if taken else 0.0


def _categories_of(pairs: pl.DataFrame, categories: pl.DataFrame) -> pl.DataFrame:
    """How many items of each category every user has: user_id, category, n."""
    known = categories.select(c.ITEM_ID, c.CATEGORY).drop_nulls()
    return (
        pairs.select(_PAIR).unique().join(known, on=c.ITEM_ID).group_by(c.USER_ID, c.CATEGORY).agg(pl.len().alias("n"))
    )


def _mean(values: pl.Series) -> float:
    return float(values.to_numpy().mean()) if len(values) else 0.0


@dataclass(frozen=True)
class Shown:
    """Lists of everybody, and the catalogue they were chosen from: what a metric of lists is computed from.

    `lists`: user_id, item_id, rank. `items`: item_id, user_count, category of the whole catalogue. `held_out` and
    `consumed`: user_id, item_id of those evaluated, after and before the cutoff.
    """

    lists: pl.DataFrame
    items: pl.DataFrame
    held_out: pl.DataFrame
    consumed: pl.DataFrame
    k: int

    @property
    def n_users(self) -> int:
        """How many were evaluated."""
        return self.held_out[c.USER_ID].n_unique()

    @property
    def user_counts(self) -> pl.DataFrame:
        """item_id, user_count."""
        return self.items.select(c.ITEM_ID, pl.col(c.USER_COUNT).cast(pl.Int64))

    @property
    def n_items(self) -> int:
        return self.items.height

    @property
    def users_of_all(self) -> int:
        """The evaluated users, or those of the item with most where it has more."""
        most = self.items[c.USER_COUNT].max()
        return max(self.n_users, most if isinstance(most, int) else 0)


# One function a metric, as PER_USER.
PER_LIST: tuple[tuple[str, Callable[[Shown], float]], ...] = (
    ("coverage", lambda shown: catalogue_coverage(shown.lists, shown.n_items, shown.k)),
    ("gini", lambda shown: gini_exposure(shown.lists, shown.n_items, shown.k)),
    ("novelty", lambda shown: novelty(shown.lists, shown.user_counts, shown.users_of_all, shown.k)),
    ("diversity", lambda shown: intra_list_diversity(shown.lists, shown.items, shown.k)),
    ("miscalibration", lambda shown: miscalibration(shown.lists, shown.consumed, shown.items, shown.k)),
    ("serendipity", lambda shown: serendipity(shown.lists, shown.held_out, shown.user_counts, shown.k)),
    ("popularity_lift", lambda shown: popularity_lift(shown.lists, shown.consumed, shown.user_counts, shown.k)),
)
