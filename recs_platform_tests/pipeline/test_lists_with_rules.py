"""Lists of a home with rules: they are kept, rows say which rule put them there, what is not met is told."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import RecsError
from recs_platform.contracts.rule_settings import RulesSettings
from recs_platform.contracts.tables import LISTS
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.lists import list_inputs, surfaces
from recs_platform.pipeline.lists.exploring import hold_out
from recs_platform.pipeline.lists.lists import Lists, make_lists
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.questions import one_list, replaying
from recs_platform.pipeline.questions.one_user import read_one_user, user_and_item_models
from recs_platform.stages.reranking.conflicts import idle_rules, unknown_names
from recs_platform_tests.homes import Built, copy_home

OFF = {"pinned": {"enabled": False}, "quotas": {"enabled": False}}
CATEGORY = "sport"


@pytest.fixture(scope="module")
def plain(built: Built) -> pl.DataFrame:
    with built.platform.model_run(built.as_of, built.known_at) as models:
        return models.frame(LISTS.name).sort(c.USER_ID, c.RANK)


@pytest.fixture(scope="module")
def pinned(plain: pl.DataFrame) -> str:
    return plain[c.ITEM_ID].value_counts(sort=True)[c.ITEM_ID][0]


@pytest.fixture(scope="module")
def run(built: Built, pinned: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsOfRun]:
    rules = {
        "dismissed": {"enabled": True, "creators": True},
        "frequency_cap": {"enabled": True, "shown_max": 2},
        "calibration": {"enabled": True, "segments": {"brand_new": {"enabled": False}}},
        "new_items_min": {"enabled": True, "share": 0.2, "days": 30.0},
        "quotas": {"enabled": True, "max_per_creator": 2, "category_min": {"no_such": 1}},
        "pinned": {"enabled": True, "items": [{"item_id": pinned, "place": 2}]},
    }
    surfaces = {
        "email": {"k": 3, "board": {"event": "view", "days": 30.0, "by": "device"}, "rules": OFF},
        "board": {"k": 4, "personal": False, "board": {"event": "view", "days": 30.0}, "rules": OFF},
        "few": {"categories": [CATEGORY], "rules": OFF},
    }
    home = tmp_path_factory.mktemp("rules") / "home"
    run = AsOfRun(copy_home(built.platform, home, rules=rules, surfaces=surfaces), built.as_of, built.known_at)
    yield run
    run.close()


@pytest.fixture(scope="module")
def made(run: AsOfRun) -> Lists:
    return make_lists(run)


def test_lists_do_not_depend_on_how_many_users_are_held_at_once(
    run: AsOfRun, made: Lists, monkeypatch: pytest.MonkeyPatch
):
    at_once, asked = made.context.users.len() // 3, list[int]()

    def counted(run: AsOfRun, known: list_inputs.ListInputs, users: pl.Series) -> pl.DataFrame:
        asked.append(users.len())
        return list_inputs.ranked_of(run, known, users)

    monkeypatch.setattr(list_inputs, "USERS_AT_ONCE", at_once)
    monkeypatch.setattr(surfaces, "ranked_of", counted)
    again = make_lists(run)
    # Each surface reads the rows of every user once, however many boards there are; that of the board alone none.
    parts = -(-made.context.users.len() // at_once)
    assert (len(asked), sum(asked)) == (3 * parts, 2 * made.context.users.len())
    for name in ("lists", "short_lists", "shared", "references", "conflicts", "surfaces"):
        assert_frame_equal(getattr(again, name), getattr(made, name))
    assert again.violations.keys() == made.violations.keys()


def test_lists_keep_their_rules_and_say_so(made: Lists, plain: pl.DataFrame, pinned: str):
    assert all(rows.is_empty() for rows in made.violations.values())
    assert made.lists.group_by(c.USER_ID).len().sort(c.USER_ID).equals(plain.group_by(c.USER_ID).len().sort(c.USER_ID))
    there = made.lists.filter(pl.col(c.RANK) == 2)
    assert (there[c.ITEM_ID] == pinned).mean() > 0.5
    put = made.lists.filter(pl.col(c.REASON).str.contains("put here by the rule 'pinned'"))
    assert pinned in set(put[c.ITEM_ID])


def test_what_is_not_met_is_told_with_its_reason(made: Lists, pinned: str):
    told = {(rule, subject): reason for _, rule, subject, reason, _ in made.conflicts.iter_rows()}
    assert told["quotas", "category no_such"] == "the catalogue has none as of the instant"
    lacking = (
        made.lists[c.USER_ID].n_unique()
        - made.lists.filter((pl.col(c.RANK) == 2) & (pl.col(c.ITEM_ID) == pinned))[c.USER_ID].n_unique()
    )
    counted = made.conflicts.filter(pl.col(c.SUBJECT) == f"item {pinned}")[c.USER_COUNT].sum()
    assert counted == lacking


def test_an_item_that_the_catalogue_lacks_is_told_by_one_name():
    rules = RulesSettings.model_validate(
        {
            "pinned": {"enabled": True, "items": [{"item_id": "gone", "place": 1}]},
            "boosted": {"enabled": True, "items": [{"item_id": "lost", "factor": 2.0}]},
        }
    )
    found = unknown_names(rules, pl.DataFrame({c.ITEM_ID: ["a"]}))
    assert found.rows() == [("boosted", "item lost"), ("pinned", "item gone")]


def test_a_rule_that_is_on_and_names_nothing_is_told():
    """One that names something for a segment alone is not, nor one that is off."""
    rules = RulesSettings.model_validate(
        {
            "pinned": {"enabled": True},
            "boosted": {},
            "quotas": {"enabled": True, "segments": {"newcomer": {"category_min": {"guides": 1}}}},
        }
    )
    assert idle_rules(rules) == ["pinned"]
    assert idle_rules(RulesSettings.model_validate({"quotas": {"enabled": True}})) == ["quotas"]


def test_filters_of_the_settings_hide_what_was_shown_or_dismissed(made: Lists):
    assert set(made.context.hidden) == {"dismissed", "frequency_cap"}
    assert made.context.hidden["frequency_cap"].height > 0


def test_each_surface_has_a_list_of_its_own_for_everybody(made: Lists):
    lengths = dict(
        made.surfaces.group_by(c.SURFACE, c.USER_ID).len().group_by(c.SURFACE).agg(pl.col("len").max()).iter_rows()
    )
    users = set(made.context.users)
    assert (lengths["email"], lengths["board"]) == (3, 4)
    for name in ("email", "board"):
        assert set(made.surfaces.filter(pl.col(c.SURFACE) == name)[c.USER_ID]) == users
    board = made.surfaces.filter(pl.col(c.SURFACE) == "board")
    assert set(board[c.SOURCES].explode()) <= {"fallback", "new_items_min"}
    assert made.surfaces[c.REASON].null_count() == 0


def test_a_surface_keeps_to_its_categories_and_tells_of_short_lists(made: Lists):
    few = made.surfaces.filter(pl.col(c.SURFACE) == "few").join(made.context.items, on=c.ITEM_ID)
    assert set(few[c.CATEGORY]) <= {CATEGORY}
    assert made.conflicts.filter((pl.col(c.SURFACE) == "few") & (pl.col(c.RULE) == "length")).height or few.height


@pytest.fixture
def release(run: AsOfRun, made: Lists, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The lists as a release."""
    monkeypatch.setattr(one_list, "read_release", lambda _home, _id, user: made.lists.filter(pl.col("user_id") == user))
    monkeypatch.setattr(one_list, "read_served", one_list.read_release)
    monkeypatch.setattr(one_list, "read_shared_lists", lambda *_: SimpleNamespace(references=made.references))
    return SimpleNamespace(version="r", as_of=run.as_of, known_at=run.known_at)


def replayed(
    platform: Platform,
    release: SimpleNamespace,
    user: str,
    item: str,
    rank: int | None,
    surface: str | None = None,
    *,
    has_refused: bool = False,
) -> dict[str, Any]:
    with user_and_item_models(platform, release, user) as (models, items):
        one = read_one_user(platform, models, items, user, one_list.surface_settings(platform, surface))
        known = one_list.open_list(platform, release, one, surface)
        return replaying.replay(platform, release, known, item, rank, has_refused=has_refused)


def test_explaining_names_the_rule_that_put_an_item_behind(
    run: AsOfRun, made: Lists, pinned: str, release: SimpleNamespace
):
    """A pin takes a place, and quotas of creators others."""
    with run.models() as models:
        ranked = models.frame("ranking.ranked").filter(pl.col(c.RANK) <= run.platform.settings.k)
    fell = ranked.join(made.lists, on=[c.USER_ID, c.ITEM_ID], how="anti")
    for hidden in made.context.hidden.values():
        fell = fell.join(hidden, on=[c.USER_ID, c.ITEM_ID], how="anti")
    put = made.lists.filter((pl.col(c.ITEM_ID) == pinned) & pl.col(c.REASON).str.contains("'pinned'"))
    fell = fell.join(put, on=c.USER_ID, how="semi").sort(c.USER_ID, c.RANK)
    user, item, rank = fell.select(c.USER_ID, c.ITEM_ID, c.RANK).row(0)
    told = replayed(run.platform, release, user, item, rank)
    assert told["obstacle"].startswith(f"rank {rank} before the rules; the rule '")
    assert told["steps"][-1]["place_after"] > run.platform.settings.k
    assert replayed(run.platform, release, user, pinned, None)["steps"][-1]["place_after"] == 2


@pytest.fixture
def on_surfaces(made: Lists, release: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The release with lists of surfaces."""

    def read(_home: object, _id: str, *, surface: str, user: str) -> pl.DataFrame:
        return made.surfaces.filter((pl.col(c.SURFACE) == surface) & (pl.col(c.USER_ID) == user))

    monkeypatch.setattr(one_list, "read_surface_lists", read)
    monkeypatch.setattr(one_list, "read_served_surfaces", read)
    return release


@pytest.mark.parametrize("surface", ["email", "board", "few"])
def test_lists_of_surfaces_are_made_again_as_they_were_released(
    run: AsOfRun, made: Lists, on_surfaces: SimpleNamespace, surface: str
):
    for user in made.context.users.sort().gather_every(max(1, made.context.users.len() // 4)):
        stored = made.surfaces.filter((pl.col(c.SURFACE) == surface) & (pl.col(c.USER_ID) == user))
        last = stored[c.ITEM_ID][-1] if stored.height else "no such item"
        told = replayed(run.platform, on_surfaces, user, last, None, surface)
        assert "not_replayed" not in told, (user, told)


def test_a_list_that_is_not_personal_is_made_of_its_board_alone(
    run: AsOfRun, made: Lists, on_surfaces: SimpleNamespace
):
    """Nothing that was ranked for the user comes into a list that is not personal."""
    user = made.context.users.sort()[0]
    with user_and_item_models(run.platform, on_surfaces, user) as (models, items):
        one = read_one_user(run.platform, models, items, user, one_list.surface_settings(run.platform, "board"))
        known = one_list.open_list(run.platform, on_surfaces, one, "board")
    assert not known.is_personal
    assert known.ranked.is_empty()
    assert known.context.k == 4


def test_a_surface_that_the_settings_lack_by_now_is_refused(run: AsOfRun):
    with pytest.raises(RecsError, match="the settings have no surface 'gone' any more"):
        one_list.surface_settings(run.platform, "gone")


def test_no_rule_is_named_of_a_list_that_was_made_otherwise(
    run: AsOfRun, made: Lists, release: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        one_list, "read_release", lambda _home, _id, user: made.lists.filter(pl.col("user_id") == user).head(2)
    )
    user, listed, missing = made.lists[c.USER_ID][0], made.lists[c.ITEM_ID][0], made.lists[c.ITEM_ID][4]
    assert replayed(run.platform, release, user, missing, 1) == {"not_replayed": replaying.OTHERWISE}
    # Of what was released and is not served the rank is told, whatever else has changed.
    assert replayed(run.platform, release, user, listed, 1)["obstacle"].startswith("it was released at rank 1")
    refused = replayed(run.platform, release, user, listed, 1, has_refused=True)["obstacle"]
    assert refused == "it was released at rank 1, and the user opted out since: the list is of popular items by now"


def test_no_group_is_named_that_the_user_came_into_since(
    made: Lists, built: Built, release: SimpleNamespace, tmp_path: Path
):
    held_out = copy_home(built.platform, tmp_path / "home", exploration={"holdout_share": 0.5})
    known = SimpleNamespace(platform=held_out)
    now = hold_out(known, made.lists[c.USER_ID].unique().sort())
    told = replayed(held_out, release, now[0], "no such item", None)
    assert told == {"not_replayed": replaying.OTHERWISE}


def test_who_shares_a_list_is_told_so(run: AsOfRun, made: Lists, release: SimpleNamespace, monkeypatch):
    """Their released list is of filters alone, and not of other settings than now."""
    user = made.lists[c.USER_ID][0]
    shared = SimpleNamespace(references=pl.DataFrame({c.USER_ID: [user]}))
    monkeypatch.setattr(one_list, "read_shared_lists", lambda *_: shared)
    told = replayed(run.platform, release, user, "no such item", None)
    assert told["obstacle"].startswith("the user was not active lately")
