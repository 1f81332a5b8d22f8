"""A filter that a home adds in one file is obeyed by lists, fallback, checks, short lists, explanations, evaluation."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.defs.assembly import build_definitions
from recs_platform.lake.artifacts import sealed_versions
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.lists.lists import Lists, make_lists
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.questions.explain import explain_pair
from recs_platform.pipeline.training.splits import per_user_splits
from recs_platform.pipeline.training.window_metrics import listed_items
from recs_platform.pipeline.training.windows import read_window
from recs_platform.stages import ranking
from recs_platform.stages.releases import current_release, read_release
from recs_platform_tests.homes import Built, copy_home

RULE = """
from recs_platform.stages.reranking.rules.rule import Filter


def drop_category(pairs, context):
    left_out = context.items.filter(context.items["category"] == {category!r})
    return pairs.join(left_out, on="item_id", how="anti", maintain_order="left")


RULE = Filter("no_such_category", drop_category, reason="it is of a category that is not shown")
"""


@pytest.fixture(scope="module")
def category(built: Built) -> str:
    """The one that lists show most."""
    with built.platform.model_run(built.as_of, built.known_at) as models:
        lists, items = models.frame("recommendations.lists"), models.frame("staging.stg_items")
    return lists.join(items, on=c.ITEM_ID)[c.CATEGORY].drop_nulls().mode().sort()[0]


@pytest.fixture(scope="module")
def platform(built: Built, category: str, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    home = tmp_path_factory.mktemp("filtered") / "home"
    copied = copy_home(built.platform, home)
    (home / "rules").mkdir(exist_ok=True)
    (home / "rules" / "no_such_category.py").write_text(RULE.format(category=category))
    return copied


@pytest.fixture(scope="module")
def made(platform: Platform, built: Built) -> Lists:
    return make_lists(AsOfRun(platform, built.as_of, built.known_at))


def test_no_list_and_no_filled_row_holds_what_it_leaves_out(made: Lists, category: str) -> None:
    left_out = made.context.items.filter(pl.col(c.CATEGORY) == category)
    assert left_out.height
    assert made.lists.filter(pl.col(c.SOURCES).list.contains("fallback")).height
    assert made.lists.join(left_out, on=c.ITEM_ID, how="semi").is_empty()
    assert all(rows.is_empty() for rows in made.violations.values())


def test_lists_that_are_short_of_it_say_so(platform: Platform, made: Lists, category: str) -> None:
    from recs_platform.stages import reranking

    few = made.context.items.filter((pl.col(c.CATEGORY) == category) | pl.col(c.CATEGORY).is_null()).head(20)
    others = made.context.items.filter(pl.col(c.CATEGORY) != category).head(3)
    context = made.context.__class__(**{**vars(made.context), "items": pl.concat([few, others])})
    result = reranking.rerank(made.lists.clear(), context, platform.own_rules.rules)
    assert result.short_lists.height
    assert result.short_lists[c.REASON].str.contains("the rule 'no_such_category' leaves out").all()
    lengths = result.short_lists[c.LIST_LENGTH] == result.short_lists[c.ELIGIBLE_COUNT]
    assert lengths.all()


def test_it_has_a_check_in_the_graph(platform: Platform) -> None:
    graph = build_definitions(platform).resolve_asset_graph()
    checks = {key.name for key in graph.asset_check_keys if key.asset_key.path[-1] == "lists"}
    assert "obeys_no_such_category" in checks


def test_explain_names_it(platform: Platform, category: str) -> None:
    release = current_release(platform.home)
    listed = read_release(platform.home, release.version)
    with platform.model_run(release.as_of, release.known_at) as models:
        items, consumed = models.frame("staging.stg_items"), models.frame("staging.stg_consumed")
    user = str(listed[c.USER_ID][0])
    seen = [
        *listed.filter(pl.col(c.USER_ID) == user)[c.ITEM_ID],
        *consumed.filter(pl.col(c.USER_ID) == user)[c.ITEM_ID],
    ]
    wanted = items.filter((pl.col(c.CATEGORY) == category) & pl.col("is_available") & ~pl.col(c.ITEM_ID).is_in(seen))
    answer = explain_pair(platform, user, str(wanted[c.ITEM_ID].sort()[0]))["answer"]
    assert answer == "not recommended: it is of a category that is not shown"


def test_evaluation_obeys_it(platform: Platform, built: Built, category: str) -> None:
    window = read_window(platform, sealed_versions(platform.home.artifacts, "windows")[-1].version)
    run = AsOfRun(platform, built.as_of, built.known_at)
    ranker, split = sealed_versions(platform.home.artifacts, "ranker")[-1], per_user_splits(built.as_of)[0]
    served = {group: ranking.Contender("ranker", model_share=1.0) for group, _ in ranking.HISTORY_GROUPS}
    lists = listed_items(run, split, window, ranker, served)
    run.close()
    left_out = window.items.filter(pl.col(c.CATEGORY) == category)
    assert lists.height
    assert lists.join(left_out, on=c.ITEM_ID, how="semi").is_empty()


def test_no_list_is_made_without_a_rule_that_is_broken(platform: Platform, built: Built) -> None:
    broken = platform.home.rules / "broken.py"
    broken.write_text("RULE = 1\n")
    with pytest.raises(ContractError, match=r"no list is made without them: .*broken\.py"):
        make_lists(AsOfRun(replace(platform), built.as_of, built.known_at))
    broken.unlink()


def test_a_rule_of_no_type_is_named_with_its_file(platform: Platform, tmp_path: Path) -> None:
    from recs_platform.stages.reranking import load_own_rules

    (tmp_path / "old.py").write_text(
        RULE.format(category="x")
        .replace("Filter", "Rule")
        .replace(', reason="it is of a category that is not shown"', "")
    )
    broken = load_own_rules(tmp_path).broken["old.py"]
    assert "RULE = Filter(name, function)" in broken
    assert "old.py" in broken
