"""uvicorn's HTTP with bounds on connections and on the head of a request, its bytes and its time, and a shorter way.

What can be answered at once, without waiting for anything, is written before a task, an event and messages are made
for it: they cost as much as such an answer.
"""
# uvicorn's protocol is typed in parts.
# pyright: reportUnknownMemberType=false, reportIncompatibleMethodOverride=false, reportOptionalMemberAccess=false
# pyright: reportUnnecessaryComparison=false

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX = 32_768
AT_ONCE_MAX = 8  # of requests that came together: others wait their turn
CONNECTIONS_MAX = 2_000
App = Callable[..., Awaitable[None]]
AtOnce = Callable[[MutableMapping[str, Any], bytes], bytes | None]


class BoundedProtocol(HttpToolsProtocol):
    """One connection, which is closed where the head of its next request is too long, or not there in time.

    uvicorn itself waits for a head for ever, and keeps whatever it is sent of it. Beyond `connections_max` a request is
    answered by `crowded`, and its connection ends; beyond twice as many a connection is dropped as it comes.
    """

    seconds_max = 10.0
    at_once: AtOnce | None = None
    crowded: App | None = None
    connections_max = CONNECTIONS_MAX
    is_extra = False  # as many were open already when it came
    head_bytes = 0
    is_in_head = True  # also between requests
    is_begun = False  # a byte of the next request is there
    is_answered = False
    answers_left = 0
    deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        if len(self.connections) > 2 * self.connections_max:
            transport.abort()
            return
        self.is_extra = len(self.connections) > self.connections_max
        self.deadline = self.loop.call_later(self.seconds_max, self.close_waiting)

    def data_received(self, data: bytes) -> None:
        was_in_head, self.answers_left = self.is_in_head, AT_ONCE_MAX
        if was_in_head:
            self.head_bytes += len(data)
        super().data_received(data)
        if self.is_in_head and self.deadline is None and (self.is_begun or self.head_bytes):
            self.deadline = self.loop.call_later(self.seconds_max, self.close_waiting)
        if self.is_in_head and self.head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_message_begin(self) -> None:
        self.is_begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self.is_in_head = self.is_begun = False
        self.head_bytes = 0
        self._stop_clock()
        self.is_answered = self._is_ready_at_once() and self._answer_at_once()
        if not self.is_answered:
            self.app = self.crowded if self.crowded is not None and self._is_crowded() else self.config.loaded_app
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        self.is_in_head = True
        if self.is_answered:
            self.on_response_complete()
        else:
            super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        super().connection_lost(exc)

    def close_waiting(self) -> None:
        """Close a connection whose head did not come."""
        self.deadline = None
        if not self.transport.is_closing():
            self.transport.close()

    def _is_crowded(self) -> bool:
        """Whether it is one too many, or more is under way than may be."""
        return self.is_extra or len(self.tasks) > self.connections_max

    def _is_ready_at_once(self) -> bool:
        """Whether nothing is under way on this connection, and the request is of the simplest kind."""
        cycle, parser = self.cycle, self.parser
        return (
            self.at_once is not None
            and self.answers_left > 0
            and (cycle is None or cycle.response_complete)
            and not self.pipeline
            and not self.flow.write_paused
            and not self.expect_100_continue
            and not self._is_crowded()
            and parser.get_method() == b"GET"
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
        )

    def _answer_at_once(self) -> bool:
        """Write the answer where there is one."""
        made = None if self.at_once is None else self.at_once(cast("MutableMapping[str, Any]", self.scope), self.url)
        if made is None:
            return False
        self.answers_left -= 1
        default = b"".join([b"%b: %b\r\n" % each for each in self.server_state.default_headers])
        self.transport.write(b"HTTP/1.1 200 OK\r\n%b%b" % (default, made))
        return True

    def _stop_clock(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None


def bounded_protocol(
    seconds: float,
    at_once: AtOnce | None = None,
    crowded: App | None = None,
    connections_max: int = CONNECTIONS_MAX,
) -> type[asyncio.Protocol]:
    """A protocol class whose heads must come within `seconds`.

    `at_once` is given the scope, without a path yet, and the target of a GET; it answers with the rest of the response,
    from the headers on, or None. `crowded` refuses requests of connections beyond `connections_max`.
    """
    given = {"at_once": at_once, "crowded": crowded}
    own = {name: staticmethod(each) for name, each in given.items() if each is not None}
    return type("Bounded", (BoundedProtocol,), {"seconds_max": seconds, "connections_max": connections_max, **own})
