"""One line of JSON for each request, in the log `recs.access`: lines of a moment are written together.

A write for each would cost as much as a stored list. Who is killed loses the lines of the last fifth of a second.
"""

from __future__ import annotations

import asyncio
import json
import logging

_LOG = logging.getLogger("recs.access")
_SECONDS = 0.2
_LINES_MAX = 500


class AccessLog:
    """Lines that wait, written in their order."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_on(self) -> bool:
        """Whether anybody reads it."""
        return _LOG.isEnabledFor(logging.INFO)

    def add(self, request_id: str, method: str, endpoint: str, status: int, seconds: float, path: str | None) -> None:
        """Take a line; `path`, which may name a user, is None unless that was asked for."""
        # Endpoint and id are the server's own words and need no escaping.
        said = "" if path is None else f', "path": {json.dumps(path)}'
        self._lines.append(
            f'{{"request_id": "{request_id}", "method": {_quoted(method)}, "endpoint": "{endpoint}"{said}, '
            f'"status": {status}, "milliseconds": {seconds * 1e3:.3f}}}'
        )
        if len(self._lines) >= _LINES_MAX:
            self.write()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SECONDS, self.write)

    def write(self) -> None:
        """Write what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines = self._lines, []
        if lines:
            _LOG.info("\n".join(lines))


def _quoted(method: str) -> str:
    return '"GET"' if method == "GET" else json.dumps(method)
