"""A user is found under the id people know, under the pseudonym, and under an id that turned out to be theirs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from recs_platform.contracts.errors import RecsError
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.tables import IDENTITIES
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.questions.find_user import find_user
from recs_platform.stages.events.forgotten import add_tombstones
from recs_platform.stages.events.pseudonyms import create_key, pseudonym
from recs_platform.stages.releases import (
    ReleaseOrigin,
    ReleaseRows,
    current_release,
    read_release,
    read_short_lists,
    seal_release,
)
from recs_platform_tests.homes import Built, copy_home


@pytest.fixture
def keyed(built: Built, tmp_path: Path) -> tuple[Platform, Manifest, list[str]]:
    """A home whose release in force holds the users' pseudonyms, and the ids people know them by."""
    platform = copy_home(built.platform, tmp_path / "home")
    key, before = create_key(platform.home), current_release(platform.home)
    lists = read_release(platform.home, before.version)
    users = sorted(lists["user_id"].unique())
    hide = pl.col("user_id").replace_strict({user: pseudonym(key, user) for user in users})
    seal_release(
        platform.home,
        ReleaseRows(lists.with_columns(hide), read_short_lists(platform.home, before.version).clear()),
        ReleaseOrigin(
            as_of=before.as_of,
            known_at=before.known_at + timedelta(seconds=1),
            data_version="pseudonyms",
            seed=7,
            ranker_version="other",
        ),
        content_hash="1" * 32,
        sealed_at=before.sealed_at + timedelta(seconds=1),
    )
    return platform, current_release(platform.home), users


def test_the_id_and_its_pseudonym_name_the_same_user(keyed: tuple[Platform, Manifest, list[str]]) -> None:
    platform, release, users = keyed
    key = create_key(platform.home)
    for user in users[:3]:
        stored = pseudonym(key, user)
        assert find_user(platform, release, user) == stored
        assert find_user(platform, release, stored) == stored


def test_a_stranger_is_named_as_asked(keyed: tuple[Platform, Manifest, list[str]]) -> None:
    platform, release, _ = keyed
    with pytest.raises(RecsError, match="user 'nobody' has no list"):
        find_user(platform, release, "nobody")


def test_no_message_names_another_person_however_alike_the_ids_are(built: Built) -> None:
    release = current_release(built.platform.home)
    user = str(read_release(built.platform.home, release.version)["user_id"].min())
    with pytest.raises(RecsError) as caught:
        find_user(built.platform, release, user + "0")
    assert repr(user) not in str(caught.value)
    assert "did you mean" not in str(caught.value)


def test_somebody_who_was_forgotten_is_said_to_be_and_since_when(built: Built, tmp_path: Path) -> None:
    platform = copy_home(built.platform, tmp_path / "home")
    add_tombstones(platform.home, ["gone"], datetime(2026, 3, 1, 12, tzinfo=UTC))
    with pytest.raises(RecsError, match="user 'gone' was forgotten on 2026-03-01, on request"):
        find_user(platform, current_release(platform.home), "gone")


def test_without_a_key_the_id_is_the_id(built: Built) -> None:
    release = current_release(built.platform.home)
    user = read_release(built.platform.home, release.version)["user_id"].min()
    assert find_user(built.platform, release, str(user)) == user


@pytest.mark.parametrize("is_hidden", [False, True])
def test_an_id_that_logged_in_names_the_user_it_belonged_to_last(
    built: Built, keyed: tuple[Platform, Manifest, list[str]], tmp_path: Path, is_hidden: bool
) -> None:
    if is_hidden:
        platform, release, users = keyed
        key = create_key(platform.home)
    else:
        platform = copy_home(built.platform, tmp_path / "plain")
        release = current_release(platform.home)
        users, key = sorted(read_release(platform.home, release.version)["user_id"].unique()), None

    def stored(name: str) -> str:
        return name if key is None else pseudonym(key, name)

    links = [
        ("device", users[0], 3),
        ("device", users[1], 2),
        ("phone", "login", 3),
        ("login", users[2], 3),
        ("late", users[0], -1),
    ]
    ledger = pl.read_parquet(platform.lake.files("raw.ingestions"))["file_hash"][0]
    rows = [
        {
            "anonymous_id": stored(anonymous),
            "user_id": stored(user),
            "valid_from": release.as_of - timedelta(days=days),
            "file_hash": ledger,
            "ingested_at": release.as_of - timedelta(days=1),
        }
        for anonymous, user, days in links
    ]
    instants = {name: pl.Datetime("us", "UTC") for name in ("valid_from", "ingested_at")}
    platform.lake.append(IDENTITIES.name, pl.DataFrame(rows, schema_overrides=instants))
    assert find_user(platform, release, "device") == stored(users[1])
    assert find_user(platform, release, "phone") == stored(users[2])
    with pytest.raises(RecsError, match="'late'"):
        find_user(platform, release, "late")
