"""Creators told of as shown in too few lists: their patrons do not see them; that chance drew few is no reason."""

from datetime import UTC, datetime
from math import ceil

import numpy as np
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.rule_settings import RulesSettings
from recs_platform.stages.reranking.conflicts import conflicts
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.facts import RuleFacts
from recs_platform.stages.reranking.rules.creator_exposure_floor import drawn, patron_counts

AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
CREATORS = [f"c{number:02}" for number in range(30)]
USERS = pl.Series([f"u{number:03}" for number in range(400)])
SHARE = 0.05
ITEMS = pl.DataFrame(
    {
        c.ITEM_ID: [f"of {creator}" for creator in CREATORS],
        c.CATEGORY: ["x"] * len(CREATORS),
        c.CREATOR: CREATORS,
        c.PUBLISHED_AT: [AS_OF] * len(CREATORS),
        c.USER_COUNT: [1] * len(CREATORS),
        c.IS_AVAILABLE: [True] * len(CREATORS),
    }
)


def _told(lists: pl.DataFrame) -> dict[str, int]:
    rules = RulesSettings(creator_exposure_floor={"enabled": True, "lists_share": SHARE})
    fallback = ITEMS.select(c.ITEM_ID, pl.lit(0.0).alias(c.SCORE))
    none = lists.select(c.USER_ID, c.ITEM_ID).clear()
    context = RerankContext(ITEMS, none, USERS, fallback, 5, 5, rules=rules, facts=RuleFacts(AS_OF))
    return dict(conflicts(lists, context, []).select("subject", c.USER_COUNT).iter_rows())


def test_a_creator_whom_every_patron_sees_is_not_told_of_though_chance_drew_few():
    user, creator = np.nonzero(drawn(USERS, pl.Series(CREATORS)) < SHARE)
    lists = pl.DataFrame(
        {c.USER_ID: USERS.gather(user), c.RANK: [1] * len(user), c.ITEM_ID: ITEMS[c.ITEM_ID].gather(creator)}
    )
    counts = dict(zip(CREATORS, patron_counts(USERS, pl.Series(CREATORS), SHARE).tolist(), strict=True))
    assert counts == dict(zip(CREATORS, np.bincount(creator, minlength=len(CREATORS)).tolist(), strict=True))
    due = ceil(SHARE * len(USERS))
    few, many = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    assert counts[few] < due < counts[many]
    assert _told(lists) == {}
    lost = lists.filter(pl.col(c.ITEM_ID).is_in([f"of {few}", f"of {many}"]).not_())
    assert _told(lost) == {f"creator {few}": counts[few], f"creator {many}": due}
