"""The application of one home: what is assembled, and what it looks for every second while it runs.

How a process starts with it is in `server`; what it says of itself, in `status`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from recs_platform.lake.forget_requests import add_request, waiting_users
from recs_platform.serving import status
from recs_platform.serving.bounded import shares_of
from recs_platform.serving.caching import Caching
from recs_platform.serving.canary import Canary, utc_now
from recs_platform.serving.checking import Checking
from recs_platform.serving.collecting import collecting
from recs_platform.serving.dismissals import DismissalFiles, Dismissals, LastDismissals
from recs_platform.serving.documented import build_application
from recs_platform.serving.events import note_dismissal
from recs_platform.serving.front import Door
from recs_platform.serving.keys import valid_keys
from recs_platform.serving.learning import Learned
from recs_platform.serving.limits import RateLimits
from recs_platform.serving.metrics import Metrics
from recs_platform.serving.remembered import RememberedLists
from recs_platform.serving.seen_ids import SeenIds
from recs_platform.serving.sessions import Sessions
from recs_platform.serving.shared import Shared
from recs_platform.serving.spool import Spool
from recs_platform.serving.spool_file import SOURCE
from recs_platform.serving.state import Serving
from recs_platform.serving.stored_pages import PageCache
from recs_platform.serving.tombstones import Tombstones, UserHashes
from recs_platform.serving.variants import Variants
from recs_platform.serving.watch import BundleWatch
from recs_platform.serving.wire import Store

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from recs_platform.serving.asgi import App, Receive, Scope, Send
    from recs_platform.settings import Settings

_LOG = logging.getLogger(__name__)
_SECOND, _MINUTE = 1.0, 60.0


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
        self.checking = Checking(self.watch)
        share = shares_of(serve.memory_megabytes)
        sessions = Sessions(serve.session_minutes * _MINUTE, clock, share.sessions)
        lists = RememberedLists(serve.list_minutes * _MINUTE, clock, hashes.of, share.lists, share.kept)
        self.variants = Variants(self.home, settings.experiments)
        self.canary = Canary(self.home, settings.canary, utc_now)
        self.metrics, self._needs_keys, self._warned = Metrics(), needs_keys, set[str]()
        self.serving = Serving(
            serve,
            self.watch,
            self.canary,
            sessions,
            lists,
            Dismissals(share.dismissals),
            PageCache(share.pages),
            self.variants,
            self.metrics.variants,
            stored_name,
            Learned(clock) if serve.learning else None,
            None if store is None else Shared(store, self.home.root, serve, sessions, lists, hashes.of),
        )
        self._tombstones, self._hashes = Tombstones(self.home.tombstones), hashes
        self._buried_before = set[str]()
        self._dismissal_files = DismissalFiles(self.home.landing / SOURCE)
        # More than can be remembered need not wait.
        self._dismissed = LastDismissals(self.serving.dismissals.most)
        self._waiting = waiting_users(self.home, self._warn_once)
        self._forget_waiting()
        self.spool = Spool(self.home, queued_events_max=serve.queued_events_max, seal_seconds=serve.seal_seconds)
        self.door = Door(
            self.serving,
            self.spool,
            RateLimits(serve.rate_per_second, serve.rate_burst, clock),
            self.metrics,
            cast(
                "App",
                build_application(
                    self.serving, self.state, self.metrics_text, self._ask_to_forget, Caching(needs_keys)
                ),
            ),
            valid_keys(self.home, self._warn_once) if needs_keys else None,
            SeenIds(share.event_ids),
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
        beside = [asyncio.create_task(self._tick()), asyncio.create_task(self.checking.run())]
        try:
            async with collecting():
                yield
        finally:
            for each in beside:
                each.cancel()
            for each in beside:
                with contextlib.suppress(asyncio.CancelledError):
                    await each
            await self.spool.stop()
            self.door.log.write()
            self.canary.save()
            if self.serving.shared is not None:
                self.serving.shared.close()

    async def _look_beside(self) -> None:
        """What is looked for on the loop itself: requests read it."""
        self._begin_anew()
        self._forget_waiting()
        for one in self._dismissed.take():
            note_dismissal(self.serving, one)
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
            self._dismissed.extend(self._dismissal_files.new(self.watch.bundle))
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
        """What /readyz says."""
        return status.state_of(self.serving, self.spool)

    def metrics_text(self) -> str:
        """The text of /metrics."""
        return self.metrics.text(status.gauges_of(self.serving, self.spool, self.door.seen))

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
