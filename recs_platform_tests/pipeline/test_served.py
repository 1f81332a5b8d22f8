"""A release that is put in force again shows no list of people who refused it since, and no item withdrawn since."""

import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import msgspec
import polars as pl
import pytest

from recs_platform.contracts.canary import CanaryState
from recs_platform.contracts.errors import Busy, ContractError, RecsError
from recs_platform.contracts.experiments import ExperimentSettings
from recs_platform.contracts.home import Lock
from recs_platform.contracts.serving_settings import CanarySettings
from recs_platform.defs.withdrawal import withdraw
from recs_platform.lake.locks import exclusive, holder
from recs_platform.pipeline import publishing
from recs_platform.pipeline import releases as sealing
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.publishing import publish, publish_release_tables
from recs_platform.pipeline.rollback import LATEST, roll_back
from recs_platform.pipeline.served import bring_served_up_to_date, changing_what_is_served, replaced_in_force
from recs_platform.serving.lists import live_list
from recs_platform.serving.live_lists import Asked
from recs_platform.stages import releases
from recs_platform.stages.releases import find_release, read_release, read_served, replacement_of
from recs_platform.stages.releases import sealing as seal
from recs_platform.stages.releases.bundle import open_bundle, writing
from recs_platform.stages.releases.files import LISTS_FILE
from recs_platform.stages.releases.references import SharedRows
from recs_platform.stages.releases.replacing import replace_rows
from recs_platform.stages.releases.withheld import Withheld
from recs_platform.warehouse.publish import PublishReport
from recs_platform_tests.homes import ask, copy_home, land_contract, platform_at, take_in
from recs_platform_tests.serving.served import release_into
from recs_platform_tests.unit.stages.releases.bundles import AS_OF, ITEMS, content
from recs_platform_tests.unit.stages.releases.test_damaged_releases import damage

PUBLISH = {"exports": ["jsonl"]}
LISTS = {"u1": "ab", "u2": "bc", "u3": "ca", "u4": "de"}


class House:
    """A home with two releases: of the first, u2 refuses the list and item `a` is withdrawn after it was sealed."""

    def __init__(self, root: Path, *, drawn: str = "", **until: str) -> None:
        """`drawn`: items that were put where they are by chance, one in four; `until`: when an item's offer ends."""
        self.platform = platform_at(root, publish=PUBLISH)
        self.home = self.platform.home
        land_contract(
            self.platform,
            "items.jsonl",
            [{"item_id": item, "title": item, "available_until": until.get(item)} for item in ITEMS],
        )
        land_contract(
            self.platform,
            "events.jsonl",
            [
                {"event_id": user, "user_id": user, "item_id": "e", "event_type": "click",
                 "occurred_at": "2024-02-01T00:00:00Z"}
                for user in LISTS
            ],
        )  # fmt: skip
        take_in(self.platform)
        made, chance = content(LISTS), pl.when(pl.col("item_id").is_in(list(drawn))).then(0.25).otherwise(1.0)
        self.older = release_into(self.home, replace(made, lists=made.lists.with_columns(chance.alias("propensity"))))
        self.newer = release_into(self.home, content({"u1": "de"}), "b", AS_OF + timedelta(days=1))
        publish_release_tables(self.platform)

    def copy(self, root: Path) -> "House":
        """The same house elsewhere, to change."""
        house = copy(self)
        house.platform = copy_home(self.platform, root, publish=PUBLISH)
        house.home = house.platform.home
        return house

    def learn(self, *, user: str | None = None, item: str | None = None, again: bool = False) -> None:
        """A user refuses, or with `again` consents; an item is withdrawn, or offered again."""
        if user is not None:
            said = {"user_id": user, "purpose": "personalization", "granted": again}
            day = "2024-03-06" if again else "2024-03-05"
            land_contract(self.platform, "consents.jsonl", [{**said, "occurred_at": f"{day}T00:00:00Z"}])
        if item is not None:
            until = None if again else "2024-03-04T00:00:00Z"
            gone = {"item_id": item, "title": item, "available_until": until}
            land_contract(self.platform, "items.jsonl", [gone])
        take_in(self.platform)

    def see_day(self, day: str, item: str, *nowhere: str, **countries: str) -> None:
        """The lake has come to a later day; an item is not offered in some countries; users say where they are."""
        event = {"event_id": day, "user_id": "u9", "item_id": "e", "event_type": "view"}
        land_contract(self.platform, "events.jsonl", [{**event, "occurred_at": f"{day}T08:00:00Z"}])
        said = {"item_id": item, "title": item, "attributes": json.dumps({"not_offered_in": nowhere})}
        land_contract(self.platform, "items.jsonl", [said])
        users = [{"user_id": user, "country": country} for user, country in countries.items()]
        if users:
            land_contract(self.platform, "users.jsonl", users)
        take_in(self.platform)

    def shown(self) -> dict[str, dict[str, str]]:
        """The list of each user, an item a letter, by where one may look."""
        bundle = open_bundle(self.home, self.older)
        live = {user: live_list(bundle, Asked(user, block=2), None, 0.5).page(0, 2) for user in LISTS}
        return {
            "server": {user: "".join(bundle.item_ids[each.item] for each in places) for user, places in live.items()},
            "recommend": _letters(read_served(self.home, self.older)),
            "current": _letters(ask(self.platform, "from recommendations.current")),
            "lists": _letters(ask(self.platform, f"from recommendations.lists where release_id = '{self.older}'")),
            "personal": _letters(
                ask(self.platform, f"from recommendations.personal_lists where release_id = '{self.older}'")
            ),
            "exports": _exported((self.home.exports / "lists.jsonl").read_bytes()),
        }


def _letters(rows: pl.DataFrame) -> dict[str, str]:
    ordered = rows.sort("user_id", "rank")
    return {str(user): "".join(of["item_id"]) for (user,), of in ordered.group_by("user_id", maintain_order=True)}


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Read-only: copy it to write."""
    return House(tmp_path_factory.mktemp("untouched") / "home")


@pytest.fixture(scope="module")
def house(untouched: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    return untouched.copy(tmp_path_factory.mktemp("served") / "home")


def test_no_chance_is_told_of_what_takes_the_place_of_a_row_of_a_drawn_list(tmp_path: Path) -> None:
    house = House(tmp_path / "home", drawn="b")
    house.learn(item="a")
    roll_back(house.platform, house.older)
    shown = ask(house.platform, "from recommendations.current order by user_id, rank")
    said = {
        user: list(zip(rows["item_id"], rows["propensity"], rows["propensity_method"] == "unknown", strict=True))
        for (user,), rows in shown.group_by("user_id", maintain_order=True)
    }
    assert said["u1"] == [("b", 0.25, False), ("d", None, True)]
    assert said["u3"] == [("c", 1.0, False), ("d", 1.0, False)]  # nothing of it was drawn
    assert said["u2"] == [("b", 0.25, False), ("c", 1.0, False)]


def test_exports_of_a_release_that_was_in_force_lately_are_put_back(untouched: House, tmp_path: Path) -> None:
    house = untouched.copy(tmp_path / "home")
    file = house.home.exports / "lists.jsonl"

    def exported(release: str) -> tuple[int, bytes]:
        roll_back(house.platform, release)
        return file.stat().st_ino, file.read_bytes()

    newer, older = exported(LATEST), exported(house.older)
    assert newer[1] != older[1]
    assert (exported(LATEST), exported(house.older)) == (newer, older)  # the same files, which nobody wrote again
    house.learn(user="u2")
    _, refused = exported(house.older)
    assert (_exported(older[1])["u2"], _exported(refused)["u2"]) == ("bc", "ab")
    # Of whom a list may not be shown any more, none is kept either.
    kept = [_exported(each.read_bytes()) for each in (house.home.exports / ".kept").iterdir()]
    assert kept == [_exported(refused)]


def _exported(content: bytes) -> dict[str, str]:
    lines = map(json.loads, content.splitlines())
    return {line["user_id"]: "".join(item["item_id"] for item in line["items"]) for line in lines}


def test_all_that_shows_lists_replaces_rows_from_the_fallback_as_the_server_does(house: House) -> None:
    before = read_release(house.home, house.older)
    roll_back(house.platform, house.older)
    assert all(found == LISTS for found in house.shown().values())
    assert replaced_in_force(house.platform) is None
    house.learn(user="u2", item="a")
    roll_back(house.platform, house.older)
    # u2 gets what is popular with everybody, u1 and u3 their next candidate in the place of `a`; u4 keeps the list.
    expected = {"u1": "bd", "u2": "bc", "u3": "cd", "u4": "de"}
    for place, found in house.shown().items():
        assert found == expected, place
    current = ask(house.platform, "from recommendations.current order by user_id, rank")
    assert current.filter(user_id="u2")["sources"].to_list() == [["fallback"]] * 2
    assert current.filter(user_id="u1")["rank"].to_list() == [1, 2]
    assert read_release(house.home, house.older).equals(before)  # the release itself is as it was sealed
    made = replacement_of(house.home, house.older)
    assert made is not None
    assert made.metrics == {
        "replaced_user_count": 3, "replaced_row_count": 4, "opted_out_user_count": 1, "withdrawn_item_count": 1,
        "expired_item_count": 0, "excluded_item_count": 0,
    }  # fmt: skip
    assert replaced_in_force(house.platform) == (
        "4 rows of 3 users were replaced from what is popular, a surface's board or the next candidates: since the "
        "release was sealed, 1 of them opted out, 1 items were withdrawn or blocked"
    )
    roll_back(house.platform, house.older)
    assert replacement_of(house.home, house.older) == made  # nothing new, nothing is sealed anew
    roll_back(house.platform, LATEST)
    in_force = ask(house.platform, "from recommendations.in_force order by since")["release_id"].to_list()
    assert in_force[-2:] == [house.older, releases.current_release(house.home).version]
    theirs = f"from recommendations.lists where release_id = '{house.older}'"
    # History is what was shown, but for the list that somebody refused.
    assert _letters(ask(house.platform, theirs)) == {"u1": "ab", "u3": "ca", "u4": "de"}
    # Meanwhile u2 consents again, and `a` is offered again: the newer release's bundle knew of both.
    house.learn(user="u2", item="a", again=True)
    roll_back(house.platform, house.older)
    for place, found in house.shown().items():
        assert found == LISTS, place
    assert replaced_in_force(house.platform) is None


def test_a_release_without_a_bundle_loses_rows_and_gets_none(house: House) -> None:
    release = find_release(house.home, house.older)
    made = replace_rows(house.home, release, None, Withheld(frozenset({"u2"}), frozenset({"a"})), ("fallback",))
    assert _letters(made.lists) == {"u1": "b", "u3": "c"}
    assert sorted(made.users["user_id"]) == ["u1", "u2", "u3"]


def test_what_expired_or_may_not_be_offered_where_the_user_is_is_replaced_too(tmp_path: Path) -> None:
    house = House(tmp_path / "home", d="2024-03-10T00:00:00Z")
    # As far as the lake has come, and no clock, says what is over.
    roll_back(house.platform, house.older)
    assert replaced_in_force(house.platform) is None
    house.see_day("2024-03-12", "b", "DE", u1="DE", u2="FR", u3="DE", u4="FR")
    roll_back(house.platform, house.older)
    expected = {"u1": "ae", "u2": "bc", "u3": "ca", "u4": "ea"}
    for place, found in house.shown().items():
        assert found == expected, place
    assert replaced_in_force(house.platform) == (
        "2 rows of 2 users were replaced from what is popular, a surface's board or the next candidates: since the "
        "release was sealed, 1 items expired, 1 items may not be offered where users are"
    )
    house.see_day("2024-03-13", "b")
    roll_back(house.platform, house.older)
    for place, found in house.shown().items():
        assert found == {"u1": "ab", "u2": "bc", "u3": "ca", "u4": "ea"}, place


def test_what_is_in_force_is_read_and_changed_by_one_at_a_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()

    def alone(owner: ModuleType, name: str, *locks: Lock) -> None:
        original = getattr(owner, name)

        def checked(*arguments: Any, **options: Any) -> Any:
            for lock in locks:
                with pytest.raises(Busy), exclusive(house.home.lock(lock), wait=False):
                    pass
            asked.append(name)
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, checked)

    alone(publishing, "release_tables", Lock.PUBLISH, Lock.SERVED)
    alone(publishing, "write_file", Lock.PUBLISH)
    for name in ("pin_release", "unpin", "withdraw_release"):
        alone(releases, name, Lock.SERVED)
    newest = release_into(house.home, content({"u1": "de"}), "f", AS_OF + timedelta(days=9))
    publish_release_tables(house.platform)
    roll_back(house.platform, house.older)
    roll_back(house.platform, LATEST)
    withdraw(house.platform, newest, asked.append)
    written = ["release_tables", "write_file"]
    assert asked == [
        *written, "pin_release", *written, "unpin", *written, "withdraw_release", *written
    ]  # fmt: skip


@pytest.mark.parametrize("lock", [Lock.PUBLISH, Lock.SERVED])
def test_a_rollback_that_waits_says_for_whom(house: House, lock: Lock) -> None:
    told = list[str]()
    with ExitStack() as held:
        held.enter_context(exclusive(house.home.lock(lock)))

        def go_on(said: str) -> None:
            told.append(said)
            held.close()

        roll_back(house.platform, LATEST, go_on)
    assert len(told) == 1
    assert f"waiting: {lock} is held by process {os.getpid()}" in told[0]


def test_a_rollback_need_not_wait_while_a_bundle_is_written(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    home, as_of = house.home, AS_OF + timedelta(days=12)
    rows = read_release(home, house.older).drop("release_id").with_columns(pl.lit(as_of).alias("as_of"))
    short = releases.read_short_lists(home, house.older)
    nothing = pl.DataFrame(
        schema={"user_id": pl.String, "list_length": pl.Int32, "expires_at": pl.Datetime("us", "UTC")}
    )
    released = releases.ReleaseRows(rows, short, SharedRows(nothing, nothing), nothing, nothing)
    was_free = dict[str, bool]()

    def look(owner: ModuleType, name: str) -> None:
        original = getattr(owner, name)

        def looking(*arguments: Any, **options: Any) -> Any:
            was_free[name] = holder(home.lock(Lock.SERVED)) is None
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, looking)

    monkeypatch.setattr(sealing, "_read", lambda _: released)
    monkeypatch.setattr(sealing, "bundle_content", lambda *_: content(LISTS))
    monkeypatch.setattr(sealing, "_digest", lambda *_: "c" * 12)
    origin = releases.ReleaseOrigin(as_of=as_of, known_at=as_of, data_version="1", seed=7, ranker_version="v1")
    monkeypatch.setattr(sealing, "_origin", lambda *_: origin)
    for name in ("encode_bundle", "write_pages", "remove_bundles"):
        look(writing, name)
    look(seal, "write_artifact")
    run = SimpleNamespace(platform=house.platform, as_of=as_of, known_at=as_of, data_version=lambda: "1")
    made = sealing.release_lists(cast("AsOfRun", run), sealed_at=as_of)
    assert was_free == {"encode_bundle": True, "write_pages": True, "remove_bundles": False, "write_artifact": False}
    assert open_bundle(home, made.version).user("u1") is not None
    withdraw(house.platform, made.version, lambda _: None)


def test_a_rollback_during_a_publish_does_not_break_it(
    untouched: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = untouched.copy(tmp_path / "home")
    house.learn(user="u2")
    roll_back(house.platform, house.older)
    write = publishing.write_file

    def late(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(publishing, "write_file", write)
        house.learn(item="a")
        # As a rollback does, before it publishes in turn.
        with changing_what_is_served(house.home):
            bring_served_up_to_date(house.platform, datetime.now(UTC))
        return write(*arguments, **options)

    monkeypatch.setattr(publishing, "write_file", late)
    publish(house.platform)
    assert house.shown()["current"] == house.shown()["server"]


def test_releases_of_variants_and_canaries_offer_no_withdrawn_item_either(untouched: House, tmp_path: Path) -> None:
    house = untouched.copy(tmp_path / "home")
    home, platform = house.home, house.platform
    third = release_into(home, content({"u1": "de"}), "c", AS_OF + timedelta(days=2))
    variants = {"a": {"weight": 0.5, "release": house.newer}, "b": {"weight": 0.5}}
    update = {
        "experiments": {"which": ExperimentSettings.model_validate({"variants": variants, "control": "b"})},
        "canary": CanarySettings(share=0.1),
    }
    server = replace(platform, settings=platform.settings.model_copy(update=update))
    home.canary.parent.mkdir()
    home.canary.write_bytes(msgspec.json.encode(CanaryState(settled_id=house.older)))
    house.learn(item="d")
    bring_served_up_to_date(server, datetime.now(UTC))
    for release in (third, house.newer, house.older):
        bundle = open_bundle(home, release)
        assert not bundle.is_available[bundle.item("d") or 0], release
    home.canary.write_text("{")
    bring_served_up_to_date(server, datetime.now(UTC))


@pytest.mark.parametrize("publishes", [publish, publish_release_tables])
def test_a_publish_names_the_file_of_the_release_in_force_that_is_damaged(
    untouched: House, tmp_path: Path, publishes: Callable[[Platform], object]
) -> None:
    house = untouched.copy(tmp_path / "home")
    file = house.home.artifacts / "releases" / house.newer / LISTS_FILE
    damage(file)
    with pytest.raises(ContractError, match=rf"{file} is damaged: its bytes are not those that were written"):
        publishes(house.platform)


@pytest.mark.parametrize("publishes", [publish, publish_release_tables])
def test_a_publish_does_without_a_damaged_release_of_before_and_says_so(
    untouched: House, tmp_path: Path, publishes: Callable[[Platform], PublishReport]
) -> None:
    house = untouched.copy(tmp_path / "home")
    file = house.home.artifacts / "releases" / house.older / LISTS_FILE
    damage(file)
    (said,) = publishes(house.platform).set_aside
    assert said.startswith(f"the analysts' file holds no list of release {house.older}: {file} is damaged")
    assert ask(house.platform, "select distinct release_id from recommendations.lists").rows() == [(house.newer,)]
    named = ask(house.platform, "select release_id from recommendations.releases order by as_of")
    assert named["release_id"].to_list() == [house.older, house.newer]


def test_a_rollback_away_from_a_damaged_release_is_published(untouched: House, tmp_path: Path) -> None:
    house, said = untouched.copy(tmp_path / "home"), list[str]()
    damage(house.home.artifacts / "releases" / house.newer / LISTS_FILE)
    assert roll_back(house.platform, house.older, said.append).version == house.older
    assert [sentence.split(":")[0] for sentence in said] == [
        f"the analysts' file holds no list of release {house.newer}"
    ]
    assert ask(house.platform, "select distinct release_id from recommendations.current").rows() == [(house.older,)]


def test_a_rollback_that_cannot_be_published_says_what_is_in_force(
    untouched: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = untouched.copy(tmp_path / "home")
    before = house.shown()["current"]

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("recs_platform.pipeline.publishing.write_file", full)
    with pytest.raises(RecsError, match=rf"release {house.older} is in force and pinned, .*No space left on device"):
        roll_back(house.platform, house.older)
    assert releases.current_release(house.home).version == house.older
    with pytest.raises(RecsError, match=rf"release {house.newer} is in force, .*No space left on device"):
        roll_back(house.platform, LATEST)
    with pytest.raises(RecsError, match=rf"^release {house.older} is in force, .*No space left on device"):
        withdraw(house.platform, house.newer, list[str]().append)
    assert house.shown()["current"] == before
