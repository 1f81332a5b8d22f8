"""Measurements of serving: processor time a request of a real server, beside a bare handler with the same bytes.

Whether lists that follow the session are better is measured in `session_replay`.
"""

import asyncio
import json
import logging
import multiprocessing
import os
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import uvicorn

from benchmarks.timing import SEED, Row, timed
from recs_platform.contracts.home import Home
from recs_platform.contracts.manifests import Manifest
from recs_platform.serving.application import Application
from recs_platform.serving.events import take_in
from recs_platform.serving.lists import live_list
from recs_platform.serving.live_lists import Asked
from recs_platform.serving.seen_ids import SeenIds
from recs_platform.serving.server import serve
from recs_platform.serving.sessions import Session, Step
from recs_platform.serving.tombstones import UserHashes
from recs_platform.settings import Settings
from recs_platform.stages.releases import ReleaseOrigin, ReleaseRows, seal_release
from recs_platform.stages.releases.bundle import Bundle, BundleContent, BundleRules, open_bundle, seal_bundle

K, CANDIDATES, CANDIDATES_MAX, DIMENSIONS, NEIGHBOURS, TRANSITIONS = 20, 50, 200, 64, 30, 50
_USERS_OF_MORE = 5_000
_NANOSECONDS = 1e9
Request = tuple[str, str, str | None]


def serving(folder: Path, scale: float) -> list[Row]:
    users, requests = max(100, int(1_000_000 * scale)), max(10_000, int(5_000 * scale))
    home = Home(folder / "serving")
    release_id = release_drawn(home, drawn_content(users, items=20_000), users)
    opening, bundle = timed(lambda: open_bundle(home, release_id))
    session = Session([Step(f"i{n}", None) for n in range(8)], {f"i{n}": None for n in range(8)})
    asked = [Asked(f"u{n}", block=K) for n in range(0, users, max(1, users // requests))]
    rescoring = _rescoring(bundle, asked, session)
    more_of = Home(folder / "more")
    more_id = release_drawn(more_of, drawn_content(_USERS_OF_MORE, 20_000, CANDIDATES_MAX), _USERS_OF_MORE)
    some = [Asked(f"u{n % _USERS_OF_MORE}", block=K) for n in range(requests)]
    more = _rescoring(open_bundle(more_of, more_id), some, session)
    lists: list[Request] = [("GET", f"/v1/users/{each.user_id}/recommendations?k={K}", None) for each in asked]
    first, (stored, again), body = _served(home, lists, passes=2)
    _, (bare, bare_again), _ = _served(home, lists, passes=2, bare=body)
    batches = [json.dumps(_events(n)) for n in range(requests)]
    _, (posting,), _ = _served(home, [("POST", "/v1/events", each) for each in batches])
    same = "bare handler, same bytes"
    durable = asyncio.run(_durable(home, requests))
    return [
        Row(f"serving: open the bundle of {users:,} users", opening, users, "users"),
        Row("serving: first answer after the start of the process", first),
        Row(f"serving: stored lists of {K}, a user's first, processor", stored, len(lists), "lists", same, bare),
        Row(f"serving: stored lists of {K}, once more, processor", again, len(lists), "lists", same, bare_again),
        Row(f"serving: {CANDIDATES} candidates re-scored, processor, in process", rescoring, len(asked), "lists"),
        Row(f"serving: {CANDIDATES_MAX} candidates re-scored, processor, in process", more, len(some), "lists"),
        Row("serving: events in batches of 10, processor", posting, 10 * len(batches), "events"),
        Row("serving: events in batches of 10, durable, in process", durable, 10 * requests, "events"),
    ]


def drawn_content(users: int, items: int, candidates: int = CANDIDATES) -> BundleContent:
    """Everybody with a list and candidates, drawn; as many items, vectors and neighbours as a catalogue has."""
    rng = np.random.default_rng(SEED)
    names = np.array([f"i{n}" for n in range(items)])
    ids = np.repeat(np.array([f"u{n}" for n in range(users)]), candidates)
    # A walk through the catalogue from a drawn start: distinct items without a draw of each user's own.
    starts = rng.integers(items, size=users)
    codes = (starts[:, None] + 7 * np.arange(candidates)) % items
    rank = np.tile(np.arange(1, candidates + 1, dtype=np.int32), users)
    ranked = pl.DataFrame(
        {"user_id": ids, "rank": rank, "item_id": names[codes.ravel()], "score": 1.0 / rank}
    ).with_columns(pl.lit(["als", "item_knn"]).alias("sources"))
    lists = ranked.filter(pl.col("rank") <= K).with_columns(
        pl.format("similar to {}, which you read", "item_id").alias("reason"), pl.lit(1.0).alias("propensity")
    )
    near = (np.arange(items)[:, None] + np.arange(1, NEIGHBOURS + 1)) % items
    return BundleContent(
        lists=lists,
        ranked=ranked,
        consumed=ranked.filter(pl.col("rank") > candidates - 10).select("user_id", "item_id"),
        items=pl.DataFrame({"item_id": names, "title": names, "category": names, "is_available": [True] * items}),
        vector_ids=names.tolist(),
        vectors=rng.standard_normal((items, DIMENSIONS), dtype=np.float32),
        neighbours=pl.DataFrame(
            {
                "item_id": np.repeat(names, NEIGHBOURS),
                "neighbour_id": names[near.ravel()],
                "score": rng.random(near.size),
                "rank": np.tile(np.arange(1, NEIGHBOURS + 1), items),
            }
        ),
        transitions=pl.DataFrame(
            {
                "item_id": np.repeat(names, TRANSITIONS),
                "next_item_id": names[rng.integers(items, size=items * TRANSITIONS)],
                "probability": rng.random(items * TRANSITIONS),
                "rank": np.tile(np.arange(1, TRANSITIONS + 1), items),
            }
        ).unique(["item_id", "next_item_id"], maintain_order=True),
        fallbacks={"all": names[:1000].tolist()},
        user_regions=pl.DataFrame(schema={"user_id": pl.String, "availability_region": pl.String}),
        exclusions=pl.DataFrame(schema={"availability_region": pl.String, "item_id": pl.String}),
        opted_out=(),
        rules=BundleRules(k=K, max_per_category=6, allow_repeats=False),
    )


def release_drawn(home: Home, content: BundleContent, users: int) -> str:
    """Seal a release of drawn content; returns its id."""
    as_of = datetime(2024, 1, 1, tzinfo=UTC)

    def bundle(release: Manifest) -> Manifest:
        return seal_bundle(home, release, content, known_at=as_of, data_version="drawn")

    lists = content.lists.head(K * min(users, 1000)).with_columns(
        pl.lit(as_of).dt.cast_time_unit("us").alias("as_of"),
        pl.lit(None, pl.String).alias("segment_id"),
        pl.lit("drawn").alias("ranker_version"),
        pl.lit("exact").alias("propensity_method"),
        pl.lit(value=False).alias("is_holdout"),
    )
    schema: dict[str, Any] = {"as_of": pl.Datetime("us", "UTC"), "user_id": pl.String, "list_length": pl.Int64}
    return seal_release(
        home,
        ReleaseRows(lists, pl.DataFrame(schema={**schema, "eligible_count": pl.Int64, "reason": pl.String})),
        ReleaseOrigin(as_of=as_of, known_at=as_of, data_version="drawn", seed=SEED, ranker_version="drawn"),
        content_hash=f"{users:012d}",
        sealed_at=as_of,
        before_sealing=bundle,
    ).version


def _events(batch: int) -> list[dict[str, Any]]:
    return [
        {
            "event_id": f"{batch}-{n}",
            "user_id": f"u{batch}",
            "item_id": f"i{n}",
            "event_type": "click",
            "position": n + 1,
        }
        for n in range(10)
    ]


def _rescoring(bundle: Bundle, asked: list[Asked], session: Session) -> float:
    """Processor seconds of lists that follow a session."""
    return _processor(lambda: [live_list(bundle, each, session, 0.6).page(0, K) for each in asked])


def _processor(action: Callable[[], object]) -> float:
    started = time.process_time()
    action()
    return time.process_time() - started


async def _durable(home: Home, batches: int) -> float:
    """Seconds on the wall until 64 clients at a time have had every batch acknowledged, without HTTP between."""
    application, seen = _application(home), SeenIds(50_000_000)
    bodies = [json.dumps(_events(n)).encode() for n in range(batches)]
    async with application.running():
        started, waiting = time.perf_counter(), iter(bodies)

        async def client() -> None:
            for body in waiting:
                await take_in(application.serving, application.spool, seen, body)

        await asyncio.gather(*(client() for _ in range(64)))
        return time.perf_counter() - started


def _application(home: Home) -> Application:
    settings = Settings(home=home.root).model_copy(deep=True)
    quick = settings.serving.model_copy(update={"rate_per_second": 1e6, "rate_burst": 1_000_000})
    return Application(
        settings.model_copy(update={"serving": quick}),
        needs_keys=False,
        stored_name=str,
        hashes=UserHashes(str, tuple),
        clock=time.monotonic,
    )


def _run(home: Home, port: int, bare: bytes | None) -> None:
    """A server of its own process: the application, or a handler that says the same bytes to everybody.

    The application writes its access log as `recs serve` does, the bare handler none.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", filename=os.devnull)

    async def handler(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        del scope, receive
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(bare or b"")).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": bare})

    if bare is None:
        serve(_application(home), "127.0.0.1", port, seconds_max=10)
    else:
        uvicorn.run(handler, port=port, lifespan="off", access_log=False, log_level="error")


def _served(
    home: Home, requests: list[Request], *, passes: int = 1, bare: bytes | None = None
) -> tuple[float, list[float], bytes]:
    """Seconds to the first answer, processor seconds of the server for each pass over the requests, and the last body.
    Server and client have a core each, where there are two: a process that is moved about costs half as much again.
    """
    port = free_port()
    started = time.perf_counter()
    server = multiprocessing.get_context("spawn").Process(target=_run, args=(home, port, bare))
    server.start()
    cores = sorted(os.sched_getaffinity(0))
    pid = server.pid or 0
    if len(cores) > 1:
        os.sched_setaffinity(pid, cores[:1])
        os.sched_setaffinity(0, cores[1:])
    try:
        connection = _connected(port)
        _ask(connection, "GET", "/healthz", None)
        body = _ask(connection, *requests[0])
        first = time.perf_counter() - started
        spent = list[float]()
        for _ in range(passes):
            before = processor_of(pid)
            for request in requests:
                body = _ask(connection, *request)
            spent.append(processor_of(pid) - before)
        return first, spent, body
    finally:
        os.sched_setaffinity(0, cores)
        server.terminate()
        server.join()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _connected(port: int) -> HTTPConnection:
    while True:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.connect()
        except OSError:
            time.sleep(0.01)
        else:
            return connection


def _ask(connection: HTTPConnection, method: str, path: str, body: str | None) -> bytes:
    connection.request(method, path, body)
    response = connection.getresponse()
    return response.read()


def processor_of(pid: int) -> float:
    """Processor seconds of all threads of a process."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(each.read_text().split()[0]) for each in threads) / _NANOSECONDS
