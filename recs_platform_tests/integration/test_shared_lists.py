"""Users who were not active lately: no candidates, no list of their own, and everybody who asks gets an answer."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import LIST_REFERENCES, LISTS, RANKED, SHARED_LISTS, SHORT_LISTS
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.lists.active_users import active_users
from recs_platform.pipeline.lists.lists import Lists, make_lists
from recs_platform.pipeline.lists.scoring import score_as_of
from recs_platform.pipeline.partition_writer import write_frames
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.publishing import publish
from recs_platform.pipeline.releases import release_lists
from recs_platform.serving.lists import live_list
from recs_platform.serving.live_lists import Asked
from recs_platform.stages.releases import current_release, diff_releases, listed_users, read_release
from recs_platform.stages.releases.bundle import open_bundle
from recs_platform_tests.homes import Built, CommandLine, ask, copy_home

DAYS = 3


@pytest.fixture(scope="module")
def platform(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return copy_home(built.platform, tmp_path_factory.mktemp("shared") / "home", lists={"active_within_days": DAYS})


@pytest.fixture(scope="module")
def run(platform: Platform, built: Built) -> Iterator[AsOfRun]:
    run = AsOfRun(platform, built.as_of, built.known_at)
    yield run
    run.close()


@pytest.fixture(scope="module")
def made(run: AsOfRun) -> Lists:
    """Candidates, lists, release and file, each made by what makes it in a build."""
    score_as_of(run)
    made = make_lists(run)
    for contract, rows in (
        (LISTS, made.lists), (SHORT_LISTS, made.short_lists), (SHARED_LISTS, made.shared),
        (LIST_REFERENCES, made.references),
    ):  # fmt: skip
        columns = [name for name in contract.column_names if name != c.AS_OF]
        write_frames(run.platform, contract, [rows.select(columns)], run.as_of)
    release_lists(run, sealed_at=datetime.now(UTC))
    publish(run.platform)
    return made


def test_only_who_was_active_is_scored_and_nobody_is_lost(made: Lists, run: AsOfRun) -> None:
    active = active_users(run)
    assert active is not None
    since = run.as_of - timedelta(days=DAYS)
    seen = run.interactions.filter(pl.col(c.OCCURRED_AT) >= since)[c.USER_ID].unique()
    assert set(seen) <= set(active) < set(run.users[c.USER_ID])
    with run.models() as models:
        assert set(models.frame(RANKED.name)[c.USER_ID]) <= set(active)
    everybody = [made.lists[c.USER_ID], made.short_lists[c.USER_ID], made.references[c.USER_ID]]
    assert set(pl.concat(everybody)) == set(run.users[c.USER_ID])
    assert made.references.height > 10
    assert set(made.references[c.USER_ID]).isdisjoint(made.lists[c.USER_ID])
    assert all(rows.is_empty() for rows in made.violations.values())


def test_active_users_are_listed_as_in_a_home_without_the_setting(made: Lists, built: Built) -> None:
    with built.platform.model_run(built.as_of, built.known_at) as models:
        before = models.frame(LISTS.name)
    theirs = before.join(made.lists, on=c.USER_ID, how="semi")
    columns = [c.USER_ID, c.RANK, c.ITEM_ID, c.REASON]
    assert theirs.height
    assert theirs.select(columns).sort(columns).equals(made.lists.select(columns).sort(columns))


def test_the_published_file_and_the_release_show_the_same_complete_lists(
    made: Lists, platform: Platform, run: AsOfRun
) -> None:
    release = current_release(platform.home)
    rows = read_release(platform.home, release.version)
    found = ask(platform, "select * from recommendations.current order by user_id, rank")
    assert found.rows() == rows.select(found.columns).rows()
    assert release.metrics["n_rows"] == rows.height
    assert release.metrics["n_users"] == rows[c.USER_ID].n_unique()
    assert set(listed_users(platform.home, release.version)) == set(run.users[c.USER_ID])
    consumed = rows.join(run.consumed, on=[c.USER_ID, c.ITEM_ID], how="semi")
    assert consumed.is_empty()
    assert diff_releases(platform.home, release.version, release.version).changed_share == 0
    user = made.references[c.USER_ID][0]
    assert read_release(platform.home, release.version, user=user).equals(rows.filter(pl.col(c.USER_ID) == user))


def test_a_dormant_user_is_answered_on_the_command_line_and_online(
    made: Lists, platform: Platform, recs: CommandLine
) -> None:
    user = made.references.filter(pl.col(c.HIDDEN_ITEMS).list.len() > 0)[c.USER_ID][0]
    code, out, _ = recs(platform.home.root, "recommend", user, "--json")
    release = current_release(platform.home)
    expected = read_release(platform.home, release.version, user=user)
    assert code == 0
    assert [row["item_id"] for row in json.loads(out)["items"]] == expected[c.ITEM_ID].to_list()
    bundle = open_bundle(platform.home, release.version)
    consumed = {bundle.item_ids[code] for code in bundle.consumed(bundle.user(user))}
    online = [bundle.item_ids[each.item] for each in live_list(bundle, Asked(user), None, 0.5).page(0, 10)]
    assert len(online) == 10
    assert consumed
    assert consumed.isdisjoint(online)


@pytest.mark.usefixtures("made")
def test_the_same_lists_are_the_same_release(run: AsOfRun) -> None:
    again = release_lists(run, sealed_at=datetime.now(UTC))
    assert again.version == current_release(run.platform.home).version
