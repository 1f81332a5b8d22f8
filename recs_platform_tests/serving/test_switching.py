"""Releases that change while people ask: nothing fails, no answer is of two releases, no list changes its own."""

import asyncio
from datetime import timedelta
from pathlib import Path

from recs_platform.stages.releases import pin_release
from recs_platform_tests.serving.served import Ask, Served, item_ids, release_into
from recs_platform_tests.unit.stages.releases.bundles import AS_OF, content

LIST, SWITCHES, CLIENTS = "/v1/users/u1/recommendations", 4, 3


def test_no_answer_fails_or_is_of_two_releases_while_they_change(tmp_path: Path) -> None:
    served = Served(tmp_path, rate_burst=100_000)
    newer = release_into(served.home, content({"u1": "de"}), "b", AS_OF + timedelta(days=1))
    lists = {served.release_id: "ab", newer: "de"}
    seen, is_over = set[str](), asyncio.Event()

    async def client(ask: Ask) -> None:
        while not is_over.is_set():
            for query in ({"k": 1}, {"k": 1, "explain": "true"}):
                answer = await ask("GET", LIST, params=query)
                page = answer.json()
                first = item_ids(answer)
                await asyncio.sleep(0)
                rest = await ask("GET", LIST, params={"cursor": page["next_cursor"], "k": 1})
                assert rest.json().get("release_id") == page["release_id"], rest.text
                assert first + item_ids(rest) == lists[page["release_id"]]
                seen.add(page["release_id"])

    async def switch() -> None:
        for number in range(SWITCHES):
            pin_release(served.home, list(lists)[number % 2])
            await asyncio.to_thread(served.application._look)
            await served.application._look_beside()
            for _ in range(50):
                await asyncio.sleep(0)
        is_over.set()

    async def test(ask: Ask) -> None:
        await asyncio.gather(switch(), *(client(ask) for _ in range(CLIENTS)))

    served.run(test)
    assert seen == set(lists)
