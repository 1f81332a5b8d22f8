"""The demo page: a user's list as it is now, what their session did to it, and a click that is a real event.

It has no script: forms are posted and answered by a redirect. What the page looks like is in the templates of `pages`;
lists and events are those of the interface, asked for as anybody would.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec

from recs_platform.contracts.http_documents import Event
from recs_platform.serving.answers import recommendations
from recs_platform.serving.asgi import Headers, header
from recs_platform.serving.asking import CONTEXTS
from recs_platform.serving.catalogue_answers import similar
from recs_platform.serving.events import take_in
from recs_platform.serving.parameters import checked_id, read_query
from recs_platform.serving.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recs_platform.serving.asgi import Scope
    from recs_platform.serving.seen_ids import SeenIds
    from recs_platform.serving.spool import Spool
    from recs_platform.serving.state import Serving
    from recs_platform.stages.releases.bundle import Bundle

PAGE, ACTION = "/demo", "/demo/events"
PATHS = frozenset({PAGE, ACTION})
_HTML: Headers = [(b"content-type", b"text/html; charset=utf-8")]
_FORM = "application/x-www-form-urlencoded"
_PAGE_FIELDS = ("user_id", "session_id", "surface", "context", "item_id")
_EVENT_FIELDS = (*_PAGE_FIELDS, "token", "event_type", "request_id", "position")
_EVENT_TYPES = frozenset({"click", "dismiss"})
_USERS_SHOWN, _HISTORY_SHOWN, _SIMILAR_SHOWN = 8, 8, 6
_SESSION_LETTERS = 4


@dataclass(frozen=True)
class Item:
    """An item as the page names it."""

    item_id: str
    title: str


@dataclass(frozen=True)
class Person:
    """What is known of the user: `steps` of the session, newest first; `gone`: what left the list since it began."""

    is_known: bool
    is_opted_out: bool
    consumed_count: int
    history: list[Item]
    steps: list[Item]
    gone: list[Item]


@dataclass(frozen=True)
class Demo:
    """The page of one server. `token` is in each of its forms: a page of another site does not know it."""

    serving: Serving
    spool: Spool
    seen: SeenIds
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def page(self, raw_query: bytes, request_id: str) -> tuple[int, bytes, Headers]:
        """Status, body and headers. What is wrong with a field is said on the page. Raises Problem `not_ready`."""
        self._require_on()
        query = {name: value for name, value in read_query(raw_query, _PAGE_FIELDS).items() if value}
        query.setdefault("session_id", f"demo-{secrets.token_hex(_SESSION_LETTERS)}")
        status, shown = 200, dict[str, Any]()
        try:
            shown = self._shown(query, request_id)
        except Problem as problem:
            status, shown = problem.status, {"fault": problem.detail}
        return status, self._render(query, shown), _HTML

    async def take(self, scope: Scope, body: bytes) -> tuple[int, bytes, Headers]:
        """Report what was pressed; the answer leads back to the page. Raises Problem for a form of another page."""
        self._require_on()
        given = (header(scope, b"content-type") or b"").decode("latin-1").partition(";")[0].strip().lower()
        if given != _FORM:
            raise Problem("unsupported_media_type", f"send {_FORM}")
        form = read_query(body, _EVENT_FIELDS)
        if not hmac.compare_digest(form.get("token", "").encode(), self.token.encode()):
            raise Problem("forbidden", "the form is not of this page, or the server began anew since; open /demo again")
        if form.get("event_type") not in _EVENT_TYPES:
            raise Problem("invalid_parameter", "event_type is click or dismiss", parameter="event_type")
        await take_in(self.serving, self.spool, self.seen, _event(form))
        back = urlencode({name: form[name] for name in _PAGE_FIELDS if form.get(name)})
        return 303, b"", [(b"location", f"{PAGE}?{back}#list".encode())]

    def _require_on(self) -> None:
        if not self.serving.settings.demo:
            raise Problem("not_found", "no such address")

    def _shown(self, query: Mapping[str, str], request_id: str) -> dict[str, Any]:
        """What the page shows of a user and of an item, each where it is asked for."""
        bundle, shown = self.serving.bundle, dict[str, Any]()
        if "user_id" in query:
            asked = {name: query[name] for name in ("session_id", "surface") if name in query}
            name, _, value = query.get("context", "").partition("=")
            asked |= {name: value} if name in CONTEXTS else {}
            asked["explain"] = "true"
            made = recommendations(self.serving, checked_id(query["user_id"]), asked, request_id)
            shown |= {"made": made, "places": [(each, title_of(bundle, each.item_id)) for each in made.items]}
            shown["person"] = person_of(self.serving, bundle, query["user_id"])
        if "item_id" in query:
            shown["near"] = similar(self.serving, query["item_id"], _SIMILAR_SHOWN)
            shown["near_title"] = title_of(bundle, query["item_id"])
        return shown

    def _render(self, query: Mapping[str, str], shown: Mapping[str, Any]) -> bytes:
        from recs_platform.pages.templating import render  # the page is off in most servers

        bundle = self.serving.bundle
        values: dict[str, Any] = {
            "made": None,
            "places": [],
            "person": None,
            "near": None,
            "near_title": "",
            "fault": None,
            **shown,
        }
        page = render(
            "demo.html",
            **values,
            query={name: query.get(name, "") for name in _PAGE_FIELDS},
            keep={name: query[name] for name in ("session_id", "surface", "context") if name in query},
            token=self.token,
            action=ACTION,
            release_id=bundle.release_id,
            as_of=bundle.manifest.as_of,
            users=users_to_pick(self.serving, bundle),
            surfaces=self.serving.settings.surfaces,
            contexts=[each for each in bundle.contexts if "=" in each],
        )
        return str(page).encode("utf-8", "replace")


def users_to_pick(serving: Serving, bundle: Bundle) -> list[str]:
    """A few users of the bundle; none where it holds pseudonyms, for which nobody asks."""
    return [
        user
        for user in bundle.some_users(_USERS_SHOWN)
        if serving.stored_name(user) == user and user not in serving.forgotten
    ]


def person_of(serving: Serving, bundle: Bundle, user_id: str) -> Person:
    """What the server knows of a user, with nothing of one who asked to be forgotten."""
    stored = serving.stored_name(user_id)
    user = None if stored in serving.forgotten else bundle.user(stored)
    session = serving.sessions.of(stored)
    consumed: list[int] = [] if user is None else bundle.consumed(user).tolist()
    steps = [] if session is None else session.recent(None, _HISTORY_SHOWN)
    gone = [] if session is None else list(reversed(session.gone))[:_HISTORY_SHOWN]
    return Person(
        user is not None,
        bundle.is_opted_out(stored),
        len(consumed),
        [Item(bundle.item_ids[code], bundle.titles[code]) for code in consumed[:_HISTORY_SHOWN]],
        [Item(item, title_of(bundle, item)) for item in steps],
        [Item(item, title_of(bundle, item)) for item in gone],
    )


def title_of(bundle: Bundle, item_id: str) -> str:
    """The title of an item, its id where the bundle knows none."""
    code = bundle.item(item_id)
    return (bundle.titles[code] if code is not None else "") or item_id


def _event(form: Mapping[str, str]) -> bytes:
    """The event of a form, as anybody would send it. `referrer` tells these events from those of an application."""
    given = {
        name: form[name] for name in ("user_id", "item_id", "event_type", "session_id", "request_id") if name in form
    }
    position = form.get("position", "")
    try:
        event = msgspec.convert(
            {
                **given,
                "position": int(position) if position.isascii() and position.isdigit() else None,
                "referrer": PAGE,
            },
            Event,
        )
    except (msgspec.ValidationError, ValueError) as error:
        raise Problem("invalid_parameter", str(error)[:300]) from None
    return msgspec.json.encode(event)
