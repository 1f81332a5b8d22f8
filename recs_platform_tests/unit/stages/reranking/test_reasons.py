"""Truths about reasons: each names a fact that the input frames hold, the most personal one there is."""

from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import EventType
from recs_platform.contracts.time import DAY_MICROSECONDS
from recs_platform.stages.reranking.reasons import VERBS, add_reasons, group_popularity, item_popularity

SINCE = 10 * DAY_MICROSECONDS
HISTORY = {
    c.USER_ID: pl.String,
    c.ITEM_ID: pl.String,
    c.EVENT_TYPE: pl.String,
    "occurred_us": pl.Int64,
    c.WEIGHT: pl.Float64,
}
NEIGHBOURS = {c.ITEM_ID: pl.String, c.NEIGHBOUR_ID: pl.String, c.SCORE: pl.Float32, c.RANK: pl.Int32}
ITEMS = {c.ITEM_ID: pl.String, c.TITLE: pl.String, c.CATEGORY: pl.String, c.PUBLISHED_AT: pl.Datetime("us", "UTC")}
USERS = {c.USER_ID: pl.String, c.COUNTRY: pl.String, c.SEGMENT_ID: pl.String}

PUBLISHED = datetime(2020, 1, 5, tzinfo=UTC)
CATALOGUE = [
    ("d1", "Dune", "drama", None), ("d2", "Alien", "drama", None), ("d3", None, "drama", PUBLISHED),
    ("f1", "Up", "farce", None), ("n1", "Nil", None, None),
]  # fmt: skip
PEOPLE = [("ann", "PT", "s1"), ("bob", "PT", None), ("cy", None, "s1"), ("di", None, None)]
FLOOR = 2


def frame(rows, schema) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema, orient="row")


def reasons(pairs, history=(), neighbours=(), users_min=1) -> pl.DataFrame:
    past, users = frame(list(history), HISTORY), frame(PEOPLE, USERS)
    lists = frame(list(pairs), {c.USER_ID: pl.String, c.ITEM_ID: pl.String})
    return add_reasons(
        lists.with_columns(pl.lit(0.5).alias(c.SCORE)),
        history=past,
        neighbours=frame(list(neighbours), NEIGHBOURS),
        items=frame(CATALOGUE, ITEMS),
        users=users,
        segment_popularity=group_popularity(past, users, c.SEGMENT_ID, SINCE),
        country_popularity=group_popularity(past, users, c.COUNTRY, SINCE),
        popularity=item_popularity(past),
        users_min=users_min,
        keep_facts=True,
    )


def reason(user, item, history=(), neighbours=()) -> str:
    return reasons([(user, item)], history, neighbours)[c.REASON][0]


def event(user, item, kind="view", day=20, weight=0.5):
    return (user, item, kind, day * DAY_MICROSECONDS, weight)


def test_the_nearest_item_of_the_own_history_comes_first():
    past = [event("di", "d1", "like"), event("di", "d2", "view")]
    near = [("f1", "d1", 0.9, 1), ("f1", "d2", 0.4, 2)]

    assert reason("di", "f1", past, near) == "because you liked “Dune”"
    assert reason("di", "f1", past[1:], near) == "because you viewed “Alien”"


def test_a_neighbour_without_a_title_goes_by_its_id():
    assert reason("di", "f1", [event("di", "d3", "purchase")], [("f1", "d3", 0.9, 1)]) == "because you bought “d3”"


def test_what_others_did_or_the_user_disliked_is_no_reason_of_their_own():
    past = [event("bob", "d1"), event("di", "d1", "dismiss", weight=0.0)]

    assert reason("di", "f1", past, [("f1", "d1", 0.9, 1)]) == "new here: not yet chosen by anyone"


def test_the_strongest_event_names_what_the_user_did():
    past = [event("di", "d1", "view", day=21), event("di", "d1", "cart_add", day=20, weight=0.9)]

    assert reason("di", "f1", past, [("f1", "d1", 0.9, 1)]) == "because you put “Dune” in your cart"


def test_the_category_is_named_only_if_no_other_was_chosen_as_often():
    drama, farce = [event("di", "d1"), event("di", "d2"), event("di", "d2")], [event("di", "f1"), event("di", "n1")]

    assert reason("di", "d3", drama + farce) == "more from drama, which you chose most: 2 of 3 items"
    assert not reason("di", "d3", [*drama[:1], *farce]).startswith("more")


def test_segment_then_country_then_everyone_then_nobody():
    recent = [event("cy", "f1"), event("bob", "f1"), event("bob", "f1")]
    old = [event("bob", "f1", day=1)]

    assert reason("ann", "f1", recent) == "popular with users like you: 1 user in the last 28 days"
    assert reason("bob", "f1", [event("ann", "f1"), event("cy", "f1")]) == "popular in PT: 1 user in the last 28 days"
    assert reason("ann", "f1", recent[1:]) == "popular in PT: 1 user in the last 28 days"
    assert reason("ann", "f1", old) == "popular: 1 user so far"
    assert reason("ann", "f1") == "new here: not yet chosen by anyone"
    assert reason("ann", "d3") == "new here: published 2020-01-05, not yet chosen by anyone"


def test_fewer_users_than_the_floor_are_not_counted_aloud():
    five = pl.DataFrame({c.USER_ID: [f"u{n}" for n in range(5)], c.COUNTRY: "PT", c.SEGMENT_ID: "s1"})
    past = frame([event(user, "f1") for user in five[c.USER_ID]], HISTORY)

    def said(history: pl.DataFrame, item: str = "f1") -> str:
        counted = {
            "segment_popularity": group_popularity(history, five, c.SEGMENT_ID, SINCE),
            "country_popularity": group_popularity(history, five, c.COUNTRY, SINCE),
            "popularity": item_popularity(history),
        }
        lists = frame([("ann", item)], {c.USER_ID: pl.String, c.ITEM_ID: pl.String})
        made = add_reasons(
            lists, history=history, neighbours=frame([], NEIGHBOURS), items=frame(CATALOGUE, ITEMS),
            users=frame(PEOPLE, USERS), **counted,
        )  # fmt: skip
        return made[c.REASON][0]

    assert said(past) == "popular with users like you: 5 users in the last 28 days"
    assert said(past.head(4)) == "chosen by few so far"
    assert said(past.head(1).with_columns(pl.lit("d3").alias(c.ITEM_ID)), "d3") == (
        "chosen by few so far: published 2020-01-05"
    )
    old = past.head(1).with_columns(pl.lit(DAY_MICROSECONDS).alias("occurred_us"), pl.lit("u9").alias(c.USER_ID))
    assert said(pl.concat([past.head(4), old])) == "popular: 5 users so far"


def test_lists_come_back_as_they_were_with_a_reason_each():
    lists = frame([("di", "f1"), ("ann", "d1")], {c.USER_ID: pl.String, c.ITEM_ID: pl.String})
    empty = frame([], {c.ITEM_ID: pl.String, "user_count": pl.Int64})
    result = add_reasons(
        lists,
        history=frame([], HISTORY),
        neighbours=frame([], NEIGHBOURS),
        items=frame(CATALOGUE, ITEMS),
        users=frame(PEOPLE, USERS),
        segment_popularity=empty.with_columns(pl.lit("s1").alias(c.SEGMENT_ID)),
        country_popularity=empty.with_columns(pl.lit("PT").alias(c.COUNTRY)),
        popularity=empty,
    )

    assert result.columns == [*lists.columns, c.REASON]
    assert result.select(lists.columns).equals(lists)
    assert result[c.REASON].null_count() == 0


def test_no_lists_need_no_reasons():
    result = reasons([], [event("di", "d1")], [("f1", "d1", 0.9, 1)])

    assert result.is_empty()
    assert result.schema[c.REASON] == pl.String


@pytest.mark.parametrize("kind", sorted(set(EventType) - {EventType.IMPRESSION, EventType.DISMISS}))
def test_every_positive_event_has_a_verb(kind):
    assert kind in VERBS
    assert VERBS[kind] in reason("di", "f1", [event("di", "d1", kind)], [("f1", "d1", 0.9, 1)])


ids = [row[0] for row in CATALOGUE]
people = [row[0] for row in PEOPLE]
events = st.builds(
    event, st.sampled_from(people), st.sampled_from(ids), st.sampled_from(["view", "like", "rating"]),
    st.integers(0, 20), st.sampled_from([0.0, 0.5, 1.0]),
)  # fmt: skip
near = st.lists(
    st.tuples(st.sampled_from(ids), st.sampled_from(ids), st.integers(0, 9)), max_size=8, unique_by=lambda t: t[:2]
)


@settings(max_examples=50, deadline=None)
@given(st.lists(events, max_size=25), near)
def test_every_reason_names_a_fact(past, pairs):
    neighbours = [(item, other, score / 10, 1) for item, other, score in pairs]
    positive = [row for row in past if row[4] > 0]
    groups = {user: {"segment": segment, "country": country} for user, country, segment in PEOPLE}
    titles, categories = {row[0]: row[1] or row[0] for row in CATALOGUE}, {row[0]: row[2] for row in CATALOGUE}

    pairs = [(user, item) for user in people for item in ids]
    for row in reasons(pairs, past, neighbours, FLOOR).iter_rows(named=True):
        user, item, kind, text = row[c.USER_ID], row[c.ITEM_ID], row["reason_kind"], row[c.REASON]
        mine = {each[1] for each in positive if each[0] == user}
        near_mine = {
            other: score for one, other, score, _ in neighbours if one == item and other in mine - {item} and score > 0
        }
        if kind == "neighbour":
            basis = row["basis_item_id"]
            assert near_mine[basis] == max(near_mine.values())
            assert (user, basis, row["basis_event_type"]) in {each[:3] for each in positive}
            assert titles[basis] in text
            assert VERBS[EventType(row["basis_event_type"])] in text
            continue
        assert not near_mine
        if kind == "taste":
            chosen = [categories[each] for each in mine if categories[each]]
            count = chosen.count(categories[item])
            assert count > max((chosen.count(other) for other in set(chosen) - {categories[item]}), default=0)
            assert text == f"more from {categories[item]}, which you chose most: {count} of {len(chosen)} items"
        elif kind in ("segment", "country"):
            group = groups[user][kind]
            others = {
                each[0] for each in positive if each[1] == item and each[3] >= SINCE and groups[each[0]][kind] == group
            }
            assert group is not None
            assert f": {len(others)} " in text
            assert len(others) >= FLOOR
            assert "s1" not in text
        elif kind == "popularity":
            count = len({each[0] for each in positive if each[1] == item})
            assert text == f"popular: {count} users so far"
            assert count >= FLOOR
        elif kind == "few":
            assert 0 < len({each[0] for each in positive if each[1] == item}) < FLOOR
            assert text.startswith("chosen by few so far")
        else:
            assert kind == "new"
            assert not {each[0] for each in positive if each[1] == item}
