"""Whether the order of items says anything is told from logs in which it does, and in which it does not."""

import numpy as np
import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.evaluation.order_profile import one_way_share, repeated_steps_ratio

ITEMS = 40
RNG_SEED = 3


def _log(*, ordered: bool) -> pl.DataFrame:
    """300 users with 8 of 40 items each: in the order of the items, or in any."""
    rng = np.random.default_rng(RNG_SEED)
    rows: list[tuple[str, str, int]] = []
    for user in range(300):
        items = rng.choice(ITEMS, 8, replace=False)
        chosen = sorted(items) if ordered else items
        rows += [(f"u{user}", f"i{item:02d}", at) for at, item in enumerate(chosen)]
    return pl.DataFrame(rows, [c.USER_ID, c.ITEM_ID, "occurred_us"], orient="row").with_columns(
        pl.lit(1.0).alias(c.WEIGHT)
    )


def test_where_items_come_in_one_order_steps_go_one_way_and_repeat() -> None:
    log = _log(ordered=True)
    assert one_way_share(log) == 1.0
    assert (repeated_steps_ratio(log) or 0) > 1.1


def test_where_they_come_in_any_order_nothing_is_told() -> None:
    log = _log(ordered=False)
    assert one_way_share(log) == pytest.approx(0, abs=0.1)
    assert repeated_steps_ratio(log) == pytest.approx(1, abs=0.1)


def test_items_of_one_instant_have_no_order() -> None:
    log = _log(ordered=True).with_columns(pl.lit(0).alias("occurred_us"))
    assert one_way_share(log) == pytest.approx(0, abs=0.1)


def test_the_order_of_rows_says_nothing() -> None:
    log = _log(ordered=True)
    assert repeated_steps_ratio(log) == repeated_steps_ratio(log.reverse())


def test_of_nothing_nothing_is_told() -> None:
    empty = _log(ordered=True).clear()
    assert (one_way_share(empty), repeated_steps_ratio(empty)) == (None, None)
