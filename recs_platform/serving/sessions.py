"""What users did a moment ago, in memory: the items of their session, and what they do not want to see again."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from recs_platform.serving.bounded import TEXT_BYTES, Bounded

Clock = Callable[[], float]
_SESSION_BYTES, _STEP_BYTES, _GONE_BYTES = 700, 80 + TEXT_BYTES, 100 + TEXT_BYTES
_STEPS_MAX = 50
_GONE_MAX = 5_000
NOT_CONSUMING = frozenset({"impression"})
NOT_LIKED = frozenset({"impression", "dismiss"})


class Step(NamedTuple):
    """One item that a user chose, and in which session."""

    item_id: str
    session_id: str | None


@dataclass(slots=True)
class Session:
    """`steps`: chosen items, oldest first. `gone`: items consumed or dismissed since it began, the last 5,000.

    `gone_bytes`: what `gone` takes in memory.
    """

    steps: list[Step] = field(default_factory=list[Step])
    gone: dict[str, None] = field(default_factory=dict[str, None])
    touched: float = 0.0
    gone_bytes: int = 0

    def add_gone(self, item_id: str) -> None:
        """An item leaves, and is the last that did; beyond 5,000 the first comes back."""
        if item_id not in self.gone:
            self.gone_bytes += _GONE_BYTES + len(item_id)
        self.gone.pop(item_id, None)
        self.gone[item_id] = None
        if len(self.gone) > _GONE_MAX:
            oldest = next(iter(self.gone))
            del self.gone[oldest]
            self.gone_bytes -= _GONE_BYTES + len(oldest)

    def size(self) -> int:
        """Bytes of memory, about."""
        steps = sum(_STEP_BYTES + len(step.session_id or "") for step in self.steps)
        return _SESSION_BYTES + self.gone_bytes + steps

    def recent(self, session_id: str | None, count: int) -> list[str]:
        """The last chosen items, newest first, each once; of that session alone where one is named."""
        same = (step for step in reversed(self.steps) if session_id is None or step.session_id in (session_id, None))
        return list(dict.fromkeys(step.item_id for step in same))[:count]


class Sessions:
    """Sessions by user, in memory: one ends `ttl_seconds` after its last event, the longest idle one where it is full.

    It is full at `bytes_max`.

    `clock` gives monotonic seconds, so that a clock that is set does not end sessions.
    """

    def __init__(self, ttl_seconds: float, clock: Clock, bytes_max: int) -> None:
        self._ttl, self._clock = ttl_seconds, clock
        self._by_user: Bounded[str, Session] = Bounded(bytes_max)

    @property
    def bytes(self) -> int:
        """What all of them take."""
        return self._by_user.bytes

    def __len__(self) -> int:
        return len(self._by_user)

    def users(self) -> list[str]:
        """Of whom anything is in memory."""
        return list(self._by_user)

    def of(self, user_id: str) -> Session | None:
        """The session of a user, None where there is none or it has ended."""
        found = self._by_user.get(user_id)
        return None if found is None or self._clock() - found.touched > self._ttl else found

    def add(self, user_id: str, item_id: str, event_type: str, session_id: str | None) -> None:
        """Take in one event; an impression says nothing of what is wanted."""
        if event_type in NOT_CONSUMING:
            return
        self._drop_ended()
        session = self.of(user_id) or Session()
        session.touched = self._clock()
        session.add_gone(item_id)
        if event_type not in NOT_LIKED:
            session.steps = [*session.steps, Step(item_id, session_id)][-_STEPS_MAX:]
        else:
            session.steps = [step for step in session.steps if step.item_id != item_id]
        self._by_user.put(user_id, session, session.size())

    def renew(self, user_id: str, steps: Iterable[tuple[str, str, str | None]], *, idle_seconds: float) -> None:
        """Begin a session anew from all that was done in it: item, type of event and session of each, oldest first.

        Its last event was `idle_seconds` ago. What is gone by what this process alone knows stays gone.
        """
        own = self.of(user_id)
        self._by_user.pop(user_id)
        for item_id, event_type, session_id in steps:
            self.add(user_id, item_id, event_type, session_id)
        made = self._by_user.get(user_id)
        if made is not None:
            made.touched = self._clock() - idle_seconds
        if own is not None and made is not None:
            made.touched = max(made.touched, own.touched)
            since, made.gone, made.gone_bytes = made.gone, {}, 0
            for item in (*own.gone, *since):
                made.add_gone(item)
            self._by_user.put(user_id, made, made.size())
        elif own is not None:  # nothing of what is shared could be read
            self._by_user.put(user_id, own, own.size())

    def forget(self, user_id: str) -> None:
        """Drop what is remembered of a user."""
        self._by_user.pop(user_id)

    def _drop_ended(self) -> None:
        now = self._clock()
        while (oldest := self._by_user.oldest()) is not None and now - oldest.touched > self._ttl:
            self._by_user.drop_oldest()
