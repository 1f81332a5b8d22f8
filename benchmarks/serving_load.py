"""Answers a second of a server, and latency at half of that: by wrk where it is installed, and by a load of our own.

`python -m benchmarks.serving_load [--seconds 30] [--users 200000]`. wrk counts from when it sent a request, so that one
that had to wait to be sent looks quick; the other load counts from when a request was due, and takes a core to make
itself. Server and load have a core each, where there are two. Events are answered once they are on the disk: how long
that takes to say so is measured beside, alone. Memory over minutes: `serving_soak`.
"""

import argparse
import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.homes import print_table, start_recs
from benchmarks.parts_serving import drawn_content, free_port, processor_of, release_drawn
from benchmarks.serving_soak import CONNECTIONS, ITEMS, Load
from recs_platform.cli.house import make_home
from recs_platform.contracts.home import Home

# Of the requests, as `serving_soak` has them: what follows no session, what follows one, and the rest are events.
MIXES = {"stored lists": (1.0, 0.0), "lists, sessions, events": (0.75, 0.125)}
_COLUMNS = [
    "requests",
    "load",
    "at most a second",
    "processor us",
    "held a second",
    "p50 ms",
    "p99 ms",
    "refused or failed",
]
_FLUSHES, _FLUSHED_BYTES = 500, 600
_SCRIPT = """
local lists, sessions, users, items, pause = {lists}, {sessions}, {users}, {items}, {pause}
local json = {{["Content-Type"] = "application/json"}}
math.randomseed(7)
function request()
  local what, regular = math.random(), "u" .. math.random(0, 4999)
  if what < lists then
    return wrk.format("GET", "/v1/users/u" .. math.random(0, users - 1) .. "/recommendations?k=20")
  elseif what < lists + sessions then
    return wrk.format("GET", "/v1/users/" .. regular .. "/recommendations?k=20&session_id=visit")
  end
  local rows = {{}}
  for n = 1, 5 do
    rows[n] = string.format('{{"user_id": "%s", "item_id": "i%d", "event_type": "%s", "session_id": "visit"}}',
      regular, math.random(0, items - 1), math.random() < 0.1 and "dismiss" or "click")
  end
  return wrk.format("POST", "/v1/events", json, "[" .. table.concat(rows, ",") .. "]")
end
{delay}
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("measured %d %d %d %d %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
"""
_DELAY = "function delay() return math.random() * 2 * pause end"


@dataclass(frozen=True)
class Served:
    """A running server."""

    port: int
    pid: int


def by_wrk(port: int, mix: tuple[float, float], users: int, seconds: int, pause: float) -> tuple[float, ...]:
    """Answers a second, p50 and p99 in milliseconds, and how many failed; `pause`: milliseconds after an answer."""
    lists, sessions = mix
    script = _SCRIPT.format(
        lists=lists, sessions=sessions, users=users, items=ITEMS, pause=pause, delay=_DELAY if pause else ""
    )
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", file.name, f"http://127.0.0.1:{port}"]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    line = next(line for line in said.splitlines() if line.startswith("measured "))
    requests, duration, half, most, failed = map(float, line.split()[1:])
    return requests / (duration / 1e6), half / 1e3, most / 1e3, failed


def rows_of_wrk(server: Served, users: int, seconds: int) -> Iterator[list[object]]:
    for name, mix in MIXES.items():
        by_wrk(server.port, mix, users, 2, 0.0)
        before = processor_of(server.pid)
        whole, _, _, refused = by_wrk(server.port, mix, users, seconds, 0.0)
        spent = processor_of(server.pid) - before
        held, half, most, failed = by_wrk(server.port, mix, users, seconds, 2e3 * CONNECTIONS / whole)
        yield [name, "wrk", *_row(whole, spent / seconds / whole, held, half, most, refused + failed)]


async def own_row(server: Served, users: int, seconds: int) -> list[object]:
    load = Load(server.port, users)
    await load.connect()
    await load.saturating_rate(2.0)
    before = processor_of(server.pid)
    whole = await load.saturating_rate(seconds)
    spent = processor_of(server.pid) - before
    seen = await load.hold(whole / 2, seconds)
    half, most = (float(np.percentile(np.array(seen.seconds) * 1e3, at)) for at in (50, 99))
    return [list(MIXES)[1], "own", *_row(whole, spent / seconds / whole, whole / 2, half, most, seen.refused)]


def _row(whole: float, spent: float, held: float, half: float, most: float, failed: float) -> list[object]:
    return [f"{whole:.0f}", f"{spent * 1e6:.0f}", f"{held:.0f}", f"{half:.2f}", f"{most:.2f}", int(failed)]


def flushes(folder: Path) -> tuple[float, float]:
    """p50 and p99, in milliseconds, of the disk's word that a few events are on it."""
    seconds = list[float]()
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_FLUSHES):
            os.write(file.fileno(), b"x" * _FLUSHED_BYTES)
            started = time.perf_counter()
            os.fsync(file.fileno())
            seconds.append(time.perf_counter() - started)
    half, most = np.percentile(np.array(seconds) * 1e3, (50, 99))
    return float(half), float(most)


@contextmanager
def served(users: int) -> Generator[Served]:
    """A server of drawn users on a core of its own."""
    cores, port = sorted(os.sched_getaffinity(0)), free_port()
    with tempfile.TemporaryDirectory(prefix="recs-", ignore_cleanup_errors=True) as folder:
        home = Home(Path(folder) / "home")
        make_home(home)
        release_drawn(home, drawn_content(users, ITEMS), users)
        os.environ |= {"RECS_SERVING__RATE_PER_SECOND": "1000000", "RECS_SERVING__RATE_BURST": "1000000"}
        with (Path(folder) / "server.log").open("w") as log:
            os.sched_setaffinity(0, cores[:1])
            server = start_recs(home.root, "serve", "--port", str(port), output=log.fileno())
            os.sched_setaffinity(0, cores[1:] or cores)
            try:
                yield Served(port, server.pid)
            finally:
                server.terminate()
                server.wait(30)
                os.sched_setaffinity(0, cores)


def main() -> None:
    parser = argparse.ArgumentParser(description="Answers a second, and latency at half of that.")
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--users", type=int, default=200_000)
    options = parser.parse_args()
    half, most = flushes(Path(tempfile.gettempdir()))
    with served(options.users) as server:
        rows = [asyncio.run(own_row(server, options.users, options.seconds))]
        if shutil.which("wrk") is None:
            print("wrk is not on the PATH: measured with the load of our own alone")
        else:
            rows += rows_of_wrk(server, options.users, options.seconds)
    print_table(_COLUMNS, rows)
    print(f"to be on the disk, alone: p50 {half:.2f} ms, p99 {most:.2f} ms")
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
