"""A new release is shown to a share of users, and taken back or given to everybody by what the server counted."""

from datetime import timedelta
from pathlib import Path

import msgspec

from recs_platform.contracts.canary import CanaryState
from recs_platform.evaluation.experiments.assignment import Positions
from recs_platform.stages.releases import pin_release
from recs_platform_tests.serving.served import Ask, Served, item_ids, release_into
from recs_platform_tests.unit.stages.releases.bundles import AS_OF, content

LIST = "/v1/users/{}/recommendations"
USERS = tuple(f"n{n}" for n in range(12))
OLD, NEW = content(dict.fromkeys(USERS, "ab")), content(dict.fromkeys(USERS, "ed"))


def newer(served: Served) -> str:
    """Seal another release; the server finds it and looks."""
    release = release_into(served.home, NEW, "b", AS_OF + timedelta(days=1))
    look(served)
    return release


def look(served: Served) -> None:
    served.application.watch.look()
    served.application.canary.look(served.application.watch.bundle)


async def shown(ask: Ask) -> dict[str, str]:
    return {user: item_ids(await ask("GET", LIST.format(user))) for user in USERS}


def kept(served: Served) -> CanaryState:
    return msgspec.json.decode(served.home.canary.read_bytes(), type=CanaryState)


def test_a_release_that_fails_is_taken_back_by_itself_and_stays_so_after_a_restart(tmp_path: Path):
    served = Served(tmp_path, OLD, canary={"share": 0.5, "minutes": 0})

    async def tried(ask: Ask) -> None:
        assert set((await shown(ask)).values()) == {"ab"}
        release = newer(served)
        lists = await shown(ask)
        place = Positions(f"canary {release}")
        assert lists == {user: "ed" if place.of(user) < 0.5 else "ab" for user in USERS}
        assert len(set(lists.values())) == 2
        assert (await ask("GET", "/v1/releases/current")).json()["release_id"] == served.release_id
        assert item_ids(await ask("GET", LIST.format("gone"))) == "ab"
        running = served.application.canary.running
        assert running is not None
        assert (running.new.lists.sum(), running.old.lists.sum()) == tuple(
            sum(each == items for each in lists.values()) for items in ("ed", "ab")
        )
        assert "recs_canary_running 1\n" in (await ask("GET", "/metrics")).text

    async def broken(ask: Ask) -> None:
        running = served.application.canary.running
        assert running is not None
        assert running.new.lists.sum() > 0  # what was counted before the restart
        running.new.lists[:20] += 2
        running.new.failed[:20] += 2
        look(served)
        assert set((await shown(ask)).values()) == {"ab"}
        ready = (await ask("GET", "/readyz")).json()
        assert (ready["is_ready"], ready["release_id"]) == (True, served.release_id)
        assert "was taken back: 40 of" in ready["canary"]
        assert "recs_canary_taken_back 1\n" in (await ask("GET", "/metrics")).text

    async def chosen(ask: Ask) -> None:
        assert set((await shown(ask)).values()) == {"ab"}
        pin_release(served.home, served.application.watch.bundle.release_id)
        look(served)
        assert set((await shown(ask)).values()) == {"ed"}

    for test in (tried, broken, chosen):
        served.run(test)
        served.restart()
    assert kept(served).taken_back == {}


def test_a_release_that_loses_nothing_is_given_to_everybody_once_it_was_seen(tmp_path: Path):
    served = Served(tmp_path, OLD, canary={"share": 0.5, "minutes": 0, "exposures_min": 2})

    async def test(ask: Ask) -> None:
        newer(served)
        for user, items in (await shown(ask)).items():
            if items == "ed":
                found = (await ask("GET", LIST.format(user))).json()["recommendation_id"]
                seen = {"user_id": user, "event_type": "impression", "request_id": found}
                assert (await ask("POST", "/v1/events", json=seen)).status_code == 202
                break
        look(served)
        assert set((await shown(ask)).values()) == {"ed"}
        assert "passed: no loss found" in kept(served).said

    served.run(test)


def test_without_a_share_a_new_release_answers_everybody_and_nothing_is_kept(tmp_path: Path):
    served = Served(tmp_path, OLD)

    async def test(ask: Ask) -> None:
        newer(served)
        assert set((await shown(ask)).values()) == {"ed"}
        assert (await ask("GET", "/readyz")).json()["canary"] is None

    served.run(test)
    assert not served.home.canary.exists()
