"""Label leakage: the AUC of each feature alone, against what features without leakage reach.

A feature that ranks nearly as well as the label itself was made from the label: nothing known before a cutoff does.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

# Measured: the best feature without leakage reaches 0.66 in a world of 800 users, 0.67 in MovieLens, 0.80 in
# Deskdrop's news (popularity of the last day, within users); the label under noise of a tenth of it, 1.
AUC_MAX = 0.98
# With fewer positives, or fewer rows beside them, a feature may rank all of them right by luck.
ROWS_MIN = 50
# Equality needs less: by luck it is as likely as naming that many rows among all.
EQUAL_ROWS_MIN = 10
# What is counted of one window.
_COUNTS = _FEATURE, _POSITIVES, _NEGATIVES = ("feature", "positives", "negatives")
_IS_LABEL = "is_label"
_BY_WINDOW = ("window_pairs", "window_above_least", "window_above_most")
_BY_USER = ("user_pairs", "user_above_least", "user_above_most")
_COUNTED = {
    _FEATURE: pl.String, _POSITIVES: pl.Int64, _NEGATIVES: pl.Int64, _IS_LABEL: pl.Boolean,
    **{name: pl.Int64 if name.endswith("pairs") else pl.Float64 for name in (*_BY_WINDOW, *_BY_USER)},
}  # fmt: skip


@dataclass(frozen=True)
class Pairs:
    """Pairs of a positive and a negative row of one group, and how many have the positive's value above.

    A tie counts half. A missing value is one of its own, counted once as below and once as above all others.
    """

    count: int = 0
    above_missing_least: float = 0.0
    above_missing_most: float = 0.0

    def __add__(self, other: "Pairs") -> "Pairs":
        return Pairs(
            self.count + other.count,
            self.above_missing_least + other.above_missing_least,
            self.above_missing_most + other.above_missing_most,
        )

    @property
    def auc(self) -> float:
        """Area under the ROC curve, of the two the one further from 0.5; 0.5 where there is no pair."""
        if not self.count:
            return 0.5
        both = (self.above_missing_least / self.count, self.above_missing_most / self.count)
        return max(both, key=lambda auc: abs(auc - 0.5))


@dataclass(frozen=True)
class FeatureLeakage:
    """AUC of one feature alone against the label, `within` windows or users, whichever is further from 0.5.

    `positives` and `negatives` are the rows it was computed from.
    """

    feature: str
    auc: float
    within: str
    positives: int
    negatives: int
    is_label: bool

    @property
    def power(self) -> float:
        """The AUC of the feature or of its negative, whichever is higher: 0.5 (no information) to 1."""
        return max(self.auc, 1 - self.auc)

    @property
    def is_suspect(self) -> bool:
        rows = min(self.positives, self.negatives)
        return (rows >= ROWS_MIN and self.power >= AUC_MAX) or (rows >= EQUAL_ROWS_MIN and self.is_label)


def count_pairs(values: NDArray[np.float64], labels: NDArray[np.bool_], groups: NDArray[np.int64]) -> Pairs:
    """Pairs of rows of one group with different labels; groups are codes from 0. NaN is a missing value.

    Ranks with ties at their mean: sum of the positives' ranks less P (P + 1) / 2, for each group
    (Mann & Whitney 1947; Hanley & McNeil 1982).

    >>> pairs = count_pairs(np.array([3.0, 1, 3, np.nan]), np.array([True, False, False, False]), np.zeros(4, int))
    >>> pairs  # 3 > 1, 3 = 3, and the missing one is below or above
    Pairs(count=3, above_missing_least=2.5, above_missing_most=1.5)
    """
    return _count_ordered(values, labels, groups, np.argsort(values))


def _count_ordered(
    values: NDArray[np.float64], labels: NDArray[np.bool_], groups: NDArray[np.integer], order: NDArray[np.int64]
) -> Pairs:
    """The same where rows were put in the order of their values, as `np.argsort` does: missing ones at the end."""
    known = order[: len(order) - int(np.count_nonzero(np.isnan(values)))]
    lost = order[len(known) :]
    size = int(groups.max()) + 1 if len(groups) else 0

    def count(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.bincount(groups[rows], minlength=size)

    positives, negatives = count(known[labels[known]]), count(known[~labels[known]])
    lost_positives, lost_negatives = count(lost[labels[lost]]), count(lost[~labels[lost]])
    above = _sum_of_ranks(values, labels, groups, known) - float((positives * (positives + 1) / 2).sum())
    above += float((lost_positives * lost_negatives).sum()) / 2
    return Pairs(
        count=int(((positives + lost_positives) * (negatives + lost_negatives)).sum()),
        above_missing_least=above + float((positives * lost_negatives).sum()),
        above_missing_most=above + float((lost_positives * negatives).sum()),
    )


def _sum_of_ranks(
    values: NDArray[np.float64], labels: NDArray[np.bool_], groups: NDArray[np.integer], order: NDArray[np.int64]
) -> float:
    """Sum over positives of their ranks from 1 within their group, equal values at the mean of their ranks.

    `order`: rows by value.
    """
    if not len(order):
        return 0.0
    if groups.any():
        order = order[np.argsort(groups[order], kind="stable")]
    sorted_values, sorted_groups = values[order], groups[order]
    new_group = np.r_[True, sorted_groups[1:] != sorted_groups[:-1]]
    starts = np.flatnonzero(new_group | np.r_[True, sorted_values[1:] != sorted_values[:-1]])
    ends = np.r_[starts[1:], len(order)] - 1
    group_starts = np.flatnonzero(new_group)
    first = group_starts[np.searchsorted(group_starts, starts, side="right") - 1]
    ranks = (starts + ends) / 2 - first + 1
    return float((ranks * np.add.reduceat(labels[order], starts, dtype=np.int64)).sum())


def measure_leakage(
    windows: Iterable[pl.DataFrame], features: Sequence[str], *, label: str, user: str
) -> tuple[FeatureLeakage, ...]:
    """Leakage of each feature over all windows, highest power first, ties by name.

    Args:
        windows: Labelled rows of one cutoff each, read one after another; only pairs within a window are compared.
        features: Numeric columns of the windows.
        label: Column that is above 0 in positive rows.
        user: Column that names the user: most features are compared within users too, where those of users tie.
    """
    return sum_leakage((count_leakage(rows, features, label=label, user=user) for rows in windows), features)


def count_leakage(rows: pl.DataFrame, features: Sequence[str], *, label: str, user: str) -> pl.DataFrame:
    """What `sum_leakage` adds up, of one window: a row a feature, in their order."""
    labels = rows[label].to_numpy() > 0
    positives = int(labels.sum())
    users = rows[user].rank("dense").to_numpy().astype(np.int64) - 1
    # Groups of 16 bits are sorted by radix, many times as fast as by comparison.
    by_users = users.astype(np.uint16) if not len(users) or int(users.max()) < 2**16 else users
    together = np.zeros(len(users), np.uint16)
    counted: list[dict[str, str | int | float | bool]] = []
    for feature, values in _columns(rows, features):
        order = np.argsort(values)
        by_window = _count_ordered(values, labels, together, order)
        by_user = _count_ordered(values, labels, by_users, order)
        counted.append(
            {
                **dict(zip(_COUNTS, (feature, positives, len(labels) - positives), strict=True)),
                _IS_LABEL: bool((values == labels).all()),
                **dict(zip(_BY_WINDOW, _parts(by_window), strict=True)),
                **dict(zip(_BY_USER, _parts(by_user), strict=True)),
            }
        )
    return pl.DataFrame(counted, schema=_COUNTED)


def sum_leakage(counted: Iterable[pl.DataFrame], features: Sequence[str]) -> tuple[FeatureLeakage, ...]:
    """Leakage of each feature over windows that `count_leakage` counted, added in their order; 0.5 where none was."""
    frames = [pl.DataFrame(schema=_COUNTED), *counted]
    by_feature = pl.concat(frames).partition_by(_FEATURE, as_dict=True)
    none = pl.DataFrame(schema=_COUNTED)
    measured = [_feature_leakage(feature, by_feature.get((feature,), none)) for feature in features]
    return tuple(sorted(measured, key=lambda leakage: (-leakage.power, leakage.feature)))


def _columns(rows: pl.DataFrame, features: Sequence[str]) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Values of each feature; NULL is NaN, as `to_numpy` has it."""
    for feature in features:
        yield feature, rows[feature].cast(pl.Float64).to_numpy()


def _parts(pairs: Pairs) -> tuple[int, float, float]:
    return pairs.count, pairs.above_missing_least, pairs.above_missing_most


def _feature_leakage(feature: str, counted: pl.DataFrame) -> FeatureLeakage:
    positives, negatives = int(counted[_POSITIVES].sum()), int(counted[_NEGATIVES].sum())
    aucs = {
        within: sum((Pairs(*parts) for parts in counted.select(columns).iter_rows()), Pairs()).auc
        for within, columns in (("windows", _BY_WINDOW), ("users", _BY_USER))
    }
    within = max(aucs, key=lambda name: abs(aucs[name] - 0.5))
    is_label = bool(counted[_IS_LABEL].all()) and positives + negatives > 0
    return FeatureLeakage(feature, aucs[within], within, positives, negatives, is_label)
