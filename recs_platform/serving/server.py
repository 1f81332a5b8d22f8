"""One process that serves a home: what is assembled, what it does every second, how it starts and stops."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import time
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, cast

import uvicorn

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.experiments import explored_draft
from recs_platform.contracts.http_documents import Event
from recs_platform.lake.forget_requests import add_request, waiting_users
from recs_platform.serving.answers import Serving
from recs_platform.serving.canary import Canary, utc_now
from recs_platform.serving.dismissals import DismissalFiles
from recs_platform.serving.documented import build_application
from recs_platform.serving.events import note_dismissal
from recs_platform.serving.front import Door
from recs_platform.serving.keys import valid_keys
from recs_platform.serving.learning import Learned
from recs_platform.serving.limits import RateLimits
from recs_platform.serving.metrics import Metrics
from recs_platform.serving.protocol import bounded_protocol
from recs_platform.serving.remembered import RememberedLists
from recs_platform.serving.sessions import Sessions
from recs_platform.serving.shared import Shared
from recs_platform.serving.spool import SOURCE, Spool
from recs_platform.serving.tombstones import Tombstones, UserHashes
from recs_platform.serving.variants import Variants
from recs_platform.serving.watch import BundleWatch
from recs_platform.serving.wire import Store

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from socket import socket

    from recs_platform.serving.asgi import App, Receive, Scope, Send
    from recs_platform.settings import Settings

_LOG = logging.getLogger(__name__)
_SECOND, _MINUTE = 1.0, 60.0
_STOP_SECONDS = 4
_CONNECTIONS_MAX = 2_000
_GC_OBJECTS = 50_000


class Application:
    """The ASGI application of one home: starts with the server, looks for releases and keys every second."""

    def __init__(
        self,
        settings: Settings,
        *,
        needs_keys: bool,
        stored_name: Callable[[str], str],
        hashes: UserHashes,
        clock: Callable[[], float],
    ) -> None:
        serve, self.home = settings.serving, settings.paths
        store = None if serve.redis_url is None else Store(serve.redis_url, serve.redis_seconds_max)
        self.watch = BundleWatch(self.home)
        sessions = Sessions(serve.session_minutes * _MINUTE, clock)
        lists = RememberedLists(serve.list_minutes * _MINUTE, clock, hashes.of)
        self.variants = Variants(self.home, settings.experiments)
        self.canary = Canary(self.home, settings.canary, utc_now)
        self.metrics, self._needs_keys, self._warned = Metrics(), needs_keys, set[str]()
        self.serving = Serving(
            serve,
            self.watch,
            self.canary,
            sessions,
            lists,
            self.variants,
            self.metrics.variants,
            stored_name,
            Learned(clock) if serve.learning else None,
            None if store is None else Shared(store, self.home.root, serve, sessions, lists, hashes.of),
        )
        self._tombstones, self._hashes = Tombstones(self.home.tombstones), hashes
        self._buried_before = set[str]()
        self._dismissal_files = DismissalFiles(self.home.landing / SOURCE)
        self._dismissed = list[tuple[Event, float]]()
        self._waiting = waiting_users(self.home, self._warn_once)
        self._forget_waiting()
        self.spool = Spool(self.home, queued_events_max=serve.queued_events_max, seal_seconds=serve.seal_seconds)
        self.door = Door(
            self.serving,
            self.spool,
            RateLimits(serve.rate_per_second, serve.rate_burst, clock),
            self.metrics,
            cast("App", build_application(self.serving, self.state, self.metrics_text, self._ask_to_forget)),
            valid_keys(self.home, self._warn_once) if needs_keys else None,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Requests go to the door; the server's start and stop are answered here."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self.door(scope, receive, send)

    def _warn_once(self, fault: str) -> None:
        if fault not in self._warned:
            self._warned.add(fault)
            _LOG.warning(fault)

    def _forget_waiting(self) -> None:
        """Users of whom another process was asked, too."""
        for user in self._waiting:
            if self.serving.stored_name(user) not in self.serving.forgotten:
                self.serving.forget(user)

    def _ask_to_forget(self, user: str) -> None:
        add_request(self.home, user)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """The work beside requests, from before the first to after the last."""
        await self.spool.start()  # first, for it moves to landing what is looked for there
        await asyncio.to_thread(self._look)
        await self._look_beside()
        ticking = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ticking
            await self.spool.stop()
            self.door.log.write()
            self.canary.save()
            if self.serving.shared is not None:
                self.serving.shared.close()

    async def _look_beside(self) -> None:
        """What is looked for on the loop itself: requests read it."""
        self._begin_anew()
        self._forget_waiting()
        dismissed, self._dismissed = self._dismissed, []
        for event, accepted_at in dismissed:
            note_dismissal(self.serving, event, accepted_at)
        if self._tombstones.are_new():
            self._forget_buried(*await asyncio.to_thread(self._buried, self.serving.users()))
        if self.serving.shared is not None:
            await self.serving.shared.look()

    def _buried(self, users: set[str]) -> tuple[list[str], set[str]]:
        """Which of the users were forgotten, and the hashes of everybody who was and is not known of yet."""
        known = set(self._hashes.forgotten())
        new, self._buried_before = known - self._buried_before, known
        return [user for user in users if self._hashes.of(user) in known], new

    def _forget_buried(self, users: list[str], hashes: set[str]) -> None:
        """Whom a command forgot: users in memory, and whoever is in the store that no process remembers."""
        for stored in users:
            self.serving.forget_stored(stored)
        if self.serving.shared is not None:
            self.serving.shared.forget_soon(*hashes)

    def _look(self) -> None:
        self._waiting = waiting_users(self.home, self._warn_once)
        self.watch.look()
        if self.watch.is_open:
            self.canary.look(self.watch.bundle)
            self._dismissed += self._dismissal_files.new(self.watch.bundle)
        self.variants.look(datetime.now(UTC).date())

    def _begin_anew(self) -> None:
        """What was learned, and what was kept of answers, goes with the release it was made under."""
        if not self.watch.is_open:
            return
        found = self.serving.bundle
        self.serving.pages.follow(found)
        if self.serving.learned is not None:
            self.serving.learned.follow(found.release_id, found.manifest.as_of.timestamp())

    def state(self) -> dict[str, Any]:
        """What /readyz says: ready means that lists are answered and events stored."""
        shared = self.serving.shared
        fault = self.spool.fault or (None if self.watch.is_open else self.watch.fault)
        return {
            "is_ready": fault is None,
            "fault": fault,
            "release_id": self.serving.bundle.release_id if self.watch.is_open else None,
            "release_fault": self.watch.fault,
            "suspended_experiments": dict(self.variants.faults),
            "canary": self.canary.state.said or None,
            "shared_store": None if shared is None else {"is_used": shared.fault is None, "fault": shared.fault},
            "is_storing_events": self.spool.fault is None,
        }

    def metrics_text(self) -> str:
        """The text of /metrics."""
        gauges = {
            "recs_spool_queued_events": ("Events that wait for the disk.", float(self.spool.queued_events)),
            "recs_spool_oldest_seconds": ("Age of the oldest event not in landing.", self.spool.oldest_seconds),
            "recs_spool_durable_events": ("Events made durable by this process.", float(self.spool.durable_events)),
            "recs_sessions": ("Users with a session in memory.", float(len(self.serving.sessions))),
            "recs_ready": ("1 where lists are answered and events stored.", float(self.state()["is_ready"])),
        }
        if (shared := self.serving.shared) is not None:
            gauges["recs_shared_store_up"] = ("1 while the shared store answers.", float(shared.fault is None))
            gauges["recs_shared_store_failures"] = ("How often it did not.", float(shared.failures))
        if self.watch.is_open:
            is_taken_back = float(self.watch.bundle.release_id in self.canary.state.taken_back)
            gauges["recs_canary_running"] = (
                "1 while some users get a new release.",
                float(self.canary.running is not None),
            )
            gauges["recs_canary_taken_back"] = ("1 where the newest release was taken back.", is_taken_back)
            age = (datetime.now(UTC) - self.serving.bundle.manifest.as_of).total_seconds()
            gauges["recs_release_age_seconds"] = ("Seconds since the as_of of the release in force.", age)
        return self.metrics.text(gauges)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_SECOND)
            try:
                await asyncio.to_thread(self._look)
                await self._look_beside()
            # The next second looks again; /readyz and the log say what is wrong.
            except Exception as error:  # noqa: BLE001
                self.watch.fault = f"the release in force cannot be read: {error}"
                _LOG.exception("looking for the release in force failed")
            if self._needs_keys:
                self.door.keys = await asyncio.to_thread(valid_keys, self.home, self._warn_once)

    async def _live(self, receive: Receive, send: Send) -> None:
        async with contextlib.AsyncExitStack() as stack:
            while True:
                message = await receive()
                if message["type"] == "lifespan.startup":
                    await stack.enter_async_context(self.running())
                    await send({"type": "lifespan.startup.complete"})
                else:
                    await stack.aclose()
                    await send({"type": "lifespan.shutdown.complete"})
                    return


def build(settings: Settings, host: str, stored_name: Callable[[str], str], hashes: UserHashes) -> Application:
    """The application for an address. `hashes`: of users as they are stored, such as those of who was forgotten.

    Raises UsageError where that needs keys and there is none, and for a variant whose release cannot be served.
    """
    needs_keys = settings.serving.require_keys or not is_loopback(host)
    if needs_keys and not len(valid_keys(settings.paths, _LOG.warning)):
        why = "serving.require_keys is set" if is_loopback(host) else f"{host} is reached from other machines"
        raise UsageError(f"{why}, and there is no key yet; make one: recs keys create NAME")
    if found := explored_draft(settings.experiments, settings.exploration.slots, datetime.now(UTC).date()):
        raise UsageError(f"{settings.paths.settings_file}: {'.'.join(found[0])}: {found[1]}")
    application = Application(
        settings,
        needs_keys=needs_keys,
        stored_name=stored_name,
        hashes=hashes,
        clock=time.monotonic,
    )
    application.variants.require_releases(datetime.now(UTC).date())
    return application


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone; a name is, where it is localhost.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0"), is_loopback("example.org")
    (True, True, False, False)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve(
    application: Application, host: str, port: int, seconds_max: float, shared_socket: socket | None = None
) -> None:
    """Answer until a signal stops it; requests under way have four seconds to end.

    `shared_socket`: bound already, and listened on by other processes too.
    """
    # Thousands of remembered lists live for minutes: the collector would walk them all every few hundred requests.
    gc.freeze()
    gc.set_threshold(_GC_OBJECTS, 50, 100)
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        http=bounded_protocol(seconds_max, application.door.at_once),
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_STOP_SECONDS,
        limit_concurrency=_CONNECTIONS_MAX,
    )
    uvicorn.Server(config).run(None if shared_socket is None else [shared_socket])
