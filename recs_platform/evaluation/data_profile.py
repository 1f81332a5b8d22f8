"""What a log of interactions is like, in numbers that choices are made from. The choices are in `pipeline.fitting`.

Each function takes interactions: user_id, item_id, occurred_us (microseconds since 1970), weight; one row an event.
"""

from collections.abc import Callable, Sequence

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.time import DAY_MICROSECONDS
from recs_platform.evaluation.order_profile import one_way_share, repeated_steps_ratio
from recs_platform.evaluation.splits import OCCURRED_US

_FIRST, _DAY, _AGE = "_first", "_day", "_age"
# An item seen in the first part of a log may be older than the log.
_SETTLING_SHARE = 0.2
LIFE_SHARE = 0.9
SHORT_HISTORY = 2  # items


def item_life_days(interactions: pl.DataFrame) -> float | None:
    """Age by which nine in ten interactions with an item have come, counted from its first; None without such items.

    Items that the first fifth of the log knows are left out: nobody can tell how old they are.

    >>> day = DAY_MICROSECONDS
    >>> rows = pl.DataFrame({"item_id": ["old", "new", "new"], "occurred_us": [0, 5 * day, 7 * day]})
    >>> item_life_days(rows)
    2.0
    """
    ages = _ages(interactions)
    return None if ages.is_empty() else _quantile(ages, LIFE_SHARE)


def item_half_life_days(interactions: pl.DataFrame) -> float | None:
    """Age by which half of them have come, of the same items."""
    ages = _ages(interactions)
    return None if ages.is_empty() else _quantile(ages, 0.5)


def return_days(interactions: pl.DataFrame) -> float | None:
    """Median days from a day on which a user is active to the next such day; None where nobody came back.

    >>> day = DAY_MICROSECONDS
    >>> return_days(pl.DataFrame({"user_id": ["a", "a", "a", "b"], "occurred_us": [0, 1, 3 * day, 0]}))
    3.0
    """
    days = interactions.select(c.USER_ID, _day().alias(_DAY)).unique().sort(c.USER_ID, _DAY)
    gaps = days.select(pl.col(_DAY).diff().over(c.USER_ID)).to_series().drop_nulls()
    return None if gaps.is_empty() else _quantile(gaps, 0.5)


def history_length(interactions: pl.DataFrame) -> float | None:
    """Median number of items a user has had; None without users."""
    counts = interactions.group_by(c.USER_ID).agg(pl.col(c.ITEM_ID).n_unique())[c.ITEM_ID]
    return None if counts.is_empty() else _quantile(counts, 0.5)


def short_history_share(interactions: pl.DataFrame) -> float | None:
    """Share of users with one or two items."""
    counts = interactions.group_by(c.USER_ID).agg(pl.col(c.ITEM_ID).n_unique())[c.ITEM_ID]
    return _mean(counts <= SHORT_HISTORY)


def new_item_share(interactions: pl.DataFrame) -> float | None:
    """Share of interactions, after the first fifth of the log, on items first seen on the same day.

    >>> day = DAY_MICROSECONDS
    >>> new_item_share(pl.DataFrame({"item_id": ["x", "x", "y", "y"], "occurred_us": [0, 9 * day, 9 * day, 9 * day]}))
    0.6666666666666666
    """
    if interactions.is_empty():
        return None
    first = _day().min().over(c.ITEM_ID).alias(_FIRST)
    later = interactions.select(_day().alias(_DAY), first, pl.col(OCCURRED_US) >= _settled(interactions))
    return _mean(later.filter(OCCURRED_US).select(pl.col(_DAY) == pl.col(_FIRST)).to_series())


def repeat_share(interactions: pl.DataFrame) -> float | None:
    """Share of positives that a user's earlier day had on the same item already.

    >>> day = DAY_MICROSECONDS
    >>> rows = {"user_id": ["a"] * 3, "item_id": ["x"] * 3, "occurred_us": [0, 1, day], "weight": [1.0] * 3}
    >>> repeat_share(pl.DataFrame(rows))
    0.5
    """
    days = interactions.filter(pl.col(c.WEIGHT) > 0).select(c.USER_ID, c.ITEM_ID, _day().alias(_DAY)).unique()
    first = pl.col(_DAY).min().over(c.USER_ID, c.ITEM_ID)
    return _mean(days.select(pl.col(_DAY) > first).to_series())


def log_days(interactions: pl.DataFrame) -> float | None:
    """Days from the first interaction to the last; None without any."""
    if interactions.is_empty():
        return None
    times = interactions[OCCURRED_US].to_numpy()
    return float(times.max() - times.min()) / DAY_MICROSECONDS


Fact = tuple[str, str, str, Callable[[pl.DataFrame], float | None]]
# Name, unit, meaning, measure.
FACTS: tuple[Fact, ...] = (
    ("log_days", "days", "from the first interaction to the last", log_days),
    ("item_life_days", "days", "age by which nine in ten interactions with an item have come", item_life_days),
    ("item_half_life_days", "days", "age by which half of them have come", item_half_life_days),
    ("return_days", "days", "from a day on which a user is active to the next such day, median", return_days),
    ("history_length", "items", "items a user has had, median", history_length),
    ("short_history_share", "share", "users with one or two items", short_history_share),
    ("new_item_share", "share", "interactions on items first seen on the same day", new_item_share),
    ("repeat_share", "share", "positives on what the user had on an earlier day", repeat_share),
    (
        "repeated_steps_ratio",
        "ratio",
        "steps from item to item that another user took too, over those in shuffled histories; 1 = order says nothing",
        repeated_steps_ratio,
    ),
    ("one_way_share", "share", "how far steps between two items go one way: 0 both, 1 always one", one_way_share),
)


def longest_horizon(horizons: Sequence[int], life_days: float | None) -> list[int]:
    """The horizons, longest first, that are not above twice the life of items; the shortest stays in any case.

    Labels far beyond it speak of items that are not there yet, and of none that can be offered.

    >>> longest_horizon((14, 7, 3, 1), 3.6), longest_horizon((14, 7, 3, 1), None), longest_horizon((14, 7), 1.0)
    ([7, 3, 1], [14, 7, 3, 1], [7])
    """
    ordered = sorted(horizons, reverse=True)
    if life_days is None:
        return ordered
    return [days for days in ordered if days <= 2 * life_days] or ordered[-1:]


def _ages(interactions: pl.DataFrame) -> pl.Series:
    """Days since its item's first of each interaction with an item that came after the first fifth of the log."""
    if interactions.is_empty():
        return pl.Series(_AGE, [], pl.Float64)
    first = pl.col(OCCURRED_US).min().over(c.ITEM_ID)
    seen = interactions.select(first.alias(_FIRST), ((pl.col(OCCURRED_US) - first) / DAY_MICROSECONDS).alias(_AGE))
    return seen.filter(pl.col(_FIRST) >= _settled(interactions))[_AGE]


def _settled(interactions: pl.DataFrame) -> float:
    """End of the first fifth of the log."""
    times = interactions[OCCURRED_US].to_numpy()
    return float(times.min() + _SETTLING_SHARE * (times.max() - times.min()))


def _day() -> pl.Expr:
    return pl.col(OCCURRED_US).floordiv(DAY_MICROSECONDS)


def _quantile(values: pl.Series, share: float) -> float | None:
    found = values.quantile(share)
    return None if found is None else float(found)


def _mean(flags: pl.Series) -> float | None:
    return float(flags.to_numpy().mean()) if len(flags) else None
