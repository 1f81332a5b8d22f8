"""uvicorn's HTTP with bounds on the head of a request: its bytes, and the time it may take to come."""
# uvicorn's protocol is typed in parts.
# pyright: reportUnknownMemberType=false, reportIncompatibleMethodOverride=false

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX = 32_768


class BoundedProtocol(HttpToolsProtocol):
    """One connection, which is closed where the head of its next request is too long, or not there in time.

    uvicorn itself waits for a head for ever, and keeps whatever it is sent of it.
    """

    seconds_max = 10.0
    head_bytes = 0
    is_in_head = True
    deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self.deadline = self.loop.call_later(self.seconds_max, self.close_waiting)

    def data_received(self, data: bytes) -> None:
        if self.is_in_head:
            self.head_bytes += len(data)
            if self.deadline is None:
                self.deadline = self.loop.call_later(self.seconds_max, self.close_waiting)
        super().data_received(data)
        if self.is_in_head and self.head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_headers_complete(self) -> None:
        self.is_in_head, self.head_bytes = False, 0
        self._stop_clock()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self.is_in_head = True
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        super().connection_lost(exc)

    def close_waiting(self) -> None:
        """Close a connection whose head did not come."""
        self.deadline = None
        if not self.transport.is_closing():
            self.transport.close()

    def _stop_clock(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None


def bounded_protocol(seconds: float) -> type[asyncio.Protocol]:
    """A protocol class whose heads must come within `seconds`."""
    return type("Bounded", (BoundedProtocol,), {"seconds_max": seconds})
