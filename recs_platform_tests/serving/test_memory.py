"""What is remembered stays within its bytes, as said and as measured, and the oldest of it goes first."""

import json
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from recs_platform.contracts.home import Home
from recs_platform.serving.bounded import Bounded, shares_of
from recs_platform.serving.dismissals import Dismissal, Dismissals
from recs_platform.serving.kept import decode_list, encode_list
from recs_platform.serving.lists import live_list, packed, released_again
from recs_platform.serving.live_lists import Asked, LiveList
from recs_platform.serving.remembered import RememberedLists
from recs_platform.serving.seen_ids import SeenIds
from recs_platform.serving.sessions import Session, Sessions, Step
from recs_platform.serving.stored_pages import PageCache
from recs_platform.stages.releases.bundle import Bundle, open_bundle
from recs_platform_tests.serving.served import Ask, Clock, Served
from recs_platform_tests.unit.stages.releases.bundles import content, seal

BYTES = 100_000
EXPLAINED = 2  # which take long to make
RELEASE = "2024-03-01-0123"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    home = Home(tmp_path_factory.mktemp("home"))
    seal(home, content())
    return open_bundle(home, RELEASE)


def text(number: int) -> str:
    """An id of its own, as decoded from a request: no two share memory."""
    return json.loads(f'"user-or-item-{number}"')


def remember_session(kept: Sessions, number: int) -> None:
    for step in range(1 + number % 7):
        kept.add(text(number), text(100 * number + step), "click", f"visit-{number}")


def remember_list(bundle: Bundle, kept: RememberedLists, number: int) -> None:
    codes = packed(range(number % 50))
    asked = Asked(text(number), exclude=frozenset(range(1000, 1000 + number % 9)))
    remake = partial(released_again, bundle, 0, asked, codes)
    kept.add(f"{number:032x}", LiveList(bundle, asked, None, {}, None, remake=remake, recipe_bytes=codes.nbytes))


def remember_explained(bundle: Bundle, kept: RememberedLists, number: int) -> None:
    """A list whose places cannot be made again: it is held with all it shows."""
    session = Session([Step("a", None)], {"a": None})
    made = live_list(bundle, Asked(text(number), explain=True), session, 0.5)
    made.page(0, 10)
    kept.add(f"{number:032x}", made)


def remember_dismissal(kept: Dismissals, number: int) -> None:
    for item in range(1 + number % 4):
        kept.add(Dismissal(text(number), text(item), float(number), float(number)))


def remember_page(bundle: Bundle, kept: PageCache, number: int) -> None:
    kept.follow(bundle)
    kept.items(1000 + number, 300, lambda: msgspec.Raw(b"[%b]" % (b"1" * (number % 300))))


def cases(bundle: Bundle) -> list[tuple[Any, Callable[[Any, int], None]]]:
    clock = Clock()
    lists = [RememberedLists(9.0, clock, str, BYTES, BYTES) for _ in range(2)]
    return [
        (Sessions(9.0, clock, BYTES), remember_session),
        (lists[0], partial(remember_list, bundle)),
        (lists[1], partial(remember_explained, bundle)),
        (Dismissals(BYTES), remember_dismissal),
        (PageCache(BYTES), partial(remember_page, bundle)),
        (SeenIds(BYTES), lambda kept, number: kept.add(text(number))),
    ]


@pytest.mark.parametrize("case", range(6))
def test_memory_reaches_its_bound_and_stays_there(bundle: Bundle, case: int) -> None:
    kept, remember = cases(bundle)[case]
    for number in range(3):  # what is made once
        remember(kept, number)
    most = list[int]()
    tracemalloc.start()
    try:
        began = tracemalloc.get_traced_memory()[0]
        for number in range(1_000, 1_200 if case == EXPLAINED else 2_500):
            remember(kept, number)
            if number % 20 == 0:
                assert kept.bytes <= BYTES
                most.append(tracemalloc.get_traced_memory()[0] - began)
    finally:
        tracemalloc.stop()
    assert kept.bytes > 0.45 * BYTES  # ids take turns in halves
    assert max(most) < 1.25 * BYTES
    assert max(most[-4:]) < 1.4 * max(most[:-4])  # flat, once it is full


def test_all_kinds_at_their_bounds_are_what_the_setting_says() -> None:
    assert sum(shares_of(200)) == 200_000_000


def test_the_oldest_goes_first_and_what_grows_is_weighed_anew() -> None:
    kept: Bounded[str, int] = Bounded(1_300)
    for number, name in enumerate("abc"):
        kept.put(name, number, 100)
    assert list(kept) == ["a", "b", "c"]
    kept.put("a", 7, 100)
    assert (list(kept), kept.oldest()) == (["b", "c", "a"], 1)
    kept.weigh("c", 600)
    assert (list(kept), kept.bytes) == (["c", "a"], 380 + 880)
    kept.put("d", 1, 5_000)
    assert (len(kept), kept.bytes) == (0, 0)


def test_an_id_is_remembered_as_long_as_half_of_them_fit() -> None:
    seen = SeenIds(20 * (72 + 64 + 4))
    for number in range(100):
        seen.add(f"{number:04d}")
        seen.add(f"{number:04d}")
        assert all(f"{each:04d}" in seen for each in range(max(0, number - 9), number + 1))
    assert "0050" not in seen


def test_a_list_holds_no_places_once_it_was_reported_or_told_to_other_processes(tmp_path: Path) -> None:
    served = Served(tmp_path)

    async def test(ask: Ask) -> None:
        lists = served.application.serving.lists
        seen = {"user_id": "u1", "event_type": "impression"}
        for query in ("", "?session_id=s", "?category=x"):
            list_id = (await ask("GET", f"/v1/users/u1/recommendations{query}")).json()["recommendation_id"]
            assert (await ask("POST", "/v1/events", json=seen | {"request_id": list_id})).status_code == 202
            found = lists.find(list_id)
            assert found is not None
            kept = decode_list(encode_list(found, str))
            assert kept is not None
            assert (len(kept.places), found.known_count) == (kept.shown, 0)

    served.run(test)


def test_a_list_that_shows_more_takes_more(tmp_path: Path) -> None:
    served = Served(tmp_path)

    async def test(ask: Ask) -> None:
        lists, address = served.application.serving.lists, "/v1/users/u1/recommendations"
        page = (await ask("GET", address, params={"k": 1, "explain": "true"})).json()
        first = lists.bytes
        await ask("GET", address, params={"cursor": page["next_cursor"], "k": 2})
        assert lists.bytes > first
        said = (await ask("GET", "/metrics")).text
        assert f"recs_lists_bytes {lists.bytes}\n" in said

    served.run(test)
    assert np.isfinite(served.application.serving.sessions.bytes)
