"""One request and its response: its id, when it began, and the headers that every response has."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from recs_platform.serving.asgi import JSON, Headers, answer, header
from recs_platform.serving.ids import random_id
from recs_platform.serving.problems import Problem

if TYPE_CHECKING:
    from recs_platform.serving.asgi import Message, Scope, Send

_POLICY = (
    b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; "
    b"frame-ancestors 'none'"
)
CACHE_CONTROL = b"cache-control"
SECURITY_HEADERS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (CACHE_CONTROL, b"no-store"),
    (b"content-security-policy", _POLICY),
]


class Exchange:
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
            given = message.get("headers", [])
            own: Headers = [(b"x-request-id", self.request_id.encode()), *_but_those_given(given)]
            if self.origin is not None:
                own += [(b"access-control-allow-origin", self.origin), (b"vary", b"Origin")]
            message["headers"] = [*given, *own]
        await self._send(message)

    async def refuse(self, problem: Problem, *, is_last: bool = False) -> None:
        """Answer with a problem document, unless an answer has begun; `is_last` on this connection."""
        if self._is_started:
            raise RuntimeError("an answer has begun")
        headers = problem.headers()
        if is_last or problem.code in ("body_too_large", "request_timeout"):
            headers.append((b"connection", b"close"))
        await answer(self.send, problem.status, problem.document(self.request_id), headers)

    def preflight(self) -> Headers:
        return [
            (b"access-control-allow-methods", b"GET, POST, DELETE"),
            (b"access-control-allow-headers", b"authorization, content-type"),
            (b"access-control-max-age", b"600"),
        ]


def _but_those_given(given: Headers) -> Headers:
    """The headers of every response, but the word on caches where an answer has its own."""
    if not any(name == CACHE_CONTROL for name, _ in given):
        return SECURITY_HEADERS
    return [each for each in SECURITY_HEADERS if each[0] != CACHE_CONTROL]


def require_json(scope: Scope) -> None:
    """Raises Problem for a body that says it is anything but JSON: a form of another page is not an event."""
    given = (header(scope, b"content-type") or JSON).decode("latin-1")
    if given.partition(";")[0].strip().lower() != JSON.decode():
        raise Problem("unsupported_media_type", f"send application/json, not {given[:80]!r}")
