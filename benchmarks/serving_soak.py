"""A server under mixed load at half of what it can do: latency by minute, and whether its memory stays flat.

`python -m benchmarks.serving_soak [--minutes 10] [--users 200000] [--rate N] [--megabytes 200] [--full]`. Lists,
clicks, dismissals and the lists that follow them come by a clock, whether or not the ones before were answered: who
waits for a slow answer counts the wait. Processor time a request: `parts_serving`. The verdict is of a machine that
does nothing else. `--full` first asks and reports until nothing of what is remembered (`serving.memory_megabytes`)
grows any more: from then on memory has to stay where it is.
"""

import argparse
import asyncio
import gc
import json
import os
import random
import re
import tempfile
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

import numpy as np

from benchmarks.homes import print_table, start_recs
from benchmarks.parts_serving import drawn_content, free_port, release_drawn
from recs_platform.cli.house import make_home
from recs_platform.contracts.home import Home

ITEMS, CONNECTIONS = 20_000, 32
_SATURATING_SECONDS = 15.0
_OK = 300
_LISTS, _SESSIONS = 0.75, 0.125  # and the rest are events
_REGULARS = 5_000  # who did something a moment ago
_FILL_LISTS, _FILL_EVENTS, _FILL_SECONDS, _FILL_ROUNDS_MAX, _FULL_GROWTH_MB = 0.5, 100, 10.0, 60, 0.3
_P99_MS_MAX, _GROWTH_MB_MAX = 10.0, 5.0
_COLUMNS = [
    *("minute", "a second", "p50 ms", "p99 ms", "longest ms", "refused"),
    *("own memory MB", "remembered MB", "load of the machine"),
]


class Connection(asyncio.Protocol):
    """One connection: a request at a time; `ask` gives the status."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._buffer, self._length = bytearray(), -1
        self._done: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self.transport = transport

    async def ask(self, request: bytes) -> int:
        if self.transport is None or self.transport.is_closing():
            raise ConnectionError("the server closed the connection")
        self._buffer.clear()
        self._length, self._done = -1, asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._done

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._length < 0 and (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end]).lower()
            self._length = end + 4 + int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
        if 0 <= self._length <= len(self._buffer) and self._done is not None and not self._done.done():
            self._done.set_result(int(self._buffer[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(exc or ConnectionError("the server closed the connection"))


@dataclass
class Seen:
    """Latencies in seconds, from when a request was due, and how many were refused."""

    seconds: list[float] = field(default_factory=list[float])
    refused: int = 0


class Load:
    """Requests of drawn users over connections that are kept open."""

    def __init__(self, port: int, users: int) -> None:
        self._port, self._users = port, users
        self._draw = random.Random(7)  # noqa: S311 - a seeded trial, not a secret
        self._free: asyncio.Queue[Connection] = asyncio.Queue()

    async def connect(self) -> None:
        """Open the connections, once the server answers."""
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            while True:
                try:
                    _, made = await loop.create_connection(Connection, "127.0.0.1", self._port)
                except OSError:
                    await asyncio.sleep(0.1)
                else:
                    self._free.put_nowait(made)
                    break

    async def saturating_rate(self, seconds: float, *, filling: bool = False) -> float:
        """Answers a second where every connection asks again at once; `filling` asks for all that is remembered."""
        ends, count = time.perf_counter() + seconds, 0

        async def client() -> None:
            nonlocal count
            while time.perf_counter() < ends:
                await self._one(time.perf_counter(), Seen(), self._filling_request() if filling else None)
                count += 1

        await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
        return count / seconds

    async def hold(self, rate: float, seconds: float) -> Seen:
        """So many requests a second, by the clock."""
        seen, asked, started = Seen(), set[asyncio.Task[None]](), time.perf_counter()
        for number in range(int(rate * seconds)):
            due = started + number / rate
            if (ahead := due - time.perf_counter()) > 0:
                await asyncio.sleep(ahead)
            task = asyncio.create_task(self._one(due, seen))
            asked.add(task)
            task.add_done_callback(asked.discard)
        await asyncio.gather(*asked)
        return seen

    async def _one(self, due: float, seen: Seen, request: bytes | None = None) -> None:
        connection = await self._free.get()
        try:
            status = await connection.ask(request or self._request())
        finally:
            self._free.put_nowait(connection)
        seen.seconds.append(time.perf_counter() - due)
        seen.refused += status >= _OK

    def _request(self) -> bytes:
        what, user = self._draw.random(), f"u{self._draw.randrange(self._users)}"
        if what < _LISTS:
            return _get(f"/v1/users/{user}/recommendations?k=20")
        regular = f"u{self._draw.randrange(_REGULARS)}"
        if what < _LISTS + _SESSIONS:
            return _get(f"/v1/users/{regular}/recommendations?k=20&session_id=visit")
        return self._post(regular, "dismiss" if self._draw.random() < 0.1 else "click", 5)

    def _filling_request(self) -> bytes:
        """Lists of a length that is not sealed, so that pages are kept, and dismissals of many users."""
        if self._draw.random() < _FILL_LISTS:
            return _get(f"/v1/users/u{self._draw.randrange(self._users)}/recommendations?k=19")
        return self._post(f"u{self._draw.randrange(_REGULARS)}", "dismiss", _FILL_EVENTS)

    def _post(self, user: str, kind: str, count: int) -> bytes:
        """So many events of one kind of a user, on drawn items."""
        drawn = (f"i{self._draw.randrange(ITEMS)}" for _ in range(count))
        rows = [{"user_id": user, "item_id": item, "event_type": kind, "session_id": "visit"} for item in drawn]
        body = json.dumps(rows).encode()
        head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        return f"{head}\r\n\r\n".encode() + body


def _get(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def own_megabytes(pid: int) -> float:
    """Memory of a process that is no mapped file, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1e3


def remembered_megabytes(port: int) -> dict[str, float]:
    """What the server says of what it remembers, by kind, in MB."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    found = [(re.match(r"recs_([a-z_]+)_bytes ", line), line) for line in lines]
    return {match[1]: float(line.split()[1]) / 1e6 for match, line in found if match}


async def fill(load: Load, port: int, pid: int) -> None:
    """Ask and report until no kind of what is remembered grows; ids of events take turns in halves and may shrink."""
    before = dict[str, float]()
    for _ in range(_FILL_ROUNDS_MAX):
        await load.saturating_rate(_FILL_SECONDS, filling=True)
        now = await asyncio.to_thread(remembered_megabytes, port)
        grown = {kind: now[kind] - before.get(kind, 0.0) for kind in now if kind != "event_ids"}
        if max(grown.values()) < _FULL_GROWTH_MB:
            kinds = ", ".join(f"{kind} {size:.1f} MB" for kind, size in now.items())
            print(f"full, with {own_megabytes(pid):.0f} MB of its own: {kinds}", flush=True)
            return
        before = now
    raise SystemExit("what is remembered has not come to its bound")


def verdict(rows: list[list[object]]) -> list[str]:
    """What is not as it should be: refused requests, slow answers, memory that grew in the second half."""
    found = list[str]()
    if refused := sum(int(str(row[5])) for row in rows):
        found.append(f"{refused} requests were refused")
    slow = [float(str(row[3])) for row in rows]
    if max(slow) > _P99_MS_MAX:
        found.append(f"p99 was {max(slow)} ms in the worst minute, {_P99_MS_MAX:g} ms are the goal")
    own = [float(str(row[6])) for row in rows]
    if (growth := own[-1] - own[len(own) // 2]) > _GROWTH_MB_MAX:
        found.append(f"memory grew by {growth:.0f} MB in the second half")
    return found


async def soak(options: argparse.Namespace, port: int, pid: int) -> list[list[object]]:
    """A row of the table for each minute; printed as they come."""
    gc.disable()  # what waits for itself would count as waiting for the server; its own work makes no circles
    load = Load(port, options.users)
    await load.connect()
    if options.full:
        await fill(load, port, pid)
    await load.saturating_rate(3.0)
    whole = await load.saturating_rate(_SATURATING_SECONDS)
    half = options.rate or whole / 2
    print(f"{whole:.0f} answers a second at most; held are {half:.0f}", flush=True)
    rows: list[list[object]] = []
    for minute in range(1, options.minutes + 1):
        started = time.perf_counter()
        seen = await load.hold(half, 60.0)
        milliseconds = np.array(seen.seconds) * 1e3
        low, high, top = (float(np.percentile(milliseconds, at)) for at in (50, 99, 100))
        done = len(seen.seconds) / (time.perf_counter() - started)
        figures = f"{done:.0f}", f"{low:.2f}", f"{high:.1f}", f"{top:.0f}"
        kept = await asyncio.to_thread(remembered_megabytes, port)
        memory = f"{own_megabytes(pid):.0f}", f"{sum(kept.values()):.1f}"
        rows.append([minute, *figures, seen.refused, *memory, f"{os.getloadavg()[0]:.1f}"])
        print(*rows[-1], *(f"{kind} {size:.1f}" for kind, size in kept.items()), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Hold a server at half of what it can do and watch its memory.")
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--rate", type=float, help="requests a second; unset, half of what is measured first")
    parser.add_argument("--megabytes", type=int, default=200, help="serving.memory_megabytes")
    parser.add_argument("--full", action="store_true", help="begin once nothing of what is remembered grows any more")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="recs-", ignore_cleanup_errors=True) as folder:
        home = Home(Path(folder) / "home")
        make_home(home)
        release_drawn(home, drawn_content(options.users, ITEMS), options.users)
        os.environ |= {"RECS_SERVING__RATE_PER_SECOND": "1000000", "RECS_SERVING__RATE_BURST": "1000000"}
        os.environ["RECS_SERVING__MEMORY_MEGABYTES"] = str(options.megabytes)
        port = free_port()
        with (Path(folder) / "server.log").open("w") as log:
            server = start_recs(home.root, "serve", "--port", str(port), output=log.fileno())
            try:
                rows = asyncio.run(soak(options, port, server.pid))
            finally:
                server.terminate()
                server.wait(30)
    print()
    print_table(_COLUMNS, rows)
    found = verdict(rows)
    print("verdict: " + ("; ".join(found) or "as it should be"))


if __name__ == "__main__":
    main()
