"""Whether the files of a split name the same users and items, and how much of the test no model could find.

The files are read in `split_files`.
"""

from pathlib import Path

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import UsageError

PAIR = [c.USER_ID, c.ITEM_ID]
_WHOLE = r"^(-?\d+)\.0+$"  # a whole number as a double is written


def require_same_keys(train: Path, events: pl.DataFrame, other: Path, rows: pl.DataFrame) -> None:
    """Raise UsageError where ids of `other` are written otherwise than in `train`, or none of its items is there.

    `events` and `rows` hold the ids of the files as text. Users that are all new are no error: lists for them are
    measured too.
    """
    for name in PAIR:
        known, asked = events[name].unique(), rows[name].unique()
        if asked.is_in(known.implode()).any():
            continue
        means_the_same = _plain(asked).is_in(_plain(known).implode()).any()
        if means_the_same or name == c.ITEM_ID:
            raise UsageError(
                f"no {name} of {other} ({_described(other, name, asked)}) is in {train} "
                f"({_described(train, name, known)}); "
                f"write {name} in one type and form in all files"
            )


def count_findable(events: pl.DataFrame, held_out: pl.DataFrame) -> dict[str, int]:
    """Distinct held-out pairs, and how many no model can find: their item is not in train, or they are in train.

    Pairs of users without a row in train are counted apart: only what needs no history can find them.
    """
    pairs = held_out.select(PAIR).unique()
    new_item = ~pl.col(c.ITEM_ID).is_in(events[c.ITEM_ID].unique().implode())
    new_user = ~pl.col(c.USER_ID).is_in(events[c.USER_ID].unique().implode())
    in_train = pairs.join(events.select(PAIR).unique(), on=PAIR, how="semi").height
    items = pairs.filter(new_item).height
    return {
        "pairs": pairs.height,
        "pairs_nobody_can_find": items + in_train,
        "pairs_of_items_not_in_train": items,
        "pairs_already_in_train": in_train,
        "pairs_of_users_not_in_train": pairs.filter(new_user).height,
    }


def findable_sentence(counts: dict[str, int]) -> str:
    """The same in a line.

    >>> sentence = findable_sentence({"pairs": 10, "pairs_nobody_can_find": 3, "pairs_of_items_not_in_train": 2,
    ...                    "pairs_already_in_train": 1, "pairs_of_users_not_in_train": 4})
    >>> print(sentence.partition("; ")[0])
    3 of 10 held-out pairs no model can find (2 of items not in train, 1 in train already)
    """
    return (
        f"{counts['pairs_nobody_can_find']:,} of {counts['pairs']:,} held-out pairs no model can find "
        f"({counts['pairs_of_items_not_in_train']:,} of items not in train, "
        f"{counts['pairs_already_in_train']:,} in train already); "
        f"{counts['pairs_of_users_not_in_train']:,} are of users not in train"
    )


def _plain(ids: pl.Series) -> pl.Series:
    return ids.str.replace(_WHOLE, "${1}")


def _described(path: Path, name: str, ids: pl.Series) -> str:
    """The column's type and an id of it."""
    return f"{pl.read_parquet_schema(path)[name]}, such as {ids.sort()[0]!r}"
