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
from recs_platform.serving.asgi import JSON, App, Headers, Message, Receive, Scope, Send, answer, header, read_body
from recs_platform.serving.asking import LIST_PARAMETERS
from recs_platform.serving.demo import ACTION, PAGE, Demo
from recs_platform.serving.demo import PATHS as DEMO_PATHS
from recs_platform.serving.events import SeenIds, take_in
from recs_platform.serving.first_pages import first_page
from recs_platform.serving.ids import random_id
from recs_platform.serving.keys import KeyRing
from recs_platform.serving.keys import Scope as KeyScope
from recs_platform.serving.parameters import read_id, read_query, routable_path
from recs_platform.serving.problems import Problem
from recs_platform.serving.remembered import read_cursor

if TYPE_CHECKING:
    from recs_platform.serving.limits import RateLimits
    from recs_platform.serving.metrics import Metrics
    from recs_platform.serving.spool import Spool
    from recs_platform.serving.state import Serving

_LOG = logging.getLogger(__name__)
_ENCODER = msgspec.json.Encoder()
_USERS, _LISTS, _EVENTS = b"/v1/users/", b"/recommendations", b"/v1/events"
_LIST = "/v1/users/{user_id}/recommendations"
_TRIED = "recs.is_tried"  # in a scope: the request is counted, and its answer is not to be had at once
_NOT_AT_ONCE = frozenset({b"origin", b"content-length", b"transfer-encoding"})
_OPEN = frozenset({"/healthz", "/readyz", "/openapi.json", "/docs"})
_ENDPOINTS = ("/v1/popular", "/v1/releases/current", "/metrics", *sorted(_OPEN | DEMO_PATHS))
_POLICY = (
    b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; "
    b"frame-ancestors 'none'"
)
SECURITY_HEADERS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", _POLICY),
]
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
    seen: SeenIds = field(default_factory=SeenIds)
    log: AccessLog = field(default_factory=AccessLog)
    demo: Demo = field(init=False)

    def __post_init__(self) -> None:
        self.demo = Demo(self.serving, self.spool, self.seen)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} is not spoken here")
        request = _Request(scope, send, self.serving.settings.cors_origins)
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
            self._count(request.request_id, scope["method"], endpoint_of(path), request.status, request.started, path)

    def at_once(self, scope: Scope, target: bytes) -> bytes | None:
        """The response to GET `target` where it is a list that is stored as it is to be shown; None of any other.

        It begins after the first lines of the head, which are the protocol's. Who may ask is asked here as there, and
        counted once: `scope` goes on to the application with a note of it.
        """
        raw_path, _, raw_query = target.partition(b"?")
        if not (raw_path.startswith(_USERS) and raw_path.endswith(_LISTS) and target.isascii()) or b"#" in target:
            return None
        if self.serving.shared is not None or any(name in _NOT_AT_ONCE for name, _ in scope["headers"]):
            return None
        started, request_id = time.perf_counter(), random_id()
        try:
            self.limits.take(self._caller(scope, KeyScope.READ))
            scope[_TRIED] = True
            found = first_page(self.serving, read_id(raw_path[len(_USERS) : -len(_LISTS)]), raw_query, request_id)
        except Exception:  # noqa: BLE001 - the application fails likewise, and says how
            return None
        if found is None:
            return None
        body = found[1]
        path = raw_path.decode() if self.serving.settings.log_user_ids else ""
        self._count(request_id, "GET", _LIST, 200, started, path)
        return b"%b%d\r\nx-request-id: %b\r\n\r\n%b" % (_STORED_HEAD, len(body), request_id.encode(), body)

    async def _dispatch(self, request: _Request, scope: Scope, receive: Receive) -> None:
        path, method = scope["path"], scope["method"]
        if method == "OPTIONS" and request.origin is not None:
            await answer(request.send, 204, b"", request.preflight())
            return
        shared, raw = self.serving.shared, scope.get("raw_path") or path.encode()
        is_list = method == "GET" and raw.startswith(_USERS) and raw.endswith(_LISTS)
        if path not in _OPEN and _TRIED not in scope:
            caller = self._admit(scope, _scope_needed(path, method))
            if shared is None or not await shared.take(caller, self._known_user(raw) if is_list else None):
                self.limits.take(caller)
        if is_list:
            body = await self._list(scope, raw, request.request_id)
            await answer(request.send, 200, body, [(b"content-type", JSON)])
        elif method == "POST" and raw == _EVENTS:
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
        user_id = read_id(raw_path[len(_USERS) : -len(_LISTS)])
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
            stored = self.serving.stored_name(read_id(raw[len(_USERS) : -len(_LISTS)]))
        except Problem:  # which is told once the request was counted
            return None
        return None if stored in self.serving.forgotten else stored

    async def _demo(self, request: _Request, scope: Scope, receive: Receive) -> tuple[int, bytes, Headers]:
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
        scheme, _, token = (header(scope, b"authorization") or b"").decode("latin-1").partition(" ")
        key = self.keys.find(token.strip()) if scheme.lower() == "bearer" else None
        if key is None:
            raise Problem("unauthorized", "send a valid key as `Authorization: Bearer <key>`")
        if not key.allows(needed):
            raise Problem("forbidden", f"the key has no scope {needed.value!r}")
        return key.key_id

    def _count(self, request_id: str, method: str, endpoint: str, status: int, started: float, path: str) -> None:
        seconds = time.perf_counter() - started
        self.metrics.add(endpoint, status, seconds)
        if self.log.is_on:
            said = path if self.serving.settings.log_user_ids else None
            self.log.add(request_id, method, endpoint, status, seconds, said)


class _Request:
    """One request: its id, when it began, and a `send` that adds the headers every response has."""

    def __init__(self, scope: Scope, send: Send, origins: tuple[str, ...]) -> None:
        self.request_id = random_id()
        self.started = time.perf_counter()
        self.status = 500
        self._send, self._is_started = send, False
        origin = header(scope, b"origin")
        self.origin = origin if origin is not None and origin.decode("latin-1") in origins else None

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            self.status, self._is_started = message["status"], True
            own: Headers = [(b"x-request-id", self.request_id.encode()), *SECURITY_HEADERS]
            if self.origin is not None:
                own += [(b"access-control-allow-origin", self.origin), (b"vary", b"Origin")]
            message["headers"] = [*message.get("headers", []), *own]
        await self._send(message)

    async def refuse(self, problem: Problem) -> None:
        """Answer with a problem document, unless an answer has begun."""
        if self._is_started:
            raise RuntimeError("an answer has begun")
        headers = problem.headers()
        if problem.code in ("body_too_large", "request_timeout"):
            headers.append((b"connection", b"close"))
        await answer(self.send, problem.status, problem.document(self.request_id), headers)

    def preflight(self) -> Headers:
        return [
            (b"access-control-allow-methods", b"GET, POST, DELETE"),
            (b"access-control-allow-headers", b"authorization, content-type"),
            (b"access-control-max-age", b"600"),
        ]


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "-"


def _scope_needed(path: str, method: str) -> KeyScope:
    if method == "DELETE":
        return KeyScope.ADMIN
    return KeyScope.WRITE if path in (_EVENTS.decode(), ACTION) else KeyScope.READ


def require_json(scope: Scope) -> None:
    """Raises Problem for a body that says it is anything but JSON: a form of another page is not an event."""
    given = (header(scope, b"content-type") or JSON).decode("latin-1")
    if given.partition(";")[0].strip().lower() != JSON.decode():
        raise Problem("unsupported_media_type", f"send application/json, not {given[:80]!r}")


def endpoint_of(path: str) -> str:
    """The pattern that a path fits; `other` for none, so that no path of a stranger becomes a label."""
    if path.startswith("/v1/users/"):
        return _LIST if path.endswith("/recommendations") else "/v1/users/{user_id}"
    if path.startswith("/v1/items/"):
        return "/v1/items/{item_id}/similar"
    return path if path in _ENDPOINTS or path == _EVENTS.decode() else "other"
