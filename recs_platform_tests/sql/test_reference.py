"""SQL against plain Python over small random logs: loops that can be read, no windows, no joins."""

from collections import defaultdict
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recs_platform.contracts import columns as c

WEIGHTS = {"impression": 0.0, "view": 1.0, "like": 3.0, "dismiss": 0.0, "purchase": 5.0}
CATEGORIES = {"i0": "news", "i1": "news", "i2": "tea", "i3": None}
NEIGHBOURS = {("i0", "i2"): 0.5, ("i1", "i2"): 0.25, ("i2", "i0"): 0.75}
DAY = 86_400
AS_OF_SECONDS = 91 * DAY  # from 2020-01-01 to 2020-04-01
ROUNDING = 1e-6  # decayed weights keep nine digits

Event = tuple[str, str, str, int]
logs = st.lists(
    st.tuples(
        st.sampled_from(["u0", "u1", "u2"]),
        st.sampled_from(list(CATEGORIES)),
        st.sampled_from(list(WEIGHTS)),
        # whole hours: many ties, some after the as-of
        st.integers(0, 24 * 95).map(lambda hour: hour * 3600),
    ),
    max_size=25,
)


def features(run_of, events_of, events: list[Event]) -> tuple[dict, dict, dict]:
    users, items, types, seconds = zip(*events, strict=True) if events else ((), (), (), ())
    rows = events_of(users=users, items=items, types=types, seconds=seconds, rng=np.random.default_rng(1))
    pairs = [(user, item) for user in ("u0", "u1", "u2") for item in CATEGORIES]
    first = datetime(2020, 1, 1, tzinfo=UTC)
    run = run_of(
        {
            "raw.events": rows,
            "raw.ingestions": pl.DataFrame({c.FILE_HASH: ["f"], c.CONTRACT_TABLE: ["events"]}),
            "raw.item_history": pl.DataFrame(
                {c.ITEM_ID: list(CATEGORIES), c.CATEGORY: list(CATEGORIES.values()), c.VALID_FROM: [first] * 4}
            ),
            "raw.user_history": pl.DataFrame({c.USER_ID: ["u0", "u1", "u2"], c.VALID_FROM: [first] * 3}),
            "retrieval.candidates": pl.DataFrame(pairs, schema=[c.USER_ID, c.ITEM_ID], orient="row"),
            "retrieval.item_neighbours": pl.DataFrame(
                [(item, neighbour, score) for (item, neighbour), score in NEIGHBOURS.items()],
                schema=[c.ITEM_ID, c.NEIGHBOUR_ID, c.SCORE],
                orient="row",
            ),
        }
    )
    return (
        {row[c.USER_ID]: row for row in run.frame("features.user_features").to_dicts()},
        {row[c.ITEM_ID]: row for row in run.frame("features.item_features").to_dicts()},
        {(row[c.USER_ID], row[c.ITEM_ID]): row for row in run.frame("features.candidate_features").to_dicts()},
    )


def age_days(event: Event) -> float:
    return (AS_OF_SECONDS - event[3]) / DAY


def decayed(events: list[Event], half_life_days: float) -> float:
    return sum(WEIGHTS[event[2]] * 0.5 ** (age_days(event) / half_life_days) for event in events)


def check_user(row: dict, mine: list[Event]) -> None:
    assert row["event_count"] == len(mine)
    assert row["recency_days"] == (pytest.approx(min(map(age_days, mine))) if mine else None)
    assert row["active_day_count"] == len({event[3] // DAY for event in mine})
    consumed = [event for event in mine if event[2] != "impression"]
    assert row["distinct_item_count"] == len({event[1] for event in consumed})
    assert row["engagement_score"] == pytest.approx(decayed(mine, 14), abs=ROUNDING)


def check_item(row: dict, its: list[Event], popularities: list[float]) -> None:
    consumed = [event for event in its if event[2] != "impression"]
    assert row["user_count"] == len({event[0] for event in consumed})
    assert row["user_count_7d"] == len({event[0] for event in consumed if age_days(event) <= 7})
    popularity = decayed(its, 7)
    assert row["popularity_7d"] == pytest.approx(popularity, abs=ROUNDING)
    total = sum(popularities)
    if total > 1e-3:  # below, nine digits are too few for a share
        assert row["popularity_7d_share"] == pytest.approx(popularity / total, abs=1e-4)
    shown = sum(event[2] == "impression" for event in its)
    assert row["impression_count"] == shown


def check_pair(row: dict, item: str, mine: list[Event]) -> None:
    consumed = [event for event in mine if event[2] != "impression"]
    last_by_item: dict[str, int] = defaultdict(int)
    weight_by_item: dict[str, float] = defaultdict(float)
    for event in consumed:
        last_by_item[event[1]] = max(last_by_item[event[1]], event[3])
        weight_by_item[event[1]] += WEIGHTS[event[2]]
    newest = max(last_by_item.values(), default=0)
    weights: dict[str | None, float] = defaultdict(float)
    for seen, last in last_by_item.items():
        weights[CATEGORIES[seen]] += weight_by_item[seen] * 0.5 ** ((newest - last) / DAY / 28)
    known = sum(weight for category, weight in weights.items() if category is not None)
    expected = weights[CATEGORIES[item]] / known if CATEGORIES[item] is not None and known > 0 else None
    assert row["category_affinity"] == (None if expected is None else pytest.approx(expected, abs=ROUNDING))
    scores = [score for (seen, neighbour), score in NEIGHBOURS.items() if neighbour == item and seen in last_by_item]
    assert row["covisit_score_max"] == pytest.approx(max(scores, default=0))
    assert row["covisit_score_sum"] == pytest.approx(sum(scores))
    assert row["pair_impression_count"] == sum(event[1:3] == (item, "impression") for event in mine)


@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(events=logs)
def test_features_are_what_plain_loops_say(run_of, events_of, events: list[Event]):
    users, items, pairs = features(run_of, events_of, events)
    past = [event for event in events if event[3] < AS_OF_SECONDS]
    for user, row in users.items():
        check_user(row, [event for event in past if event[0] == user])
    popularities = [decayed([event for event in past if event[1] == item], 7) for item in CATEGORIES]
    for item, row in items.items():
        check_item(row, [event for event in past if event[1] == item], popularities)
    for (user, item), row in pairs.items():
        check_pair(row, item, [event for event in past if event[0] == user])
