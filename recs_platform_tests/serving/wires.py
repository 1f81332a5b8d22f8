"""Connections without a network: bytes go to uvicorn's protocol, and what it writes is kept."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from recs_platform.serving.protocol import BoundedProtocol, bounded_protocol
from recs_platform_tests.serving.served import Served

LIST = "/v1/users/u1/recommendations"
PAST = 200  # turns of the loop in which an application has answered


class Wire(asyncio.Transport):
    """A connection that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.is_closed = b"", False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 5), "sockname": ("127.0.0.1", 6)}.get(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def pause_reading(self) -> None:
        """The test sends when it likes."""

    resume_reading = pause_reading


class Connection:
    """Sends bytes, and tells apart what was answered at once."""

    def __init__(
        self,
        served: Served,
        app: Callable[..., Awaitable[None]] | None = None,
        *,
        state: ServerState | None = None,
        connections_max: int = 100,
    ) -> None:
        door = served.application.door
        made = bounded_protocol(10.0, door.at_once, door.refuse_crowd, connections_max)
        config = uvicorn.Config(app or served.application, lifespan="off", log_config=None, server_header=False)
        config.load()
        state = ServerState() if state is None else state
        state.default_headers = [(b"date", b"now")]
        self.wire = Wire()
        self.protocol: BoundedProtocol = made(config, state, {})  # pyright: ignore[reportCallIssue,reportAttributeAccessIssue]
        self.protocol.connection_made(self.wire)

    async def send(self, data: str) -> tuple[bytes, bytes]:
        """What was written before anything else ran, and after."""
        self.wire.written = b""
        self.protocol.data_received(data.replace("\n", "\r\n").encode())
        at_once, self.wire.written = self.wire.written, b""
        for _ in range(PAST):
            await asyncio.sleep(0)
        return at_once, self.wire.written

    def close(self) -> None:
        self.protocol.connection_lost(None)


def request(path: str = LIST, *headers: str, method: str = "GET", version: str = "1.1") -> str:
    return "\n".join([f"{method} {path} HTTP/{version}", "Host: recs", *headers, "", ""])


def parts(answer: bytes) -> tuple[str, dict[str, str], dict[str, Any]]:
    """Status line, headers and document of one response."""
    head, _, body = answer.decode().partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert len(body) == int(headers["content-length"])
    return status, headers, json.loads(body)
