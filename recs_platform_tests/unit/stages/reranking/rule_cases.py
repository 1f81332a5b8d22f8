"""Random catalogues, rules and users for the tests of re-ranking."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import strategies as st

from recs_platform.contracts import columns as c
from recs_platform.contracts.rule_settings import RulesSettings
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.facts import RuleFacts, tastes_of
from recs_platform.stages.reranking.hidden import hidden_pairs

ITEMS = [f"i{n}" for n in range(8)]
PAIRS = {c.USER_ID: pl.String, c.ITEM_ID: pl.String}
RANKED = {**PAIRS, c.SCORE: pl.Float64, c.SOURCES: pl.List(pl.String)}
AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
CATALOGUE = {
    c.ITEM_ID: pl.String, c.CATEGORY: pl.String, c.CREATOR: pl.String, c.IS_AVAILABLE: pl.Boolean,
    c.PUBLISHED_AT: pl.Datetime("us", "UTC"), c.USER_COUNT: pl.Int64,
}  # fmt: skip


def rule_settings(k: int) -> st.SearchStrategy[dict[str, Any]]:
    """Settings of a random subset of the rules; what they say may be impossible to meet."""
    some = st.integers(0, 3)
    item = st.sampled_from(ITEMS)
    pins = st.lists(item, unique=True, max_size=min(3, k)).map(
        lambda names: [{"item_id": name, "place": place + 1} for place, name in enumerate(names)]
    )
    boost = st.one_of(
        st.fixed_dictionaries({"item_id": item, "factor": st.sampled_from([0.0, 0.5, 3.0])}),
        st.fixed_dictionaries({"category": st.just("x"), "factor": st.just(2.0)}),
        st.fixed_dictionaries({"creator": st.just("p"), "factor": st.just(2.0), "ends": st.just(date(2024, 2, 1))}),
    )
    strength = st.sampled_from([0.0, 0.3, 0.7])
    each = {
        "dismissed": {"days": st.sampled_from([1.0, 30.0]), "creators": st.booleans()},
        "frequency_cap": {"shown_max": st.integers(1, 3), "days": st.integers(1, 9)},
        "boosted": {"items": st.lists(boost, max_size=2)},
        "calibration": {"strength": strength},
        "dpp": {"strength": strength},
        "blend": {"novelty": some.map(float), "diversity": some.map(float), "popularity": some.map(float)},
        "new_items_min": {"share": st.sampled_from([0.2, 0.5])},
        "creator_exposure_floor": {"lists_share": st.just(0.4), "places_max": st.integers(1, 2)},
        "quotas": {
            "category_max": st.dictionaries(st.sampled_from("xy"), some, max_size=2),
            "creator_min": st.dictionaries(st.sampled_from("pq"), some, max_size=2),
            "max_per_creator": st.sampled_from([None, 1, 2]),
        },
        "pinned": {"items": pins},
    }  # fmt: skip
    drawn = {
        name: st.fixed_dictionaries(
            {"enabled": st.just(value=True), **fields},
            optional={"segments": st.just({"casual": {"enabled": False}})},
        )
        for name, fields in each.items()
    }
    return st.fixed_dictionaries({}, optional=drawn)


@st.composite
def cases(draw: st.DrawFn, *, with_rules: bool = True) -> tuple[pl.DataFrame, RerankContext]:
    """Ranked rows in list order and what the rules know; some ranked items are unknown to `items`."""
    rows = [
        (user, item, -float(place), ["als"])
        for user in ("a", "b")
        for place, item in enumerate(draw(st.permutations(ITEMS))[: draw(st.integers(0, 8))])
    ]
    known = ITEMS[: draw(st.integers(0, 8))]
    items = pl.DataFrame(
        [
            (
                item,
                draw(st.sampled_from(["x", "y", None])),
                draw(st.sampled_from(["p", "q", None])),
                draw(st.booleans()),
                draw(st.sampled_from([None, AS_OF - timedelta(days=2), AS_OF - timedelta(days=200)])),
                draw(st.integers(0, 3)),
            )
            for item in known
        ],
        schema=CATALOGUE,
        orient="row",
    )
    pairs = st.tuples(st.sampled_from("ab"), st.sampled_from(ITEMS))
    consumed = pl.DataFrame(draw(st.lists(pairs, max_size=6)), schema=PAIRS, orient="row")
    k = draw(st.integers(1, 5))
    rules = RulesSettings(**(draw(rule_settings(k)) if with_rules else {}))
    facts = _facts(draw, items)
    context = RerankContext(
        items=items,
        consumed=consumed,
        users=pl.Series(["a", "b"]),
        fallback=pl.DataFrame(schema={c.ITEM_ID: pl.String, c.SCORE: pl.Float64}),
        k=k,
        max_per_category=draw(st.integers(1, 3)),
        diversity=draw(st.sampled_from([0.0, 0.3, 1.0])),
        allow_repeats=draw(st.booleans()),
        rules=rules,
        facts=facts,
        hidden=hidden_pairs(rules, facts, items),
    )
    return pl.DataFrame(rows, schema=RANKED, orient="row"), context


def _facts(draw: st.DrawFn, items: pl.DataFrame) -> RuleFacts:
    pairs = st.tuples(st.sampled_from("ab"), st.sampled_from(ITEMS))
    refused = draw(st.dictionaries(pairs, st.sampled_from([0.5, 20.0, 50.0]), max_size=3))
    shown = draw(st.dictionaries(pairs, st.tuples(st.integers(0, 8), st.integers(1, 3), st.integers(0, 1)), max_size=5))
    liked = pl.DataFrame(draw(st.lists(pairs, max_size=6)), schema=PAIRS, orient="row")
    blank = RuleFacts()
    return RuleFacts(
        as_of=AS_OF,
        segments=pl.DataFrame(
            [("a", draw(st.sampled_from(["casual", "power"])))], schema=blank.segments.schema, orient="row"
        ),
        dismissed=pl.DataFrame(
            [(*pair, days) for pair, days in refused.items()], schema=blank.dismissed.schema, orient="row"
        ),
        shown=pl.DataFrame([(*pair, *seen) for pair, seen in shown.items()], schema=blank.shown.schema, orient="row"),
        tastes=tastes_of(liked, items),
    )
