"""Forgetting a person: no byte of them is left, nobody else is touched, and they do not come back."""

import gzip
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import RecsError
from recs_platform.contracts.home import RELEASE_PAGE, Home
from recs_platform.contracts.setting_groups import PrivacySettings
from recs_platform.contracts.tables import EVENTS, INGESTIONS, QUARANTINE, REMOVALS
from recs_platform.lake.artifacts import sealed_versions
from recs_platform.lake.forget_requests import add_request
from recs_platform.pipeline.forgetting import forget as forgetting
from recs_platform.pipeline.forgetting.artifacts import rankers_of, retire_rankers
from recs_platform.pipeline.forgetting.receipts import Receipt, open_journal
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.questions.status import read_status
from recs_platform.pipeline.retraining import trained_already
from recs_platform.stages import ranking, releases
from recs_platform.stages.events import ledger_checks
from recs_platform.stages.events.forgotten import read_tombstones
from recs_platform.stages.releases.bundle import open_bundle
from recs_platform_tests.forgotten_people import (
    DEVICE,
    EVENTS_FILE,
    GZIP_FILE,
    OTHER,
    PERSON,
    SHARED,
    click,
    holders,
    put_everywhere,
)
from recs_platform_tests.homes import Built, CommandLine, copy_home, land_contract, take_in

KINDS = (
    *("landing/", "lake/raw/events/", "lake/raw/quarantine/", "lake/recommendations/", "published/", "logs/"),
    *("artifacts/releases/", "artifacts/serving/", "artifacts/windows/", "artifacts/embeddings/", "reports/"),
    "dagster/",
)
STEPS = ("_landing", "_tables", "_artifacts", "_texts", "_identities", "_published")


@dataclass(frozen=True)
class Forgotten:
    """A home before and after; tests only read it."""

    before: Platform
    after: Platform
    receipt: Receipt


def forget(platform: Platform, *users: str) -> Receipt:
    return forgetting.forget(platform, *(users or (PERSON,)), now=datetime.now(UTC), say=lambda _: None)


def rows(platform: Platform, name: str) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(file) for file in platform.lake.files(name)], how="diagonal_relaxed")


@pytest.fixture(scope="module")
def whole(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """The built home with the person in every kind of file. Read-only."""
    platform = copy_home(built.platform, tmp_path_factory.mktemp("whole") / "home")
    put_everywhere(built, platform)
    return platform


@pytest.fixture(scope="module")
def forgotten(whole: Platform, tmp_path_factory: pytest.TempPathFactory) -> Forgotten:
    after = copy_home(whole, tmp_path_factory.mktemp("forgotten") / "home")
    return Forgotten(whole, after, forget(after))


def test_no_byte_of_the_person_is_left(forgotten: Forgotten) -> None:
    found = holders(forgotten.before.home.root, [PERSON])
    assert [kind for kind in KINDS if not any(name.startswith(kind) for name in found)] == []
    assert holders(forgotten.after.home.root, [PERSON, DEVICE]) == []
    assert not forgotten.after.home.user_pages.exists()
    # All of them: what somebody with a short id consumed would be found in none.
    assert list(forgotten.after.home.reports.glob(f"*/{RELEASE_PAGE}")) == []


def test_a_shared_id_loses_what_was_the_persons(forgotten: Forgotten) -> None:
    shared = rows(forgotten.after, EVENTS.name).filter(pl.col(c.USER_ID) == SHARED)
    assert shared[c.EVENT_ID].to_list() == ["extra-5"]


def test_everybody_else_stays(forgotten: Forgotten) -> None:
    before, after = forgotten.before.home, forgotten.after.home
    release = releases.current_release(before).version
    assert releases.current_release(after).version == release
    others = releases.read_release(before, release).filter(pl.col(c.USER_ID) != PERSON)
    assert releases.read_release(after, release).equals(others)
    events = rows(forgotten.before, EVENTS.name).filter(~pl.col(c.USER_ID).is_in([PERSON, DEVICE]))
    kept = events.filter(pl.col(c.EVENT_ID) != "extra-4").sort(c.EVENT_ID)
    assert rows(forgotten.after, EVENTS.name).sort(c.EVENT_ID).equals(kept)
    lines = (after.landing / "contract" / EVENTS_FILE).read_text().splitlines()
    assert [line.split('"')[3] for line in lines] == ["extra-3", "extra-5"]
    with gzip.open(after.landing / "contract" / GZIP_FILE, "rt") as text:
        assert [line.split(",")[1] for line in text] == [c.USER_ID, OTHER, OTHER]


def test_the_bundle_knows_the_others_alone(forgotten: Forgotten) -> None:
    release = releases.current_release(forgotten.before.home).version
    before, after = (open_bundle(platform.home, release) for platform in (forgotten.before, forgotten.after))
    assert before.user(PERSON) is not None
    assert after.user(PERSON) is None
    assert after.n_users == before.n_users - 1
    for user in (OTHER, "u3e00-30", "u3e00-59"):
        there, here = before.user(user), after.user(user)
        assert there is not None
        assert here is not None
        assert str(after.list_of(here)) == str(before.list_of(there))  # no propensity is nan, which equals nothing
        assert after.candidates(here).items.tolist() == before.candidates(there).items.tolist()
        assert after.consumed(here).tolist() == before.consumed(there).tolist()


def test_the_ledger_adds_up(forgotten: Forgotten) -> None:
    ledger, removals = rows(forgotten.after, INGESTIONS.name), rows(forgotten.after, REMOVALS.name)
    days = rows(forgotten.after, EVENTS.name).group_by(c.FILE_HASH).agg(pl.len().cast(pl.Int64).alias("row_count"))
    assert ledger_checks.unbalanced(ledger).is_empty()
    assert ledger_checks.missing_events(ledger, removals, days).is_empty()
    assert set(removals[c.REASON_CODE]) == {"forgotten"}
    gone = removals.filter(pl.col(c.CONTRACT_TABLE) == QUARANTINE.table)[c.ROWS_REMOVED].sum()
    assert gone == rows(forgotten.before, QUARANTINE.name).height - rows(forgotten.after, QUARANTINE.name).height == 2


def test_rankers_that_learned_from_them_serve_no_more(forgotten: Forgotten) -> None:
    home = forgotten.after.home
    sealed = {each.version for each in sealed_versions(home.artifacts, ranking.RANKER)}
    assert set(ranking.read_overrides(home.artifacts).retired) == set(forgotten.receipt.rankers) == sealed


def test_within_the_days_of_the_setting_rankers_that_learned_from_them_serve_on_and_the_status_says_until_when(
    whole: Platform, tmp_path: Path
) -> None:
    platform = copy_home(whole, tmp_path / "home", privacy=PrivacySettings(retrain_within_days=7))
    receipt = forget(platform)
    flagged = ranking.read_overrides(platform.home.artifacts)
    assert receipt.rankers
    assert set(flagged.retired) == set(receipt.rankers)
    assert "may serve until" in receipt.fate_of_rankers
    assert flagged.known_at(receipt.begun_at).retired == {}
    until = receipt.begun_at + timedelta(days=7)
    assert flagged.serving_on(receipt.begun_at) == dict.fromkeys(receipt.rankers, until)
    assert set(flagged.known_at(until).retired) == set(receipt.rankers)
    behind = str(releases.current_release(platform.home).parameters[c.RANKER_VERSION])
    said = read_status(platform, list).facts["rankers_flagged"]
    assert said[0] == (
        f"{behind}, behind the release in force: it learned from somebody who was forgotten; it may serve until "
        f"{until:%Y-%m-%d %H:%M} UTC, the first run after that has another"
    )
    # Nothing new came, and yet there is something to learn anew.
    assert trained_already(platform, releases.current_release(platform.home).as_of) is None


@pytest.mark.parametrize(("first", "later"), [(7, 7), (7, 30), (0, 7), (7, 0)])
def test_one_that_was_interrupted_retires_rankers_when_its_receipt_says(
    whole: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int, later: int
) -> None:
    home = tmp_path / "home"
    shutil.copytree(whole.home.artifacts / ranking.RANKER, home / "artifacts" / ranking.RANKER)
    began = datetime(2030, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(forgetting, "first_event", lambda *_: datetime(2000, 1, 1, tzinfo=UTC))

    def rankers(days: int, now: datetime) -> Receipt:
        settings = SimpleNamespace(privacy=PrivacySettings(retrain_within_days=days))
        work = SimpleNamespace(platform=SimpleNamespace(home=Home(home), settings=settings), raw=None, person=None)
        work.now, journal = now, open_journal(Home(home), ["hash"], now)
        forgetting._rankers(cast("Any", work), journal)  # pyright: ignore[reportPrivateUsage]
        return journal.receipt

    with monkeypatch.context() as killed:
        killed.setattr(forgetting, "retire_rankers", lambda *_: None)  # after the receipt, before its rankers
        told = rankers(first, began)
    assert rankers(later, began + timedelta(days=2)) == told
    retired = ranking.read_overrides(Home(home).artifacts).retired
    assert {each.serves_until for each in retired.values()} == {told.rankers_until}
    assert set(retired) == set(told.rankers) != set()


def test_whoever_is_forgotten_under_fewer_days_does_not_wait_for_those_of_an_earlier_one(
    whole: Platform, tmp_path: Path
) -> None:
    home = copy_home(whole, tmp_path / "home").home
    first, at = datetime(2000, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
    until, next_day = at + timedelta(days=7), at + timedelta(days=1)
    found = rankers_of(home, first, at)
    assert found
    retire_rankers(home, found, at, until)
    # They serve on, so the next receipt names them too, and gives them no longer.
    assert rankers_of(home, first, next_day) == found
    retire_rankers(home, found, next_day, next_day + timedelta(days=7))
    assert ranking.read_overrides(home.artifacts).serving_on(next_day) == dict.fromkeys(found, until)
    retire_rankers(home, found, next_day)
    assert set(ranking.read_overrides(home.artifacts).known_at(next_day).retired) == set(found)
    assert rankers_of(home, first, next_day) == []


def test_the_status_names_a_retired_ranker_behind_the_release_in_force(forgotten: Forgotten) -> None:
    said = read_status(forgotten.after, list).facts["rankers_flagged"]
    behind = str(releases.current_release(forgotten.after.home).parameters[c.RANKER_VERSION])
    why = "it learned from somebody who was forgotten; `recs run` trains another"
    assert said == [f"{behind}, behind the release in force, was retired: {why}"]


def test_the_receipt_says_what_went_and_names_nobody(forgotten: Forgotten) -> None:
    removed = forgotten.receipt.removed
    events = rows(forgotten.before, EVENTS.name)
    theirs = events.filter(pl.col(c.USER_ID).is_in([PERSON, DEVICE]) | (pl.col(c.EVENT_ID) == "extra-4"))
    assert removed["lake/raw.events"].count == theirs.height
    landed = removed[f"landing/contract/{GZIP_FILE}"]
    assert (landed.count, landed.before != landed.after) == (1, True)
    assert removed["logs/runs.jsonl"].count == 1
    assert len(forgotten.receipt.ids) == 2


def test_they_do_not_come_back(built: Built, forgotten: Forgotten, tmp_path: Path) -> None:
    platform = copy_home(forgotten.after, tmp_path / "home")
    old, new = (each.home.landing / "contract" / EVENTS_FILE for each in (forgotten.before, platform))
    files = rows(platform, INGESTIONS.name).height
    take_in(platform)
    assert rows(platform, INGESTIONS.name).height == files  # rewritten files are known
    new.write_text(old.read_text())
    land_contract(platform, "later/events.jsonl", [click(built, 20, DEVICE, 1), click(built, 21, OTHER, 1)])
    take_in(platform)
    assert set(rows(platform, EVENTS.name)[c.USER_ID]) & {PERSON, DEVICE} == set()
    rejected = rows(platform, QUARANTINE.name).filter(pl.col(c.REASON_CODE) == "forgotten")
    assert rejected.select(c.LINE_NUMBER, c.PAYLOAD).rows() == [(1, None)]
    # What lies in landing since goes when they are forgotten again, the device of which only the hash is known too.
    assert forget(platform).removed[f"landing/contract/{EVENTS_FILE}"].count == 4
    assert holders(platform.home.root, [PERSON, DEVICE]) == []


@pytest.mark.trial
def test_one_that_is_killed_is_finished_by_the_next(
    forgotten: Forgotten, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = copy_home(forgotten.before, tmp_path / "home")
    for name in STEPS:
        with monkeypatch.context() as patch:
            patch.setattr(forgetting, name, _killed_after(getattr(forgetting, name), is_last=name == STEPS[-1]))
            with pytest.raises(KeyboardInterrupt):
                forget(platform)
    receipt = forget(platform)
    assert receipt.number == 1
    same = {"removed", "rankers", "left"}
    assert receipt.model_dump(include=same) == forgotten.receipt.model_dump(include=same)
    assert holders(platform.home.root, [PERSON, DEVICE]) == []


def _killed_after(step: Callable[..., None], *, is_last: bool) -> Callable[..., None]:
    """The step, then the end of the process; publishing, which takes long, does not even begin."""

    def killed(*given: Any) -> None:
        if not is_last:
            step(*given)
        raise KeyboardInterrupt

    return killed


def test_a_dry_run_counts_and_changes_nothing(forgotten: Forgotten, tmp_path: Path) -> None:
    platform = copy_home(forgotten.before, tmp_path / "home")
    counts = forgetting.forget_dry_run(platform, PERSON, now=datetime.now(UTC), say=lambda _: None)
    removed = {place: each.count for place, each in forgotten.receipt.removed.items() if place != "published"}
    assert counts == removed
    assert not platform.home.forgets.exists()
    assert platform.lake.version(EVENTS.name) == forgotten.before.lake.version(EVENTS.name)


@pytest.mark.trial
def test_requests_that_wait_are_carried_out(forgotten: Forgotten, tmp_path: Path) -> None:
    platform = copy_home(forgotten.after, tmp_path / "home")
    for user in (OTHER, OTHER, "nobody-at-all"):
        add_request(platform.home, user)
    receipts, unknown = forgetting.forget_waiting(platform, now=datetime.now(UTC), say=lambda _: None)
    assert [receipt.number for receipt in receipts] == [2]
    assert len(unknown) == 1
    assert holders(platform.home.root, [OTHER]) == []


@pytest.mark.trial
def test_several_are_forgotten_in_one_pass_or_nobody(forgotten: Forgotten, tmp_path: Path) -> None:
    platform = copy_home(forgotten.after, tmp_path / "home")
    users = rows(platform, EVENTS.name).filter(pl.col(c.USER_ID) != OTHER)[c.USER_ID].unique().sort()
    two = [str(user) for user in users if len(str(user)) > 4 and str(user) not in (SHARED, DEVICE)][:2]
    everybody = (*two, OTHER)
    with pytest.raises(RecsError, match="'nobody-at-all' is unknown"):
        forget(platform, *everybody, "nobody-at-all")
    assert set(everybody) <= set(rows(platform, EVENTS.name)[c.USER_ID])
    receipt = forget(platform, *everybody, PERSON)  # the last was forgotten before
    assert receipt.number == forgotten.receipt.number + 1
    assert len(receipt.ids) >= len(everybody)
    assert holders(platform.home.root, everybody) == []
    others = ~pl.col(c.USER_ID).is_in([*everybody, SHARED])
    left, before = (rows(each, EVENTS.name).filter(others).height for each in (platform, forgotten.after))
    assert left == before
    assert forget(platform, *everybody) == receipt


def test_a_stranger_is_refused_also_beside_somebody_who_is_half_forgotten(forgotten: Forgotten, tmp_path: Path) -> None:
    platform = copy_home(forgotten.after, tmp_path / "home")
    file = platform.home.forgets / f"{forgotten.receipt.number}.json"
    file.write_text(forgotten.receipt.model_copy(update={"finished_at": None}).model_dump_json())
    before = read_tombstones(platform.home)
    with pytest.raises(RecsError, match="'nobody-at-all' is unknown"):
        forget(platform, PERSON, "nobody-at-all")
    assert read_tombstones(platform.home) == before


def test_a_second_time_is_told_as_one_that_was_before(recs: CommandLine, forgotten: Forgotten, tmp_path: Path) -> None:
    code, out, err = recs(copy_home(forgotten.after, tmp_path / "home").home.root, "forget", PERSON)
    at = forgotten.receipt.finished_at
    assert at is not None
    assert (code, err) == (0, "")
    assert out.startswith(f"forgotten before, at {at:%Y-%m-%d %H:%M} UTC")
    assert "nothing was changed now" in out
    assert "removed then" in out
    assert "serve no more" not in out


def test_unknown_twice_and_shared(forgotten: Forgotten, tmp_path: Path) -> None:
    platform = copy_home(forgotten.after, tmp_path / "home")
    assert forget(platform) == forgotten.receipt
    with pytest.raises(RecsError, match="'nobody-at-all' is unknown"):
        forget(platform, "nobody-at-all")
    with pytest.raises(RecsError, match="belonged to 2 people"):
        forget(forgotten.before, SHARED)
