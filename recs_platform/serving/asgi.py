"""The few words of ASGI that the front and the hot routes speak: headers, bodies, answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from recs_platform.serving.problems import Problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
JSON = b"application/json"


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first header of that lower-case name."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    return next((value for key, value in headers if key == name), None)


async def answer(send: Send, status: int, body: bytes, headers: Headers) -> None:
    """Send a whole response."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def read_body(scope: Scope, receive: Receive, *, bytes_max: int, seconds_max: float) -> bytes:
    """The body. Raises Problem for one that is longer, or takes longer to come, than is allowed."""
    announced = header(scope, b"content-length")
    if announced is not None and announced.isdigit() and int(announced) > bytes_max:
        raise Problem("body_too_large", f"at most {bytes_max} bytes are read")
    try:
        async with asyncio.timeout(seconds_max):
            return await _gather(receive, bytes_max)
    except TimeoutError:
        raise Problem("request_timeout", f"the body did not come within {seconds_max:g} s") from None


async def _gather(receive: Receive, bytes_max: int) -> bytes:
    parts, length = list[bytes](), 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem("bad_request", "the client went away")
        part: bytes = message.get("body", b"")
        parts.append(part)
        length += len(part)
        if length > bytes_max:
            raise Problem("body_too_large", f"at most {bytes_max} bytes are read")
        if not message.get("more_body", False):
            return b"".join(parts)
