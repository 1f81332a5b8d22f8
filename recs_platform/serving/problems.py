"""Errors of HTTP as problem documents (RFC 9457) with a stable code, and the list of those codes."""

from collections.abc import Mapping
from typing import Any

import msgspec

MEDIA_TYPE = b"application/problem+json"

# Code → status and title; clients may rely on both.
PROBLEMS: Mapping[str, tuple[int, str]] = {
    "malformed_json": (400, "The body is not JSON"),
    "bad_request": (400, "The request cannot be read"),
    "unauthorized": (401, "A valid key is needed"),
    "forbidden": (403, "The key lacks the scope"),
    "not_found": (404, "There is nothing at this address"),
    "unknown_item": (404, "The release knows no such item"),
    "unknown_recommendation": (404, "No list of that recommendation_id is remembered"),
    "method_not_allowed": (405, "The address has no such method"),
    "request_timeout": (408, "The request took too long to arrive"),
    "cursor_expired": (410, "The list of this cursor is not remembered any more"),
    "unsupported_media_type": (415, "The body is not of a type that is read here"),
    "body_too_large": (413, "The body is too large"),
    "invalid_parameter": (422, "A parameter has no such value"),
    "unknown_parameter": (422, "There is no such parameter"),
    "invalid_id": (422, "This can be no id"),
    "invalid_events": (422, "No event could be accepted"),
    "rate_limited": (429, "Too many requests of this key"),
    "internal_error": (500, "The server failed"),
    "overloaded": (503, "The server has more work than it can queue"),
    "spool_unavailable": (503, "Events cannot be stored now"),
    "storage_unavailable": (503, "The request cannot be stored now"),
    "not_ready": (503, "No release can be served"),
}


class Problem(Exception):
    """What a request is answered with instead of a document. `code` is one of PROBLEMS.

    `challenge`: how a key is to be sent, where one is asked for.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        retry_after: int | None = None,
        challenge: bytes = b"Bearer",
        **more: Any,  # noqa: ANN401 - members of a document
    ) -> None:
        super().__init__(detail)
        self.code, self.detail, self.retry_after, self.more = code, detail, retry_after, more
        self.challenge = challenge
        self.status, self.title = PROBLEMS[code]

    def document(self, request_id: str) -> bytes:
        """The problem document; `instance` names the request."""
        return msgspec.json.encode(
            {
                "type": f"urn:recs:problem:{self.code}",
                "title": self.title,
                "status": self.status,
                "detail": self.detail,
                "code": self.code,
                "instance": f"urn:recs:request:{request_id}",
                **self.more,
            }
        )

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Headers that go with it, the media type among them."""
        found = [(b"content-type", MEDIA_TYPE)]
        if self.retry_after is not None:
            found.append((b"retry-after", str(self.retry_after).encode()))
        if self.code == "unauthorized":
            found.append((b"www-authenticate", self.challenge))
        return found
