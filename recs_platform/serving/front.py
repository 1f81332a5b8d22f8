"""The door: who may ask, how often, what is counted. Lists and events are answered here, the rest by Litestar."""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from recs_platform.serving.access_log import AccessLog
from recs_platform.serving.answers import recommendations
from recs_platform.serving.asgi import JSON, App, Headers, Receive, Scope, Send, answer, header, read_body
from recs_platform.serving.asking import LIST_PARAMETERS
from recs_platform.serving.demo import ACTION, PAGE, Demo
from recs_platform.serving.demo import PATHS as DEMO_PATHS
from recs_platform.serving.endpoints import EVENTS, LIST, LISTS, OPEN, USERS, endpoint_of, scope_needed
from recs_platform.serving.events import take_in
from recs_platform.serving.exchange import SECURITY_HEADERS, Exchange, require_json
from recs_platform.serving.first_pages import first_page
from recs_platform.serving.ids import random_id
from recs_platform.serving.keys import BROWSER_CHALLENGE, KeyRing, token_of
from recs_platform.serving.keys import Scope as KeyScope
from recs_platform.serving.parameters import read_id, read_query, routable_path
from recs_platform.serving.problems import Problem
from recs_platform.serving.remembered import read_cursor
from recs_platform.serving.seen_ids import SeenIds
from recs_platform.serving.tracing import Traces, find_traces

if TYPE_CHECKING:
    from recs_platform.serving.limits import RateLimits
    from recs_platform.serving.metrics import Metrics
    from recs_platform.serving.spool import Spool
    from recs_platform.serving.state import Serving

_LOG = logging.getLogger(__name__)
_ENCODER = msgspec.json.Encoder()
_TRIED = "recs.is_tried"  # in a scope: the request is counted, and its answer is not to be had at once
_NOT_AT_ONCE = frozenset({b"origin", b"content-length", b"transfer-encoding"})
_WATCHED = ("/healthz", "/readyz")
_STORED_HEAD = (
    b"".join(b"%b: %b\r\n" % each for each in SECURITY_HEADERS) + b"content-type: %b\r\ncontent-length: " % JSON
)


@dataclass
class Door:
    """What the front needs: keys (None = none are asked), limits, counts, the spool and the rest of the application."""

    serving: Serving
    spool: Spool
    limits: RateLimits
    metrics: Metrics
    rest: App
    keys: KeyRing | None
    seen: SeenIds
    log: AccessLog = field(default_factory=AccessLog)
    traces: Traces | None = field(default_factory=find_traces)
    demo: Demo = field(init=False)

    def __post_init__(self) -> None:
        self.demo = Demo(self.serving, self.spool, self.seen)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} is not spoken here")
        request = Exchange(scope, send, self.serving.settings.cors_origins)
        scope["state"] = {"request_id": request.request_id}
        try:
            await self._dispatch(request, scope, receive)
        except Problem as problem:
            await request.refuse(problem)
        except Exception:  # noqa: BLE001 - whatever failed, the client gets a problem and the log the traceback
            _LOG.exception("request %s failed", request.request_id)
            with contextlib.suppress(RuntimeError):
                await request.refuse(Problem("internal_error", "the log of the server says more"))
        finally:
            path = scope["path"]
            self._count(request, scope, endpoint_of(path), path)

    async def refuse_crowd(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of a connection that is one too many; who watches over the server is told all the same."""
        if scope["path"] in _WATCHED:
            await self(scope, receive, send)
            return
        request = Exchange(scope, send, self.serving.settings.cors_origins)
        refused = Problem("overloaded", "as many connections are open as may be; try again", retry_after=1)
        await request.refuse(refused, is_last=True)
        self._count(request, scope, endpoint_of(scope["path"]), scope["path"])

    def at_once(self, scope: Scope, target: bytes) -> bytes | None:
        """The response to GET `target` where it is a list that is stored as it is to be shown; None of any other.

        It begins after the first lines of the head, which are the protocol's. Who may ask is asked here as there, and
        counted once: `scope` goes on to the application with a note of it.
        """
        raw_path, _, raw_query = target.partition(b"?")
        if not (raw_path.startswith(USERS) and raw_path.endswith(LISTS) and target.isascii()) or b"#" in target:
            return None
        if self.serving.shared is not None or not _NOT_AT_ONCE.isdisjoint([name for name, _ in scope["headers"]]):
            return None
        started, request_id = time.perf_counter(), random_id()
        try:
            self.limits.take(self._caller(scope, KeyScope.READ))
            scope[_TRIED] = True
            found = first_page(self.serving, read_id(raw_path[len(USERS) : -len(LISTS)]), raw_query, request_id)
        except Exception:  # noqa: BLE001 - the application fails likewise, and says how
            return None
        if found is None:
            return None
        body = found[1]
        path = raw_path.decode() if self.serving.settings.log_user_ids else ""
        self._note(request_id, "GET", scope, LIST, 200, started, path)
        return b"%b%d\r\nx-request-id: %b\r\n\r\n%b" % (_STORED_HEAD, len(body), request_id.encode(), body)

    async def _dispatch(self, request: Exchange, scope: Scope, receive: Receive) -> None:
        path, method = scope["path"], scope["method"]
        if method == "OPTIONS" and request.origin is not None:
            await answer(request.send, 204, b"", request.preflight())
            return
        shared, raw = self.serving.shared, scope.get("raw_path") or path.encode()
        is_list = method == "GET" and raw.startswith(USERS) and raw.endswith(LISTS)
        if path not in OPEN and _TRIED not in scope:
            caller = self._admit(scope, scope_needed(path, method))
            if shared is None or not await shared.take(caller, self._known_user(raw) if is_list else None):
                self.limits.take(caller)
        if is_list:
            body = await self._list(scope, raw, request.request_id)
            await answer(request.send, 200, body, [(b"content-type", JSON)])
        elif method == "POST" and raw == EVENTS:
            require_json(scope)
            body = await self._body(scope, receive)
            status, taken = await take_in(self.serving, self.spool, self.seen, body)
            await answer(request.send, status, _ENCODER.encode(taken), [(b"content-type", JSON)])
        elif (method, path) in (("GET", PAGE), ("POST", ACTION)):
            await answer(request.send, *await self._demo(request, scope, receive))
        else:
            path = routable_path(raw)
            await self.rest(scope if path is None else {**scope, "path": path}, receive, request.send)

    async def _list(self, scope: Scope, raw_path: bytes, request_id: str) -> bytes:
        """A page of a list as it is sent."""
        shared, raw_query = self.serving.shared, scope["query_string"]
        user_id = read_id(raw_path[len(USERS) : -len(LISTS)])
        found = None if _TRIED in scope else first_page(self.serving, user_id, raw_query, request_id)
        if found is None:
            query = read_query(raw_query, LIST_PARAMETERS)
            if shared is not None and "cursor" in query:
                await shared.load_lists([read_cursor(query["cursor"])[0]])
            made = recommendations(self.serving, user_id, query, request_id)
            found = made.recommendation_id, _ENCODER.encode(made)
        if shared is not None:
            await shared.keep(found[0])
        return found[1]

    def _known_user(self, raw: bytes) -> str | None:
        """Of whom a list is asked, by the home's name; None of somebody of whom nothing is to be looked up."""
        try:
            stored = self.serving.stored_name(read_id(raw[len(USERS) : -len(LISTS)]))
        except Problem:  # which is told once the request was counted
            return None
        return None if stored in self.serving.forgotten else stored

    async def _demo(self, request: Exchange, scope: Scope, receive: Receive) -> tuple[int, bytes, Headers]:
        if scope["path"] == PAGE:
            return self.demo.page(scope["query_string"], request.request_id)
        return await self.demo.take(scope, await self._body(scope, receive))

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        settings = self.serving.settings
        return await read_body(
            scope, receive, bytes_max=settings.body_bytes_max, seconds_max=settings.request_seconds_max
        )

    def _admit(self, scope: Scope, needed: KeyScope) -> str:
        """Whose requests are counted together. Raises Problem for a caller without a valid key or without the scope."""
        try:
            return self._caller(scope, needed)
        except Problem as problem:
            if problem.code == "unauthorized":
                self.limits.take(f"without a key: {_address(scope)}")
            raise

    def _caller(self, scope: Scope, needed: KeyScope) -> str:
        """The same, counting nothing."""
        if self.keys is None:
            return _address(scope)
        is_page = self.serving.settings.demo and scope.get("path") in DEMO_PATHS
        key = self.keys.find(token_of(header(scope, b"authorization") or b"", is_page=is_page))
        if key is None and is_page:
            raise Problem("unauthorized", "the key is the password, whatever the name", challenge=BROWSER_CHALLENGE)
        if key is None:
            raise Problem("unauthorized", "send a valid key as `Authorization: Bearer <key>`")
        if not key.allows(needed):
            raise Problem("forbidden", f"the key has no scope {needed.value!r}")
        return key.key_id

    def _count(self, request: Exchange, scope: Scope, endpoint: str, path: str) -> None:
        self._note(request.request_id, scope["method"], scope, endpoint, request.status, request.started, path)

    def _note(
        self, request_id: str, method: str, scope: Scope, endpoint: str, status: int, started: float, path: str
    ) -> None:
        """Count, log and trace one request."""
        seconds = time.perf_counter() - started
        self.metrics.add(endpoint, status, seconds)
        if self.log.is_on:
            said = path if self.serving.settings.log_user_ids else None
            self.log.add(request_id, method, endpoint, status, seconds, said)
        if self.traces is not None:
            self.traces.add(method, endpoint, status, seconds, scope["headers"])


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "-"
