"""Drawn places keep every promise of lists, follow from their inputs, and come up as often as propensities say."""

import math
from collections import Counter
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.contracts import columns as c
from recs_platform.contracts.rule_settings import RulesSettings
from recs_platform.contracts.shared_settings import ExplorationSettings
from recs_platform.stages.reranking.exploration import EXACT, POLICIES, SIMULATED, Exploration, held_out_users
from recs_platform.stages.reranking.exploration.draws import keys_of, uniforms
from recs_platform.stages.reranking.exploration.policies import Slots, epsilon_uniform, softmax, thompson
from recs_platform.stages.reranking.facts import RuleFacts
from recs_platform.stages.reranking.rerank import rerank
from recs_platform.stages.reranking.rules import RULES, filters_of
from recs_platform.stages.reranking.violations import violations
from recs_platform_tests.unit.stages.reranking.test_rerank import make_context, ranked_rows

NAMES = sorted(POLICIES)
MANY = {f"{category}{n}": category for n in range(6) for category in "xyz"}
RATES = {"x3": (0.9, 50), "y3": (0.85, 20), "z3": (0.5, 3)}


def exploration(
    policy: str = "epsilon_uniform", *, text: str = "2024-01-01", new: str = "", **changes: Any
) -> Exploration:
    """Two slots, nine candidates; of a few items the click rate is known."""
    items = pl.DataFrame(
        [(item, item in new.split(), *RATES.get(item, (None, 0))) for item in MANY],
        schema={
            c.ITEM_ID: pl.String, c.IS_NEW: pl.Boolean, c.ITEM_CLICK_THROUGH_RATE: pl.Float64,
            c.IMPRESSION_COUNT: pl.Int64,
        },
        orient="row",
    )  # fmt: skip
    chosen = ExplorationSettings.model_validate({"slots": 2, "candidates": 9, "policy": policy, **changes})
    return Exploration(chosen, items, text, seed=7)


def test_every_policy_that_may_be_set_is_there():
    assert sorted(get_args(ExplorationSettings.model_fields["policy"].annotation)) == NAMES


@pytest.mark.parametrize("policy", NAMES)
def test_items_come_up_at_their_places_as_often_as_their_propensities_say(policy: str):
    users = [f"u{n}" for n in range(6000)]
    order = " ".join(MANY)
    ranked = ranked_rows(u=order).drop(c.USER_ID).join(pl.DataFrame({c.USER_ID: users}), how="cross")
    context = make_context(MANY, users=users, k=4, cap=2)
    lists = rerank(ranked, context, (), exploration(policy, new="z3", new_item_boost=3.0, epsilon=0.6)).lists
    assert lists.group_by(c.USER_ID).len()["len"].to_list() == [4] * 6000
    found = lists.group_by(c.RANK, c.ITEM_ID).agg(pl.len(), pl.col(c.PROPENSITY).unique().alias("chances"))
    assert found["chances"].list.len().max() == 1  # the users are alike, and so are their chances
    total: Counter[int] = Counter()
    for rank, _, count, (chance,) in found.iter_rows():
        assert abs(count - 6000 * chance) <= 4.5 * (6000 * chance * (1 - chance)) ** 0.5 + 1e-6
        total[rank] += chance
    assert total[1] == total[2] == 1
    assert total[3] == pytest.approx(1, abs=0.01)
    assert total[4] == pytest.approx(1, abs=0.01)
    drawn = lists.filter(pl.col(c.RANK) > 2)
    assert set(drawn[c.PROPENSITY_METHOD]) == {SIMULATED if policy == "thompson" else EXACT}
    assert set(lists.filter(pl.col(c.RANK) <= 2)[c.PROPENSITY_METHOD]) == {EXACT}


def test_chances_are_those_of_the_formulas():
    # Three items, at places 2 to 4 of the ranking, of which the last is new and counts twice; and a slot of two items.
    exists = np.array([[True, True, True], [True, True, False]])
    boost = np.array([[1.0, 1.0, 2.0], [1.0, 1.0, 2.0]])
    place, item = np.array([[2, 3, 4], [2, 3, 3]]), np.array([[0, 1, 2], [0, 1, 0]])
    slots = Slots(exists, place, boost, item, np.array([[0.5, 0.5], [0.2, 0.6], [0.2, 0.1]], dtype=np.float32))
    chosen = ExplorationSettings(epsilon=0.4, temperature=0.5)
    assert epsilon_uniform(slots, chosen) == pytest.approx(
        np.array([[0.6 + 0.4 / 4, 0.4 / 4, 0.4 * 2 / 4], [0.6 + 0.4 / 2, 0.4 / 2, 0.0]])
    )
    b, d, n = (math.exp(1 / math.log2(place + 1) / 0.5) for place in (2, 3, 4))
    total = b + d + 2 * n
    expected = [[b / total, d / total, 2 * n / total], [b / (b + d), d / (b + d), 0.0]]
    assert softmax(slots, chosen) == pytest.approx(np.array(expected))
    # Of two draws the first item wins one, the second the other.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recs_platform.stages.reranking.exploration.policies.REDRAWS", 2)
        assert thompson(slots, chosen).tolist() == [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]]


def test_without_new_items_thompson_shows_the_best_rate_most_and_the_uncertain_often():
    context = make_context(dict.fromkeys(MANY), users=[str(n) for n in range(2000)], k=1)
    order = ranked_rows(u="x0 x3 y3 z3").drop(c.USER_ID).join(context.users.to_frame(c.USER_ID), how="cross")
    lists = rerank(order, context, (), exploration("thompson", slots=1, candidates=4)).lists
    chance = dict(lists.select(c.ITEM_ID, c.PROPENSITY).unique().iter_rows())
    assert chance["x3"] > chance["y3"] > chance.get("z3", 0)
    assert sum(chance.values()) == pytest.approx(1, abs=0.01)


catalogues = st.lists(st.sampled_from(["x", "y", "z", None]), min_size=1, max_size=14)


@settings(max_examples=25)
@given(
    catalogues,
    st.lists(st.lists(st.integers(0, 13), unique=True, max_size=10), min_size=1, max_size=4),
    st.sets(st.tuples(st.integers(0, 3), st.integers(0, 13)), max_size=10),
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(1, 6),
    st.integers(1, 9),
    st.sampled_from(NAMES),
)
def test_drawn_lists_keep_filters_length_caps_and_the_first_places(
    categories: list[str | None],
    orders: list[list[int]],
    consumed: set[tuple[int, int]],
    k: int,
    cap: int,
    slots: int,
    candidates: int,
    policy: str,
):
    items = {f"i{n:02}": category for n, category in enumerate(categories)}
    users = [f"u{n}" for n in range(len(orders))]
    context = make_context(items, users=users, consumed=[(f"u{u}", f"i{n:02}") for u, n in consumed], k=k, cap=cap)
    ranked = ranked_rows(
        **{u: " ".join(f"i{n:02}" for n in order if n < len(items)) for u, order in zip(users, orders, strict=True)}
    )
    plain, made = (
        rerank(ranked, context),
        rerank(ranked, context, (), exploration(policy, slots=slots, candidates=candidates)),
    )
    assert not any(rows.height for rows in violations(made, context, filters_of(RULES)).values())
    assert made.short_lists.equals(plain.short_lists)
    assert made.lists.select(c.USER_ID, c.RANK).equals(plain.lists.select(c.USER_ID, c.RANK))
    first = pl.col(c.RANK) <= k - slots
    assert made.lists.filter(first).select(plain.lists.columns).equals(plain.lists.filter(first))
    assert made.lists[c.PROPENSITY].is_between(0, 1, closed="right").all()
    assert _excess(made.lists, items, cap) <= _excess(plain.lists, items, cap)
    again = rerank(
        ranked.sample(fraction=1, shuffle=True, seed=1),
        context,
        (),
        exploration(policy, slots=slots, candidates=candidates),
    )
    assert again.lists.equals(made.lists)


def _excess(lists: pl.DataFrame, items: dict[str, str | None], cap: int) -> int:
    """Items above the cap, in all lists."""
    counts = Counter((user, items[item]) for user, item in lists.select(c.USER_ID, c.ITEM_ID).iter_rows())
    return sum(max(0, count - cap) for (_, category), count in counts.items() if category is not None)


def test_other_people_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch):
    order = " ".join(MANY)
    ranked = ranked_rows(a=order, b=order, c=order)
    for policy in NAMES:
        whole = rerank(ranked, make_context(MANY, users="abc"), (), exploration(policy)).lists
        alone = rerank(ranked_rows(b=order), make_context(MANY, users="b"), (), exploration(policy)).lists
        assert alone.equals(whole.filter(pl.col(c.USER_ID) == "b"))
        monkeypatch.setattr("recs_platform.stages.reranking.exploration.drawn_lists._USERS_AT_ONCE", 1)
        assert rerank(ranked, make_context(MANY, users="abc"), (), exploration(policy)).lists.equals(whole)
        monkeypatch.undo()


def test_another_day_draws_anew_and_the_same_day_the_same():
    ranked, context = ranked_rows(a=" ".join(MANY)), make_context(MANY, users="a")
    days = [rerank(ranked, context, (), exploration(text=str(day), epsilon=1.0)).lists for day in range(8)]
    assert len({tuple(lists[c.ITEM_ID]) for lists in days}) > 3
    assert rerank(ranked, context, (), exploration(text="3", epsilon=1.0)).lists.equals(days[3])


def test_draws_are_even_and_unlike_for_like_names():
    keys = keys_of(pl.Series([f"user-{n}" for n in range(4000)]), "salt")
    numbers = uniforms(keys, 3)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts = np.histogram(numbers[:, 0], bins=20, range=(0, 1))[0]
    assert ((counts - 200) ** 2 / 200).sum() < 43.8  # chi-square, 19 degrees of freedom, p = .001
    correlations = np.corrcoef(numbers.T)
    assert np.abs(correlations - np.eye(3)).max() < 0.06
    # Written down once: these must never change, or the hold-out would.
    assert keys_of(pl.Series(["user-1"]), "salt").tolist() == [15827440676341509588]


def test_the_hold_out_is_standing():
    users = pl.Series([f"user-{n}" for n in range(5000)])
    some, more = held_out_users(users, 0.05, "s"), held_out_users(users, 0.2, "s")
    assert 190 <= len(some) <= 310
    assert set(some) < set(more)
    assert set(held_out_users(users[:100], 0.2, "s")) == set(more) & set(users[:100])
    others = held_out_users(users, 0.2, "other")
    assert 140 <= len(set(others) & set(more)) <= 260  # a fifth of a fifth
    assert held_out_users(users, 0.0, "s").is_empty()


def test_what_rules_ask_for_stands_before_the_places_that_chance_draws():
    """Else chance draws over it."""
    users = [f"u{n}" for n in range(50)]
    order = " ".join(sorted(MANY, key=lambda item: MANY[item] == "y"))
    ranked = ranked_rows(u=order).drop(c.USER_ID).join(pl.DataFrame({c.USER_ID: users}), how="cross")
    rules = RulesSettings.model_validate({"quotas": {"enabled": True, "category_min": {"y": 2}}})
    context = make_context(MANY, users=users, k=5, cap=5)
    lists = rerank(ranked, replace(context, rules=rules), (), exploration(epsilon=1.0)).lists
    counts = lists.filter(pl.col(c.ITEM_ID).str.starts_with("y")).group_by(c.USER_ID).len()
    assert counts.height == 50
    assert counts["len"].min() == 2
    # All the places are drawn: nothing is left to stand before.
    everything = rerank(ranked, replace(context, rules=rules), (), exploration(slots=5)).lists
    assert everything.group_by(c.USER_ID).len()["len"].to_list() == [5] * 50


@pytest.mark.parametrize(
    ("quotas", "capped"),
    [
        ({"max_per_creator": 1}, {"p": 1, "q": 1, "r": 1}),
        ({"creator_max": {"q": 1}}, {"q": 1}),
        ({"category_max": {"y": 1}}, {"y": 1}),
        ({"segments": {"casual": {"category_max": {"z": 0}}}}, {"z": 0}),
    ],
)
def test_drawn_places_keep_the_caps_of_quotas(quotas: dict[str, Any], capped: dict[str, int]):
    users = [f"u{n}" for n in range(60)]
    ranked = ranked_rows(u=" ".join(MANY)).drop(c.USER_ID).join(pl.DataFrame({c.USER_ID: users}), how="cross")
    context = make_context(MANY, users=users, k=4, cap=4)
    creators = {item: "pqrstuvw"[n % 8] for n, item in enumerate(MANY)}
    context = replace(
        context,
        items=context.items.with_columns(pl.col(c.ITEM_ID).replace_strict(creators).alias(c.CREATOR)),
        rules=RulesSettings.model_validate({"quotas": {"enabled": True, **quotas}}),
        facts=RuleFacts(segments=pl.DataFrame({c.USER_ID: users, c.SEGMENT_ID: ["casual"] * 60})),
    )
    lists = rerank(ranked, context, (), exploration(epsilon=1.0, candidates=14)).lists

    groups = lists.join(context.items, on=c.ITEM_ID).unpivot([c.CATEGORY, c.CREATOR], index=c.USER_ID)
    held = groups.group_by(c.USER_ID, "value").len().group_by("value").agg(pl.col("len").max())
    most = dict(held.iter_rows())
    assert {name: most.get(name, 0) for name in capped} == capped
    assert lists.group_by(c.USER_ID).len()["len"].to_list() == [4] * 60
    assert lists.filter(pl.col(c.PROPENSITY) < 1).height == 120
