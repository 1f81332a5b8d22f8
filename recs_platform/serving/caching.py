"""What a cache between server and client may keep: answers that are of no user, until the bundle is another.

Lists are kept by nobody else: they follow what the user does, and each has an id of its own.
"""
# pyright: reportUnknownMemberType=false

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from litestar import Request, Response

from recs_platform.serving.state import Serving

T = TypeVar("T")
# With the second in which a server looks for another release, it is taken up everywhere within five.
_SECONDS = 4


@dataclass(frozen=True)
class Caching:
    """`is_private`: keys are asked, so that a cache that many share must not answer who has none."""

    is_private: bool

    def answer(self, request: Request[Any, Any, Any], serving: Serving, make: Callable[[], T]) -> Response[Any]:
        """The answer with its tag; 304 without a body where the client has it. Raises Problem as `make` does."""
        tag = f'"{serving.bundle.manifest.version}"'
        found = make()
        shared = "private" if self.is_private else "public"
        headers = {"etag": tag, "cache-control": f"{shared}, max-age={_SECONDS}", "vary": "Authorization"}
        if tag in [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]:
            return Response(None, status_code=304, headers=headers)
        return Response(found, headers=headers)
