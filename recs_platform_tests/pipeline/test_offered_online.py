"""Every filter holds for every row that is put in a list: sealed, replaced, filled from a board, served."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.rule_settings import RulesSettings
from recs_platform.contracts.shared_settings import ExplorationSettings
from recs_platform.pipeline.lists.offered_online import hidden_on, offered_by
from recs_platform.serving.lists import live_list
from recs_platform.serving.live_lists import Asked
from recs_platform.stages.releases.bundle.boards import BOARD_RULES, EVERYBODYS, GROUP, Board
from recs_platform.stages.releases.bundle.content import BundleRules
from recs_platform.stages.releases.bundle.encoding import encode_bundle
from recs_platform.stages.releases.bundle.lists import POPULAR
from recs_platform.stages.releases.bundle.reading import Bundle
from recs_platform.stages.releases.bundle.writing import RELEASE, RULES, SURFACES
from recs_platform.stages.releases.refilling import refilled_lists, refilled_surfaces
from recs_platform.stages.releases.withheld import REFUSES
from recs_platform.stages.reranking import RULES as PACKAGED
from recs_platform.stages.reranking import (
    Exploration,
    RerankContext,
    apply_checked,
    divided,
    filters_of,
    in_fallback_order,
    rerank,
    share_lists,
)
from recs_platform.stages.reranking.exploration import POLICIES
from recs_platform.stages.reranking.hidden import hidden_pairs
from recs_platform.stages.reranking.rules.rule import Filter
from recs_platform_tests.unit.stages.releases.bundles import content, release
from recs_platform_tests.unit.stages.reranking.rule_cases import ITEMS, PAIRS, cases, rule_settings

USERS, GONE, EMAIL, K = ("a", "b"), "i3", "email", 3
FORBIDDEN = [("a", "i1"), ("b", "i2"), ("b", "i4")]
OWN = (
    Filter("no_first", lambda rows, _: rows.filter(pl.col(c.ITEM_ID) != "i0"), by="item"),
    Filter(
        "no_such_pair",
        lambda pairs, _: pairs.join(pl.DataFrame(FORBIDDEN, PAIRS, orient="row"), on=[*PAIRS], how="anti"),
    ),
)
FILTERS = filters_of((*PACKAGED, *OWN))
Apply = Callable[[pl.DataFrame, RerankContext], pl.DataFrame]


@dataclass(frozen=True)
class World:
    """What is ranked, what is known everywhere and on a surface, and the bundle of the lists that follow."""

    ranked: pl.DataFrame
    everywhere: RerankContext
    email: RerankContext
    lists: pl.DataFrame
    on_email: pl.DataFrame
    bundle: Bundle

    @classmethod
    def of(
        cls,
        ranked: pl.DataFrame,
        everywhere: RerankContext,
        email: RerankContext,
        exploration: Exploration | None = None,
    ) -> "World":
        lists = with_reasons(rerank(ranked, everywhere, OWN, exploration).lists)
        on_email = with_reasons(rerank(ranked, email, OWN).lists)
        candidates, offered = offered_by(FILTERS, ranked, everywhere)
        popular = {"all": in_fallback_order(everywhere.items, everywhere)[c.ITEM_ID].to_list()}
        shown = in_fallback_order(email.items.filter(pl.col(c.IS_AVAILABLE)), email)[c.ITEM_ID].to_list()
        nobody = pl.DataFrame(schema={c.USER_ID: pl.String, GROUP: pl.String})
        boards = {EMAIL: Board({EVERYBODYS: shown}, nobody, email.max_per_category, POPULAR)}
        made = replace(
            content({}, {}, (), items=tuple(ITEMS)),
            lists=lists,
            ranked=candidates,
            consumed=everywhere.consumed.clear() if everywhere.allow_repeats else everywhere.consumed,
            items=offered,
            fallbacks=popular,
            user_regions=everywhere.user_regions,
            exclusions=everywhere.exclusions,
            surfaces={EMAIL: on_email},
            boards=boards,
            hidden=hidden_on(everywhere, {EMAIL: email}, FILTERS, popular, boards),
        )
        arrays = encode_bundle(made)
        ids = offered.sort(c.ITEM_ID)[c.ITEM_ID]
        arrays["item.is_available"] = arrays["item.is_available"] & (ids != GONE).to_numpy()
        parameters = {
            RELEASE: "r",
            RULES: {"k": everywhere.k, "max_per_category": everywhere.max_per_category, "allow_repeats": False},
            SURFACES: [EMAIL],
            BOARD_RULES: {EMAIL: {"max_per_category": email.max_per_category, "reason": POPULAR}},
        }
        assert BundleRules(**parameters[RULES])  # type: ignore[arg-type]
        manifest = release().model_copy(update={"parameters": parameters})
        return cls(ranked, everywhere, email, lists, on_email, Bundle(manifest, arrays, arrays["opted_out.keys"]))

    def paths(self) -> Iterator[tuple[str, RerankContext, pl.DataFrame]]:
        """Rows by the way they came into a list, and what holds there."""
        yield "sealed", self.everywhere, self.lists
        yield "sealed on a surface", self.email, self.on_email
        devices = pl.DataFrame(schema={c.USER_ID: pl.String, c.TOP_DEVICE: pl.String})
        counts = pl.DataFrame(schema={c.TOP_DEVICE: pl.String, c.ITEM_ID: pl.String, c.USER_COUNT: pl.Int64})
        shared = share_lists(self.everywhere, devices, counts, OWN)
        yield "shared", self.everywhere, shown_of(shared.lists, shared.references)

    def paths_without(self) -> Iterator[tuple[str, RerankContext, pl.DataFrame]]:
        """The same of ways by which something takes the place of an item that is offered no more."""
        keys = pl.DataFrame({c.USER_ID: USERS, REFUSES: [False, False]})
        yield "replaced", self.everywhere, refilled_lists(self.bundle, keys, without(self.lists))
        theirs = keys.with_columns(pl.lit(EMAIL).alias(c.SURFACE)).join(self.on_email, on=c.USER_ID, how="semi")
        rows = self.on_email.with_columns(pl.lit(EMAIL).alias(c.SURFACE))
        yield "replaced on a surface", self.email, refilled_surfaces(self.bundle, theirs, rows, without(rows))
        refused = theirs.with_columns(pl.lit(value=True).alias(REFUSES))
        yield "board", self.email, refilled_surfaces(self.bundle, refused, rows, without(rows))
        for surface, context in ((None, self.everywhere), (EMAIL, self.email)):
            yield f"served on {surface}", context, self.served(surface)

    def served(self, surface: str | None) -> pl.DataFrame:
        """More than a list has: what is behind it too."""
        found = [
            (user, self.bundle.item_ids[place.item], place.propensity)
            for user in USERS
            for place in live_list(self.bundle, Asked(user, surface=surface), None, 0.5).page(0, 2 * K)
        ]
        return pl.DataFrame(found, {**PAIRS, c.PROPENSITY: pl.Float64}, orient="row")


def with_reasons(lists: pl.DataFrame) -> pl.DataFrame:
    certain = [] if c.PROPENSITY in lists.columns else [pl.lit(1.0).alias(c.PROPENSITY)]
    return lists.with_columns(pl.lit("because").alias(c.REASON), *certain)


def without(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col(c.ITEM_ID) != GONE)


def shown_of(lists: pl.DataFrame, references: pl.DataFrame) -> pl.DataFrame:
    hidden = references.explode(c.HIDDEN_ITEMS).select(c.USER_ID, pl.col(c.HIDDEN_ITEMS).alias(c.ITEM_ID)).drop_nulls()
    return references.join(lists, on=c.LIST_ID).join(hidden, on=[*PAIRS], how="anti").select(*PAIRS)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    ranked, everywhere = draw(cases())
    ranked = ranked.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over(c.USER_ID).alias(c.RANK))
    excluded = [("DE", item) for item in draw(st.lists(st.sampled_from(ITEMS), max_size=3, unique=True))]
    known = everywhere.items.with_columns(pl.lit(None, pl.String).alias(c.TITLE))
    everywhere = replace(
        everywhere,
        items=known,
        k=K,
        user_regions=pl.DataFrame({c.USER_ID: ["a"], c.AVAILABILITY_REGION: ["DE"]}),
        exclusions=pl.DataFrame(excluded, {c.AVAILABILITY_REGION: pl.String, c.ITEM_ID: pl.String}, orient="row"),
        rules=everywhere.rules if not everywhere.rules.used() & {"pinned", "quotas"} else RulesSettings(),
    )
    everywhere = replace(everywhere, hidden=hidden_pairs(everywhere.rules, everywhere.facts, known))
    chosen = {name: of for name, of in draw(rule_settings(K)).items() if name in ("dismissed", "frequency_cap")}
    rules = RulesSettings(**chosen)
    here = known.with_columns(pl.col(c.IS_AVAILABLE) & (pl.col(c.CATEGORY) == "x").fill_null(value=True))
    email = replace(everywhere, items=here, rules=rules, hidden=hidden_pairs(rules, everywhere.facts, here))
    return World.of(ranked, everywhere, email, draw(explorations()))


@st.composite
def explorations(draw: st.DrawFn) -> Exploration | None:
    """None, or one to four places drawn by a policy; of some items something is known."""
    if draw(st.booleans()):
        return None
    schema = {c.ITEM_ID: pl.String, c.IS_NEW: pl.Boolean, c.ITEM_CLICK_THROUGH_RATE: pl.Float64}
    known = [(item, draw(st.booleans()), draw(st.sampled_from([None, 0.1, 0.6])), 9) for item in ITEMS[::2]]
    items = pl.DataFrame(known, {**schema, c.IMPRESSION_COUNT: pl.Int64}, orient="row")
    chosen = ExplorationSettings(
        slots=draw(st.integers(1, K + 1)),
        candidates=draw(st.integers(1, 8)),
        policy=draw(st.sampled_from(sorted(POLICIES))),
        epsilon=0.7,
        new_item_boost=3.0,
    )
    return Exploration(chosen, items, str(draw(st.integers(0, 99))), seed=7)


@settings(max_examples=20, deadline=None)
@given(world=worlds())
def test_every_filter_holds_for_every_row_whatever_way_it_came(world: World) -> None:
    for rows, is_gone in ((world.paths(), False), (world.paths_without(), True)):
        for way, context, found in rows:
            pairs = found.select(*PAIRS)
            for rule in FILTERS:
                kept = rule.apply(pairs, context)
                assert kept.height == pairs.height, (way, rule.name, pairs.join(kept, on=[*PAIRS], how="anti"))
            assert not (is_gone and GONE in pairs[c.ITEM_ID]), way
            if c.PROPENSITY in found.columns and context is world.everywhere:
                assert_told(world.lists, found, way)


def assert_told(sealed: pl.DataFrame, found: pl.DataFrame, way: str) -> None:
    """What stays keeps its chance; what comes is certain, but of lists with drawn places untold."""
    chance, was = pl.col(c.PROPENSITY), pl.col("was")
    both = found.join(sealed.select(*PAIRS, chance.alias("was")), on=[*PAIRS], how="left")
    drawn = set(sealed.filter(chance < 1)[c.USER_ID])
    stayed, came = both.filter(was.is_not_null()), both.filter(was.is_null())
    assert stayed[c.PROPENSITY].equals(stayed["was"]), way
    assert [each is None for each in came[c.PROPENSITY]] == [user in drawn for user in came[c.USER_ID]], way
    assert came.filter(chance != 1).is_empty(), way


@pytest.mark.parametrize(
    "strange",
    [
        lambda pairs, _: pl.concat([pairs, pairs.head(1)]),
        lambda pairs, _: pairs.head(2).with_columns(pl.lit("i9").alias(c.ITEM_ID)),
        lambda pairs, _: pairs.select(c.ITEM_ID, c.USER_ID),
    ],
    ids=["twice", "not given", "columns"],
)
def test_a_filter_of_the_home_may_only_leave_pairs_out(strange: Apply) -> None:
    items = pl.DataFrame({c.ITEM_ID: ["i1", "i2"], c.CATEGORY: ["x", "x"], c.IS_AVAILABLE: [True, True]})
    nothing = pl.DataFrame(schema=dict.fromkeys(PAIRS, pl.String))
    fallback = pl.DataFrame({c.ITEM_ID: ["i1"], c.SCORE: [1.0]})
    context = RerankContext(items, nothing, pl.Series(c.USER_ID, USERS), fallback, K, K)
    with pytest.raises(ContractError, match="rule 'strange' returns"):
        hidden_on(context, {}, [Filter("strange", strange)], {"all": ["i1", "i2"]}, {})


def test_pairs_are_divided_as_they_are_checked() -> None:
    items = ["i1", "i2", "i3", "i4"]
    pairs = pl.DataFrame([(user, item) for user in USERS for item in items], PAIRS, orient="row")
    world = pl.DataFrame({c.ITEM_ID: items, c.CATEGORY: ["x"] * 4, c.IS_AVAILABLE: [True] * 4})
    fallback = pl.DataFrame({c.ITEM_ID: ["i1"], c.SCORE: [1.0]})
    context = RerankContext(world, pairs.clear(), pl.Series(c.USER_ID, USERS), fallback, K, K)
    kept, left_out = divided(OWN[1], pairs, context)
    assert kept.equals(apply_checked(OWN[1], pairs, context))
    assert sorted(left_out.rows()) == sorted(FORBIDDEN)


def test_each_way_shows_somebody_something() -> None:
    items = pl.DataFrame({
        c.ITEM_ID: ITEMS, c.CATEGORY: ["x"] * 8, c.CREATOR: ["p"] * 8, c.IS_AVAILABLE: [True] * 8, c.TITLE: ITEMS,
        c.USER_COUNT: [1] * 8,
    })  # fmt: skip
    ranked = pl.DataFrame({
        c.USER_ID: ["a", "a", "b", "b"], c.ITEM_ID: ["i3", "i5", "i3", "i6"], c.SCORE: [2.0, 1.0] * 2,
        c.SOURCES: [["als"]] * 4, c.RANK: pl.Series([1, 2, 1, 2], dtype=pl.Int32),
    })  # fmt: skip
    shown = {"frequency_cap": pl.DataFrame([("a", "i7"), ("b", "i5")], PAIRS, orient="row")}
    everywhere = RerankContext(
        items=items,
        consumed=pl.DataFrame([("a", "i6")], PAIRS, orient="row"),
        users=pl.Series(USERS),
        fallback=pl.DataFrame(schema={c.ITEM_ID: pl.String, c.SCORE: pl.Float64}),
        k=K,
        max_per_category=9,
    )
    world = World.of(ranked, everywhere, replace(everywhere, hidden=shown))
    letters = {
        way: {user: "".join(rows.filter(pl.col(c.USER_ID) == user)[c.ITEM_ID].to_list()) for user in USERS}
        for _, ways in ((0, world.paths()), (1, world.paths_without()))
        for way, _, rows in ways
    }
    assert letters["sealed"] == {"a": "i3i5i2", "b": "i3i6i1"}
    assert letters["replaced"] == {"a": "i5i2i4", "b": "i6i1i5"}
    # On the surface `a` is not shown i7, nor `b` i5.
    assert letters["replaced on a surface"] == {"a": "i5i2i4", "b": "i6i1i7"}
    assert letters["board"] == {"a": "i2i4i5", "b": "i1i6i7"}
    assert letters["served on email"] == letters["replaced on a surface"]
    assert letters["served on None"] == {"a": "i5i2i4i7", "b": "i6i1i5i7"}
