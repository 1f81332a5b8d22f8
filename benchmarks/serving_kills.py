"""Servers and their store killed under load, again and again: every acknowledged event is in raw.events exactly once.

`python -m benchmarks.serving_kills [--kills 200] [--pause 2] [--seed 7]`; an event that is lost or doubled ends it with
exit code 1 and leaves the home. Ingestion killed likewise: `ingest_kills`.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import polars as pl

from benchmarks.homes import must, print_table, recs, start_recs
from benchmarks.parts_serving import drawn_content, free_port, release_drawn
from recs_platform.cli.house import make_home
from recs_platform.contracts.home import Home
from recs_platform_tests.serving.valkeys import Valkey

USERS, ITEMS, BATCH, CLIENTS = 2_000, 1_000, 5, 4
WORKERS = 2
KINDS = {"worker": 0.6, "store": 0.25, "server": 0.15}
# Five that die younger, one after the other, would end the server: it is then taken for broken.
_GROWN_SECONDS = 5.5
_STORED, _FAILED = (200, 202), 500


@dataclass
class Load:
    """What clients saw; `acknowledged` are ids of events, `answers` statuses by what was asked, 0 for none."""

    port: int
    seed: int
    acknowledged: set[str] = field(default_factory=set[str])
    answers: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self, lane: int) -> None:
        """Write and read as one client, until it is stopped; what was not acknowledged is sent again, most times."""
        draw, sent = random.Random(self.seed * 100 + lane), 0  # noqa: S311 - a seeded trial, not a secret
        while not self.stop.is_set():
            user = f"u{draw.randrange(USERS)}"
            names = [f"{self.seed}-{lane}-{sent}-{n}" for n in range(BATCH)]
            sent += 1
            rows = [
                {"event_id": name, "user_id": user, "item_id": f"i{draw.randrange(ITEMS)}", "event_type": "click"}
                for name in names
            ]
            while not self.stop.is_set():
                status = self.ask("events", "POST", "/v1/events", json.dumps(rows))
                if status in _STORED:
                    with self.lock:
                        self.acknowledged.update(names)
                    break
                if draw.random() < 0.2:
                    break
                time.sleep(0.05)
            self.ask("lists", "GET", f"/v1/users/{user}/recommendations?k=20")
            time.sleep(0.03)

    def ask(self, what: str, method: str, path: str, body: str | None = None) -> int:
        """The status of an answer on a connection of its own, 0 where there is none."""
        connection, status = HTTPConnection("127.0.0.1", self.port, timeout=10), 0
        with suppress(OSError, HTTPException):
            connection.request(method, path, body)
            response = connection.getresponse()
            response.read()
            status = response.status
        connection.close()
        with self.lock:
            self.answers[what, status] += 1
        return status


class Killed:
    """The server with its workers, the store, and how each is killed."""

    def __init__(self, home: Home, port: int, store: Valkey, log: Path) -> None:
        self._home, self._port, self._store, self._log = home, port, store, log
        self.server = self._start()

    def _start(self) -> subprocess.Popen[str]:
        with self._log.open("a") as output:
            arguments = ("serve", "--port", str(self._port), "--workers", str(WORKERS))
            return start_recs(self._home.root, *arguments, output=output.fileno())

    def kill(self, kind: str) -> str:
        """Kill one; says which it was: where no worker is old enough it is the store."""
        workers = [pid for pid, age in self._workers() if age > _GROWN_SECONDS]
        if kind == "server":
            os.killpg(self.server.pid, signal.SIGKILL)
            self.server.wait()
            self.server = self._start()
        elif kind == "worker" and workers:
            os.kill(workers[0], signal.SIGKILL)
        else:
            kind = "store"
            self._store.kill()
            self._store.start()
        return kind

    def wait_until_ready(self, load: Load) -> None:
        """Until lists are answered and events stored. Leaves where the server has ended by itself."""
        while load.ask("ready", "GET", "/readyz") != 200:
            if self.server.poll() is not None:
                sys.exit(f"the server ended with {self.server.returncode}: {self._log}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop as an operator would."""
        self.server.send_signal(signal.SIGTERM)
        self.server.wait(30)
        self._store.kill()

    def _workers(self) -> list[tuple[int, float]]:
        """Process ids of the workers and their ages in seconds, the oldest first."""
        children = Path(f"/proc/{self.server.pid}/task/{self.server.pid}/children").read_text().split()
        found = list[tuple[int, float]]()
        for pid in map(int, children):
            with suppress(OSError):
                if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    began = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
                    found.append((pid, time.clock_gettime(time.CLOCK_BOOTTIME) - began / os.sysconf("SC_CLK_TCK")))
        return sorted(found, key=lambda each: -each[1])


def stored_ids(home: Home) -> Counter[str]:
    """How often each event is in raw.events, once all that is in landing was taken in."""
    must(recs(home.root, "ingest"), "recs ingest")
    must(recs(home.root, "ingest"), "recs ingest, again")
    events = pl.read_delta(str(home.lake / "raw" / "events"), columns=["event_id"])
    return Counter(events["event_id"].to_list())


def kill_under_load(killed: Killed, load: Load, kills: int, pause: float, seed: int) -> Counter[str]:
    """Kill so often, at seeded random instants, while clients write and read; how often each kind was."""
    counts, draw = Counter[str](), random.Random(seed)  # noqa: S311 - a seeded trial, not a secret
    killed.wait_until_ready(load)
    clients = [threading.Thread(target=load.run, args=(lane,)) for lane in range(CLIENTS)]
    for client in clients:
        client.start()
    for number in range(kills):
        time.sleep(draw.uniform(0, 2 * pause))
        (kind,) = draw.choices(list(KINDS), list(KINDS.values()))
        counts[killed.kill(kind)] += 1
        if (number + 1) % 20 == 0:
            print(f"{number + 1} killed, {len(load.acknowledged)} events acknowledged", flush=True)
        killed.wait_until_ready(load)
    load.stop.set()
    for client in clients:
        client.join()
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill servers and their store under load and count events.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--pause", type=float, default=2.0, help="seconds between kills, on average")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    folder, started = Path(tempfile.mkdtemp(prefix="recs-kills-", dir=os.environ.get("TMPDIR"))), time.monotonic()
    home, store = Home(folder / "home"), Valkey(folder)
    make_home(home)
    release_drawn(home, drawn_content(USERS, ITEMS), USERS)
    os.environ |= {
        "RECS_SERVING__REDIS_URL": store.url,
        "RECS_SERVING__RATE_PER_SECOND": "100000",
        "RECS_SERVING__RATE_BURST": "100000",
        "RECS_SERVING__SEAL_SECONDS": "1",
    }
    load = Load(free_port(), options.seed)
    killed = Killed(home, load.port, store, folder / "server.log")
    counts = kill_under_load(killed, load, options.kills, options.pause, options.seed)
    time.sleep(_GROWN_SECONDS)  # whoever was started last seals what was left
    killed.stop()
    stored = stored_ids(home)
    lost = sorted(load.acknowledged - set(stored))
    doubled = sorted(name for name, times in stored.items() if times > 1)
    failed = sum(times for (_, status), times in load.answers.items() if status == _FAILED)
    print_table(["killed", "times"], [[kind, counts[kind]] for kind in KINDS])
    print_table(["asked for", "status", "times"], [[*each, times] for each, times in sorted(load.answers.items())])
    print(
        f"\n{sum(counts.values())} killed in {time.monotonic() - started:.0f} s: {len(load.acknowledged)} events "
        f"acknowledged, {len(stored)} stored, {len(lost)} lost, {len(doubled)} doubled; {failed} answers said 500; "
        f"left in the spool: {len(list(home.spool.glob('*/*')))}"
    )
    if lost or doubled or failed:
        print(f"lost: {lost[:10]}; doubled: {doubled[:10]}; the home is left in {home.root}")
        sys.exit(1)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
