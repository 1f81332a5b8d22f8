"""What users did a moment ago, in memory: the items of their session, and what they do not want to see again."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

Clock = Callable[[], float]
_USERS_MAX = 200_000
_STEPS_MAX = 50
_GONE_MAX = 5_000
NOT_CONSUMING = frozenset({"impression"})
NOT_LIKED = frozenset({"impression", "dismiss"})


@dataclass(frozen=True)
class Step:
    """One item that a user chose, and in which session."""

    item_id: str
    session_id: str | None


@dataclass
class Session:
    """`steps`: chosen items, oldest first. `gone`: items consumed or dismissed since it began, the last 5,000."""

    steps: list[Step] = field(default_factory=list[Step])
    gone: dict[str, None] = field(default_factory=dict[str, None])
    touched: float = 0.0

    def recent(self, session_id: str | None, count: int) -> list[str]:
        """The last chosen items, newest first, each once; of that session alone where one is named."""
        same = (step for step in reversed(self.steps) if session_id is None or step.session_id in (session_id, None))
        return list(dict.fromkeys(step.item_id for step in same))[:count]


class Sessions:
    """Sessions by user, in memory: one ends `ttl_seconds` after its last event, the longest idle one where it is full.

    `clock` gives monotonic seconds, so that a clock that is set does not end sessions.
    """

    def __init__(self, ttl_seconds: float, clock: Clock) -> None:
        self._ttl, self._clock = ttl_seconds, clock
        self._by_user: OrderedDict[str, Session] = OrderedDict()

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
        session.gone.pop(item_id, None)
        session.gone[item_id] = None
        if len(session.gone) > _GONE_MAX:
            del session.gone[next(iter(session.gone))]
        if event_type not in NOT_LIKED:
            session.steps = [*session.steps, Step(item_id, session_id)][-_STEPS_MAX:]
        else:
            session.steps = [step for step in session.steps if step.item_id != item_id]
        self._by_user[user_id] = session
        self._by_user.move_to_end(user_id)

    def renew(self, user_id: str, steps: Iterable[tuple[str, str, str | None]], *, idle_seconds: float) -> None:
        """Begin a session anew from all that was done in it: item, type of event and session of each, oldest first.

        Its last event was `idle_seconds` ago. What is gone by what this process alone knows stays gone.
        """
        own = self.of(user_id)
        self._by_user.pop(user_id, None)
        for item_id, event_type, session_id in steps:
            self.add(user_id, item_id, event_type, session_id)
        made = self._by_user.get(user_id)
        if made is not None:
            made.touched = self._clock() - idle_seconds
        if own is not None and made is not None:
            made.touched = max(made.touched, own.touched)
            made.gone = {**own.gone, **made.gone}
            for item in list(made.gone)[:-_GONE_MAX]:
                del made.gone[item]
        elif own is not None:  # nothing of what is shared could be read
            self._by_user[user_id] = own

    def forget(self, user_id: str) -> None:
        """Drop what is remembered of a user."""
        self._by_user.pop(user_id, None)

    def _drop_ended(self) -> None:
        while self._by_user:
            oldest = next(iter(self._by_user.values()))
            if len(self._by_user) < _USERS_MAX and self._clock() - oldest.touched <= self._ttl:
                return
            self._by_user.popitem(last=False)
