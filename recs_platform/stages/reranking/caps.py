"""Caps of quotas by item: how many items of its category, or of its creator, a list may hold. Floors are `quotas`'s."""

from collections.abc import Iterator

import numpy as np

from recs_platform.contracts import columns as c
from recs_platform.contracts.rule_settings import QuotaSettings
from recs_platform.stages.reranking.slates import Ints, ItemArrays

NO_LIMIT = np.iinfo(np.int64).max


def caps_of(quotas: QuotaSettings, items: ItemArrays) -> Iterator[tuple[str, Ints]]:
    """Column and, by item code, how many items of its group a list holds at most; columns without any cap are left out.

    Shape (n_items + 1,): the last is of items that the catalogue lacks.
    """
    for column, most, everyone in (
        (c.CATEGORY, quotas.category_max, None),
        (c.CREATOR, quotas.creator_max, quotas.max_per_creator),
    ):
        if not most and everyone is None:
            continue
        limit = np.full(len(items.ids) + 1, NO_LIMIT if everyone is None else everyone, dtype=np.int64)
        for name, count in most.items():
            limit[items.is_named(column, name)] = count
        yield column, limit
