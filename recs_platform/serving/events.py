"""Events over HTTP: decoded one by one, completed, made durable once, and known to the session at once."""

from __future__ import annotations

import re
import time
import uuid
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from recs_platform.contracts.exposures import INTERLEAVED, row_id
from recs_platform.contracts.http_documents import Event, EventError, EventsTaken
from recs_platform.contracts.texts import says_nothing, why_no_id
from recs_platform.contracts.time import FIRST_CLOCK
from recs_platform.serving.dismissals import Dismissal
from recs_platform.serving.problems import Problem
from recs_platform.serving.sessions import NOT_CONSUMING, NOT_LIKED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from recs_platform.serving.seen_ids import SeenIds
    from recs_platform.serving.spool import Spool
    from recs_platform.serving.state import Serving

_EVENTS_MAX = 1_000
_SHOWN_MAX = 10_000  # of lists that impressions name
_NAMED_MAX = 3 * _EVENTS_MAX  # of ids that may be lists' in a body: an event has three
_AHEAD_MAX = timedelta(minutes=5)
# Of lists that events may name, anywhere in a body; what is none costs a look-up.
_LIST_IDS = re.compile(rb'"([0-9a-f]{32}(?:~[a-z0-9_-]+=[a-z0-9_-]+)*)"')
_ENCODER = msgspec.json.Encoder()
_RAW = msgspec.json.Decoder(list[msgspec.Raw])
_EVENT = msgspec.json.Decoder(Event)


async def take_in(serving: Serving, spool: Spool, seen: SeenIds, body: bytes) -> tuple[int, EventsTaken]:
    """Status and document for a body of one event or an array. Raises Problem where no event of it is acceptable.

    The answer is given once the accepted ones are durable; sessions follow them then.
    """
    if serving.shared is not None:
        named = (found[1].decode() for found in _LIST_IDS.finditer(body))
        await serving.shared.load_lists(islice(dict.fromkeys(named), _NAMED_MAX))
    events, errors = _decode(serving, body, datetime.now(UTC))
    fresh = {key: event for event in events if (key := event.event_id or "") not in seen}
    if not events and errors:
        raise Problem("invalid_events", f"none of {len(errors)} events can be accepted", errors=errors[:100])
    if fresh:
        await spool.append(b"".join(_ENCODER.encode(event) + b"\n" for event in fresh.values()), len(fresh))
    for event_id, event in fresh.items():
        # Two requests with the same new id may have waited side by side: ingestion keeps one of the rows.
        if event_id not in seen:
            seen.add(event_id)
            _follow(serving, event)
    if serving.shared is not None:
        await serving.shared.record(list(_steps(serving, fresh.values())))
    ids = [event.event_id or "" for event in events]
    taken = EventsTaken(len(fresh), len(events) - len(fresh), ids, errors)
    return (202 if fresh else 200), taken


def _steps(serving: Serving, events: Iterable[Event]) -> Iterator[tuple[str, str, str, str | None]]:
    """What other processes are told of events: what changes a session."""
    for event in events:
        stored = serving.stored_name(event.user_id)
        if event.item_id is not None and event.event_type not in NOT_CONSUMING and stored not in serving.forgotten:
            yield stored, event.item_id, event.event_type, event.session_id


def _follow(serving: Serving, event: Event) -> None:
    if event.item_id is not None:
        stored = serving.stored_name(event.user_id)
        if stored not in serving.forgotten:
            if serving.canary.running is not None:
                serving.canary.count_event(stored, event.event_type, serving.watch.bundle)
            serving.sessions.add(stored, event.item_id, event.event_type, event.session_id)
            if event.event_type == "dismiss" and event.occurred_at is not None:
                occurred, accepted = event.occurred_at.timestamp(), _after_release(serving, time.time())
                note_dismissal(serving, Dismissal(event.user_id, event.item_id, occurred, accepted))
            _learn(serving, stored, event)


def _after_release(serving: Serving, now: float) -> float:
    """The instant; that of the release in force where the clock is behind it: what comes now it cannot know."""
    return max(now, serving.bundle.manifest.known_at.timestamp()) if serving.watch.is_open else now


def note_dismissal(serving: Serving, one: Dismissal) -> None:
    """Keep a dismissed item away until a release knows of it; the user as an event names them."""
    stored = serving.stored_name(one.user)
    if stored not in serving.forgotten:
        serving.dismissals.add(one._replace(user=stored))


def _learn(serving: Serving, stored: str, event: Event) -> None:
    """What speaks for an item is learned, of users of whom anything may be inferred; a dismissal takes it back."""
    learned, at = serving.learned, event.occurred_at
    if learned is None or at is None or event.item_id is None or event.event_type in NOT_CONSUMING:
        return
    if event.event_type in NOT_LIKED:
        learned.drop(stored, event.item_id)
        return
    if serving.watch.is_open and not serving.bundle.is_opted_out(stored):
        learned.add(stored, event.item_id, at.timestamp())


def _decode(serving: Serving, body: bytes, now: datetime) -> tuple[list[Event], list[EventError]]:
    rows = _rows(body)
    events, errors = list[Event](), list[EventError]()
    for index, raw in enumerate(rows):
        try:
            event = _EVENT.decode(raw)
            events.extend(_complete(serving, event, now))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            errors.append(EventError(index, "invalid_event", str(error)[:300]))
        except Problem as problem:
            errors.append(EventError(index, problem.code, problem.detail))
        if len(events) > _SHOWN_MAX:
            raise Problem("invalid_events", f"the lists shown hold more than {_SHOWN_MAX} items; send fewer at once")
    return events, errors


def _rows(body: bytes) -> list[msgspec.Raw]:
    """Events of a body, undecoded. Raises Problem for what is no JSON, is empty or holds too many."""
    try:
        rows = _RAW.decode(body) if body.lstrip()[:1] == b"[" else [msgspec.json.decode(body, type=msgspec.Raw)]
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Problem("malformed_json", str(error)[:200]) from None
    if not 1 <= len(rows) <= _EVENTS_MAX:
        raise Problem("invalid_events", f"a request holds 1 to {_EVENTS_MAX} events, not {len(rows)}")
    return rows


def _complete(serving: Serving, event: Event, now: datetime) -> list[Event]:
    """The event with id and time; an impression of a whole list becomes one event an item. Raises Problem."""
    _settle(event, now)
    if event.event_type == "impression" and event.request_id is not None:
        return _impressions(serving, event)
    if event.item_id is None:
        raise Problem("invalid_parameter", "item_id is missing; only an impression of a whole list leaves it out")
    if event.event_id is None:
        event.event_id = uuid.uuid4().hex
    if INTERLEAVED in (event.request_id or ""):
        # An answer is to the row, which has the id of the variant whose pick it was.
        shown = _shown(serving, event.request_id or "", serving.stored_name(event.user_id)) or ()
        event.request_id = next((each for item, _, each in shown if item == event.item_id), event.request_id)
    return [event]


def _settle(event: Event, now: datetime) -> None:
    """Give it a time, leave out ids that say nothing, and raise Problem for what ingestion would reject."""
    if event.occurred_at is None:
        event.occurred_at = now
    elif event.occurred_at > now + _AHEAD_MAX:
        raise Problem("invalid_parameter", "occurred_at lies in the future")
    elif event.occurred_at < FIRST_CLOCK:
        raise Problem("invalid_parameter", f"occurred_at lies before {FIRST_CLOCK.year}")
    for name, given in (("user_id", event.user_id), ("item_id", event.item_id)):
        if given is not None and (fault := why_no_id(given, is_person=name == "user_id")) is not None:
            raise Problem("invalid_id", f"{name} {fault}")
    # As ingestion does. All events with such an id would be one.
    if event.event_id is not None and says_nothing(event.event_id):
        event.event_id = None
    if event.session_id is not None and says_nothing(event.session_id):
        event.session_id = None
    if event.request_id is not None and says_nothing(event.request_id):
        event.request_id = None


def _impressions(serving: Serving, event: Event) -> list[Event]:
    """One event for each item of the list that was shown, or for the one named.

    Their ids follow from the list and the place, so that the same impression is counted once, whoever reports it.
    """
    shown = _shown(serving, event.request_id or "", serving.stored_name(event.user_id))
    if event.item_id is not None and shown is None:
        # Of a list of another system, or one that is forgotten: it says itself what was shown.
        return [event if event.event_id is not None else msgspec.structs.replace(event, event_id=uuid.uuid4().hex)]
    if shown is None:
        raise Problem("unknown_recommendation", "request_id names no list shown to this user lately")
    wanted = [(rank, *each) for rank, each in enumerate(shown, 1) if event.item_id in (None, each[0])]
    if not wanted:
        raise Problem("unknown_item", "the list did not show this item")
    return [
        msgspec.structs.replace(
            event,
            event_id=f"{event.request_id}:{rank}",
            item_id=item,
            position=rank,
            propensity=propensity,
            request_id=shown_as,
        )
        for rank, item, propensity, shown_as in wanted
    ]


def _shown(serving: Serving, list_id: str, user: str) -> list[tuple[str, float | None, str]] | None:
    """Item, propensity and row's id of each place shown to a user, None of a list that is not remembered."""
    made, kept = serving.lists.find(list_id), serving.lists.find_kept(list_id)
    if made is not None and (kept is None or kept.shown <= len(made.seen())):
        ids = made.bundle.item_ids
        shown = [(ids[each.item], each.propensity, row_id(list_id, each.team)) for each in made.seen()]
        made.let_go()
        return shown if made.asked.user_id == user else None
    if kept is None or not serving.lists.is_of(kept, user) or user in serving.forgotten:
        return None
    return [(each.item_id, each.propensity, row_id(list_id, each.team)) for each in kept.places[: kept.shown]]
