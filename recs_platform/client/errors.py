"""What a call may raise: the server's problem document, or that there is no server."""

from typing import Any

import msgspec


class Unreachable(Exception):
    """No answer came: nothing listens, or it took too long. What was sent may have arrived."""


class Problem(Exception):
    """A problem document (RFC 9457). `code` is stable, `status` the HTTP status, `more` its other members.

    `retry_after`: seconds to wait before the same call may succeed, None where the server names none.
    """

    def __init__(self, status: int, code: str, detail: str, retry_after: float | None, more: dict[str, Any]) -> None:
        super().__init__(f"{code}: {detail}")
        self.status, self.code, self.detail, self.retry_after, self.more = status, code, detail, retry_after, more


def problem_of(status: int, body: bytes, retry_after: str | None) -> Problem:
    """The problem that an answer describes; an answer of something between is one of code `unexpected`."""
    try:
        found: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        found = {}
    code, detail = str(found.pop("code", "unexpected")), str(found.pop("detail", f"an answer of status {status}"))
    return Problem(status, code, detail, _seconds(retry_after), found)


def _seconds(text: str | None) -> float | None:
    """Seconds of a Retry-After; a date, which the server never sends, is none."""
    return float(text) if text is not None and text.isdecimal() else None
