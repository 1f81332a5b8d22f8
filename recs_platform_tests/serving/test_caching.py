"""How long an answer is good: what it says itself, and what its head tells caches, whatever happens meanwhile."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recs_platform.stages.releases import pin_release
from recs_platform.stages.releases.bundle import BundleContent
from recs_platform_tests.serving.served import Ask, Served, release_into
from recs_platform_tests.unit.stages.releases.bundles import AS_OF, content

LIST, MINUTES = "/v1/users/u1/recommendations", 15
SHARED = ("/v1/popular", "/v1/items/a/similar", "/v1/releases/current")


@pytest.fixture
def now() -> datetime:
    """When the test began, in whole seconds, as a bundle keeps them."""
    return datetime.now(UTC).replace(microsecond=0)


def meant_for(now: datetime, minutes: int, lists: dict[str, str] | None = None) -> BundleContent:
    """A release whose list of u1 is meant for so many minutes from then."""
    expiry = pl.DataFrame({"user_id": ["u1"], "expires_at": [now + timedelta(minutes=minutes)]})
    return replace(content(lists), expiry=expiry)


async def shown(ask: Ask, **headers: str) -> tuple[str, datetime, dict[str, Any]]:
    """Items of the list, until when it may be shown, and the document; no cache may keep it, whatever it has."""
    answer = await ask("GET", LIST, params={"k": 2}, headers={"if-none-match": "*", **headers})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert not {"etag", "expires", "age", "last-modified"} & set(answer.headers)
    found = answer.json()
    return "".join(item["item_id"] for item in found["items"]), datetime.fromisoformat(found["expires_at"]), found


async def tags(ask: Ask, known: str = "") -> set[tuple[int, str]]:
    """Status and tag of each answer that is of no user: good for seconds, and it says nothing of its own beside."""
    found = set[tuple[int, str]]()
    for path in SHARED:
        answer = await ask("GET", path, headers={"if-none-match": known})
        assert answer.headers["cache-control"] == "public, max-age=4"
        assert b"expires_at" not in answer.content
        found.add((answer.status_code, answer.headers["etag"]))
    return found


def test_it_is_right_after_an_event_a_release_a_rollback_and_a_forget(tmp_path: Path, now: datetime) -> None:
    served = Served(tmp_path, meant_for(now, 5), list_minutes=MINUTES)
    older = served.release_id

    async def test(ask: Ask) -> None:
        items, until, first = await shown(ask)
        assert (items, until) == ("ab", now + timedelta(minutes=5))
        ((_, tag),) = await tags(ask)

        click = {"user_id": "u1", "item_id": "a", "event_type": "click"}
        assert (await ask("POST", "/v1/events", json=click)).headers["cache-control"] == "no-store"
        items, until, second = await shown(ask)
        assert "a" not in items
        assert (until, second["recommendation_id"] == first["recommendation_id"]) == (now + timedelta(minutes=5), False)
        assert await tags(ask, tag) == {(304, tag)}

        newer = release_into(served.home, meant_for(now, 3, {"u1": "ed"}), "b", AS_OF + timedelta(days=1))
        served.application.watch.look()
        items, until, found = await shown(ask)
        assert (found["release_id"], until) == (newer, now + timedelta(minutes=3))
        ((status, other),) = await tags(ask, tag)
        assert (status, other == tag) == (200, False)

        pin_release(served.home, older)
        served.application.watch.look()
        _, until, found = await shown(ask)
        assert (found["release_id"], until) == (older, now + timedelta(minutes=5))
        assert await tags(ask, other) == {(200, tag)}

        assert (await ask("DELETE", "/v1/users/u1")).headers["cache-control"] == "no-store"
        items, until, _ = await shown(ask)
        assert items == "ab"  # what is popular: of a stranger
        assert timedelta(minutes=MINUTES) <= until - now < timedelta(minutes=MINUTES + 10)
        assert await tags(ask, tag) == {(304, tag)}

    served.run(test)


def test_of_who_opted_out_since_it_says_what_it_says_of_strangers(tmp_path: Path, now: datetime) -> None:
    served = Served(tmp_path, meant_for(now, 5), list_minutes=MINUTES)
    release_into(served.home, content({"u2": "ed"}, opted_out=("u1",)), "b", AS_OF + timedelta(days=1))
    pin_release(served.home, served.release_id)
    served.restart()

    async def test(ask: Ask) -> None:
        items, until, found = await shown(ask)
        assert (items, found["release_id"]) == ("ab", served.release_id)
        assert until - now >= timedelta(minutes=MINUTES)

    served.run(test)


def test_a_list_that_is_over_is_meant_as_long_as_its_cursor_is_understood(tmp_path: Path, now: datetime) -> None:
    async def test(ask: Ask) -> None:
        _, until, _ = await shown(ask)
        assert until - now >= timedelta(minutes=MINUTES)

    Served(tmp_path, meant_for(now, -5), list_minutes=MINUTES).run(test)
