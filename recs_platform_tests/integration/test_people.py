"""A person who withdraws: nothing is learned from them, everybody else's lists stay, and they still get one."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import polars as pl
import pytest

from recs_platform.contracts.tables import VERDICTS
from recs_platform.defs.assets.releases import RELEASE_KEY
from recs_platform.lake.artifacts import artifact, sealed_versions
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.data_versions import data_version, known_files
from recs_platform.pipeline.partition_writer import write_frames
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.questions import one_list
from recs_platform.pipeline.questions.explain import explain_pair
from recs_platform.pipeline.training.champion import choose_champion
from recs_platform.stages.reports.verdicts import Judgement, verdict_rows
from recs_platform_tests.homes import (
    Built,
    CommandLine,
    copy_home,
    land_contract,
    make,
    make_lists,
    platform_at,
    take_in,
)
from recs_platform_tests.worlds import TINY, tiny_world

pytestmark = pytest.mark.trial

AS_OF = TINY.start + timedelta(days=TINY.days)
WITHDRAWN_AT = AS_OF + timedelta(days=1)
DEVICE = "a-device"
KEY = ["user_id", "item_id"]
OF_USERS = (
    "features.user_features", "segments.user_segments", "retrieval.candidates", "features.candidate_features",
    "ranking.ranked", "recommendations.lists",
)  # fmt: skip
OF_ALL = ("features.item_features", "retrieval.item_neighbours")


@pytest.fixture(scope="module")
def person(taken_in: Platform) -> str:
    """The user with most events whose profile allows personal lists."""
    with taken_in.model_run(AS_OF, datetime.now(UTC)) as run:
        counts = run.frame("staging.stg_events").group_by("user_id").len()
    return str(counts.sort("len", "user_id", descending=[True, False])["user_id"][0])


def withdraw(platform: Platform, person: str) -> None:
    """The withdrawal comes from a device that turned out, late, to be theirs."""
    at = WITHDRAWN_AT.isoformat()
    land_contract(platform, "identities.jsonl", [{"anonymous_id": DEVICE, "user_id": person, "valid_from": at}])
    consent = {"user_id": DEVICE, "purpose": "personalization", "granted": False, "occurred_at": at}
    land_contract(platform, "consents.jsonl", [consent])
    take_in(platform)


@pytest.fixture(scope="module")
def withdrawn(taken_in: Platform, person: str, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Lists and a release after the withdrawal; what the reports say of them is tested elsewhere."""
    platform = copy_home(taken_in, tmp_path_factory.mktemp("withdrawn") / "home")
    withdraw(platform, person)
    known_at = datetime.now(UTC)
    make_lists(platform, AS_OF, known_at)
    judged = verdict_rows("quality", [Judgement("lists", "pass", "as good as before")], as_of=AS_OF)
    write_frames(platform, VERDICTS, [judged], AS_OF)
    make(platform, AS_OF, dg.AssetSelection.assets(RELEASE_KEY), known_at)
    return Built(platform, AS_OF, known_at)


@pytest.fixture(scope="module")
def never(taken_in: Platform, person: str, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Lists of a home in which none of the person's events ever existed."""
    platform = platform_at(tmp_path_factory.mktemp("never") / "home")
    folder = platform.home.landing / "world"
    tiny_world(folder)
    for path in folder.glob("events-*.parquet"):
        pl.read_parquet(path).filter(pl.col("uid") != person).write_parquet(path)
    take_in(platform)
    withdraw(platform, person)
    known_at = datetime.now(UTC)
    make_lists(platform, AS_OF, known_at)
    return Built(platform, AS_OF, known_at)


@pytest.fixture(scope="module")
def rebuilt(built: Built, person: str, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The build from before the withdrawal, made again as it was known then, its artifacts still there."""
    platform = copy_home(built.platform, tmp_path_factory.mktemp("rebuilt") / "home")
    withdraw(platform, person)
    make_lists(platform, AS_OF, built.known_at)
    return Built(platform, AS_OF, built.known_at)


def rows_of(home: Built, table: str) -> pl.DataFrame:
    with home.platform.model_run(home.as_of, home.known_at) as run:
        return run.frame(table, ordered=True).drop("ranker_version", strict=False)


def window_frames(platform: Platform) -> Iterator[pl.DataFrame]:
    for manifest in sealed_versions(platform.home.artifacts, "windows"):
        folder = artifact(platform.home.artifacts, "windows", manifest.version)
        yield from (pl.read_parquet(path) for path in sorted(folder.glob("*.parquet")))


def test_the_person_had_a_personal_list_before(built: Built, person: str) -> None:
    mine = rows_of(built, "retrieval.candidates").filter(pl.col("user_id") == person)
    assert mine.height > 0
    assert any(person in frame["user_id"] for frame in window_frames(built.platform) if "user_id" in frame.columns)


@pytest.mark.parametrize("table", [*OF_USERS, *OF_ALL])
def test_everybody_elses_rows_are_as_if_the_events_had_never_been(
    withdrawn: Built, never: Built, person: str, table: str
) -> None:
    found, expected = rows_of(withdrawn, table), rows_of(never, table)
    if table in OF_USERS:
        found, expected = (rows.filter(pl.col("user_id") != person) for rows in (found, expected))
    assert found.height > 0
    assert found.equals(expected)


@pytest.mark.parametrize("table", [*OF_USERS, *OF_ALL])
def test_a_rebuild_as_it_was_known_before_keeps_the_person_out(withdrawn: Built, rebuilt: Built, table: str) -> None:
    assert rows_of(rebuilt, table).equals(rows_of(withdrawn, table))


def test_nothing_is_learned_from_the_person(withdrawn: Built, rebuilt: Built, person: str) -> None:
    for home in (withdrawn, rebuilt):
        for table in ("retrieval.candidates", "ranking.ranked"):
            assert person not in rows_of(home, table)["user_id"]
        assert person not in rows_of(home, "staging.stg_events")["user_id"]
        used = [frame for frame in window_frames(home.platform) if "user_id" in frame.columns]
        assert used
        assert not [frame for frame in used if person in frame["user_id"]]


def test_a_ranker_that_learned_from_the_person_serves_no_more(built: Built, rebuilt: Built) -> None:
    old = choose_champion(AsOfRun(built.platform, AS_OF, built.known_at)).manifest.version
    assert old in {manifest.version for manifest in sealed_versions(rebuilt.platform.home.artifacts, "ranker")}
    considered = choose_champion(AsOfRun(rebuilt.platform, AS_OF, built.known_at)).considered
    assert considered
    assert old not in {ranker.version for ranker in considered}


def test_the_person_still_gets_k_items_and_no_reason_tells_of_them(withdrawn: Built, person: str) -> None:
    mine = rows_of(withdrawn, "recommendations.lists").filter(pl.col("user_id") == person)
    assert mine["rank"].to_list() == list(range(1, withdrawn.platform.settings.k + 1))
    assert mine["item_id"].n_unique() == mine.height
    assert set(mine["sources"].explode()) == {"fallback"}
    assert mine["reason"].str.contains("^(popular: |chosen by few so far|new here: )").all()
    events = rows_of(withdrawn, "staging.stg_resolved_events").filter(pl.col("event_type") != "impression")
    assert events.filter(pl.col("user_id") == person).height > 0
    assert mine.join(events, on=KEY, how="semi").is_empty()
    segments = rows_of(withdrawn, "segments.user_segments").filter(pl.col("user_id") == person)
    assert segments["segment_id"].to_list() == ["brand_new"]


def test_everyone_who_opted_out_is_served_alike(withdrawn: Built) -> None:
    """The world has users whose profile refuses, too."""
    users = rows_of(withdrawn, "staging.stg_users").filter(pl.col("is_opted_out"))
    assert users.height > 1
    lists = rows_of(withdrawn, "recommendations.lists").join(users, on="user_id", how="semi")
    assert lists.height == users.height * withdrawn.platform.settings.k
    assert lists["reason"].str.contains("^(popular: |chosen by few so far|new here: )").all()


def test_the_command_line_serves_the_person_under_every_id(withdrawn: Built, person: str, recs: CommandLine) -> None:
    home = withdrawn.platform.home.root
    code, out, _ = recs(home, "recommend", person, "--json")
    assert code == 0
    items = json.loads(out)["items"]
    assert len(items) == withdrawn.platform.settings.k
    with withdrawn.platform.model_run(AS_OF, withdrawn.known_at) as run:
        listed = set(run.frame("staging.stg_items")["item_id"]) - {item["item_id"] for item in items}
        consumed = run.frame("staging.stg_consumed").filter(pl.col("user_id") == person)["item_id"].to_list()
    for item, said in (
        (items[0]["item_id"], "popular"),
        (consumed[0], "consumed it"),
        (min(listed), "not recommended"),
    ):
        code, out, _ = recs(home, "explain", person, item, "--json")
        assert code == 0
        assert said in json.loads(out)["answer"]


def test_whoever_opted_out_is_told_so_though_they_share_a_list(
    withdrawn: Built, person: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is ranked for them, however active they are."""
    shared = SimpleNamespace(references=pl.DataFrame({"user_id": [person]}))
    monkeypatch.setattr(one_list, "read_shared_lists", lambda *_: shared)
    mine = rows_of(withdrawn, "recommendations.lists").filter(pl.col("user_id") == person)
    consumed = rows_of(withdrawn, "staging.stg_consumed").filter(pl.col("user_id") == person)
    items = rows_of(withdrawn, "staging.stg_items").filter("is_available")
    absent = items.join(pl.concat([mine.select("item_id"), consumed.select("item_id")]), on="item_id", how="anti")
    answer = explain_pair(withdrawn.platform, person, absent["item_id"].min())["answer"]
    assert answer.startswith("not recommended: without the user's consent the list is of popular items")


def test_a_refusal_in_the_profile_changes_the_version_of_the_past(
    taken_in: Platform, person: str, tmp_path: Path
) -> None:
    platform = copy_home(taken_in, tmp_path / "home")
    known_at = datetime.now(UTC)
    before = known_files(platform, known_at)
    land_contract(platform, "users.jsonl", [{"user_id": person, "consent_personalization": False}])
    take_in(platform)
    after = known_files(platform, known_at)
    assert data_version(before, TINY.start) == data_version(after, TINY.start)
    assert data_version(before, AS_OF) != data_version(after, AS_OF)
    with platform.model_run(AS_OF, known_at) as run:
        assert person in run.frame("staging.stg_opted_out")["user_id"]


def test_links_and_withdrawals_change_the_version_of_the_data(taken_in: Platform, person: str, tmp_path: Path) -> None:
    platform = copy_home(taken_in, tmp_path / "home")
    before = known_files(platform, datetime.now(UTC))
    land_contract(
        platform, "identities.jsonl", [{"anonymous_id": DEVICE, "user_id": person, "valid_from": AS_OF.isoformat()}]
    )
    take_in(platform)
    linked = known_files(platform, datetime.now(UTC))
    assert data_version(linked, AS_OF) == data_version(before, AS_OF), "a link from the as-of on says nothing to it"
    assert data_version(linked, WITHDRAWN_AT) != data_version(before, WITHDRAWN_AT)
    consent = {"user_id": person, "purpose": "personalization", "granted": False, "occurred_at": AS_OF.isoformat()}
    land_contract(platform, "consents.jsonl", [consent])
    take_in(platform)
    assert data_version(known_files(platform, datetime.now(UTC)), AS_OF) != data_version(linked, AS_OF)
