"""Addresses of the interface: which endpoint a path is counted under, and which scope a key needs for it."""

from recs_platform.serving.demo import ACTION
from recs_platform.serving.demo import PATHS as DEMO_PATHS
from recs_platform.serving.keys import Scope

USERS, LISTS, EVENTS = b"/v1/users/", b"/recommendations", b"/v1/events"
LIST = "/v1/users/{user_id}/recommendations"
OPEN = frozenset({"/healthz", "/readyz", "/openapi.json", "/docs"})
_ENDPOINTS = ("/v1/popular", "/v1/releases/current", "/metrics", *sorted(OPEN | DEMO_PATHS))


def scope_needed(path: str, method: str) -> Scope:
    """What a key has to be allowed."""
    if method == "DELETE":
        return Scope.ADMIN
    return Scope.WRITE if path in (EVENTS.decode(), ACTION) else Scope.READ


def endpoint_of(path: str) -> str:
    """The pattern that a path fits; `other` for none, so that no path of a stranger becomes a label."""
    if path.startswith("/v1/users/"):
        return LIST if path.endswith("/recommendations") else "/v1/users/{user_id}"
    if path.startswith("/v1/items/"):
        return "/v1/items/{item_id}/similar"
    return path if path in _ENDPOINTS or path == EVENTS.decode() else "other"
