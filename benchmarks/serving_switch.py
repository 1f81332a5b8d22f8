"""Releases that change under load: no request may fail, no answer be of two releases.

`python -m benchmarks.serving_switch [--seconds 30]`. Two releases whose lists share no item; one or the other is pinned
every 1.3 seconds while clients ask for lists of all users and go on with their second pages.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread

import polars as pl

from benchmarks.demo_browser import wait_for
from benchmarks.homes import start_recs
from benchmarks.parts_serving import drawn_content, free_port, release_drawn
from recs_platform.cli.house import make_home
from recs_platform.contracts.home import Home
from recs_platform.stages.releases import pin_release

USERS, ITEMS, CLIENTS = 1_000, 600, 4
_PIN_SECONDS = 1.3  # the server looks once a second: halves of one would show it the same release for ever


def sealed(home: Home) -> dict[str, range]:
    """Two releases, and the numbers of the items that each shows: half of the catalogue."""
    whole, found = drawn_content(USERS, ITEMS), dict[str, range]()
    for number in range(2):
        half = range(number * ITEMS // 2, (number + 1) * ITEMS // 2)
        shown = pl.col("item_id").is_in([f"i{item}" for item in half])
        content = replace(
            whole,
            lists=whole.lists.filter(shown),
            ranked=whole.ranked.filter(shown),
            items=whole.items.with_columns(is_available=shown),
            fallbacks={"all": [f"i{item}" for item in half]},
        )
        found[release_drawn(home, content, USERS + number)] = half
    return found


def ask(port: int, seconds: float, shown: dict[str, range], seen: Counter[str]) -> None:
    """Lists and their second pages, one after the other; what is wrong with an answer is counted by its name."""
    connection, ends, user = HTTPConnection("127.0.0.1", port, timeout=30), time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        user = (user + 7) % USERS
        address = f"/v1/users/u{user}/recommendations?k=10"
        first = one(connection, address, shown, seen)
        cursor = first.get("next_cursor")
        second = one(connection, f"{address}&cursor={cursor}", shown, seen) if cursor else first
        if second.get("release_id") != first.get("release_id"):
            seen["a list that changed its release"] += 1


def one(connection: HTTPConnection, address: str, shown: dict[str, range], seen: Counter[str]) -> dict[str, str]:
    """One answer, counted by its release or its fault."""
    connection.request("GET", address)
    response = connection.getresponse()
    said = json.loads(response.read())
    if response.status != 200:
        seen[f"status {response.status}"] += 1
        return {}
    numbers = [int(item["item_id"][1:]) for item in said["items"]]
    is_whole = len(numbers) > 0 and all(number in shown[said["release_id"]] for number in numbers)
    seen[said["release_id"] if is_whole else "an answer of two releases"] += 1
    return said


async def switch(home: Home, releases: Sequence[str], seconds: float) -> int:
    """How often the release in force was another."""
    ends, count = time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        await asyncio.to_thread(pin_release, home, releases[count % 2])
        count += 1
        await asyncio.sleep(_PIN_SECONDS)
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description="Change releases under load, and look for answers that fail or mix.")
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="recs-", ignore_cleanup_errors=True) as folder:
        home, port, seen = Home(Path(folder) / "home"), free_port(), Counter[str]()
        make_home(home)
        shown = sealed(home)
        os.environ |= {"RECS_SERVING__RATE_PER_SECOND": "1000000", "RECS_SERVING__RATE_BURST": "1000000"}
        with (Path(folder) / "server.log").open("w") as log:
            server = start_recs(home.root, "serve", "--port", str(port), output=log.fileno())
            try:
                wait_for(port)
                clients = [Thread(target=ask, args=(port, options.seconds, shown, seen)) for _ in range(CLIENTS)]
                for client in clients:
                    client.start()
                count = asyncio.run(switch(home, list(shown), options.seconds))
                for client in clients:
                    client.join()
            finally:
                server.terminate()
                server.wait(30)
    print(f"{count} pins; answers: {dict(seen)}")
    if set(seen) != set(shown):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
