"""A user's positives cut into sessions at long pauses."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sparse import SparseRows, from_sorted_pairs

_MINUTE_US = 60_000_000
_DAY_MINUTES = 1440


@dataclass(frozen=True, eq=False)
class Sessions:
    """Sessions sorted by user, then time: session s holds `items[starts[s]:starts[s + 1]]`, the oldest first.

    `users`: int32 (n,), `starts`: int64 (n + 1,), `items`: int32 (n_steps,), `ended_us`: int64 (n,), when its last
    positive occurred. No session is empty; no item comes twice in a row within a session.
    """

    users: NDArray[np.int32]
    starts: NDArray[np.int64]
    items: NDArray[np.int32]
    ended_us: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of steps of each session (n,)."""
        return np.diff(self.starts)

    @property
    def session_of(self) -> NDArray[np.int64]:
        """Session of each step (n_steps,)."""
        return np.repeat(np.arange(len(self.users)), self.lengths)

    def latest(self, targets: NDArray[np.int32]) -> NDArray[np.int64]:
        """The last session of each target (n_targets,), -1 for a user without any."""
        last = np.searchsorted(self.users, targets, side="right") - 1
        known = last >= 0
        known[known] = self.users[last[known]] == targets[known]
        return np.where(known, last, -1)


def split_sessions(problem: RetrievalProblem, *, gap_minutes: float | None, length: int | None = None) -> Sessions:
    """Sessions of the positives: a pause of more than `gap_minutes` ends one; only its latest `length` steps are kept.

    A user is one session where `gap_minutes` is None, and where times show no pauses: whole days against a gap
    below one day. Where all pauses are shorter, as those of row numbers are, a user is one session as well.
    """
    liked = problem.weights > 0
    users, items, times = problem.users[liked], problem.items[liked], problem.occurred_us[liked]
    begins = _begins(users, times, gap_minutes)
    firsts = np.flatnonzero(begins)
    moved = begins.copy()
    moved[1:] |= items[1:] != items[:-1]
    session_of = (np.cumsum(begins) - 1)[moved]
    items = items[moved]
    if length is not None:
        ends = np.cumsum(np.bincount(session_of, minlength=len(firsts)))
        kept = np.arange(len(items)) >= ends[session_of] - length
        session_of, items = session_of[kept], items[kept]
    starts = np.concatenate([[0], np.cumsum(np.bincount(session_of, minlength=len(firsts)))]).astype(np.int64)
    lasts = np.append(firsts[1:], len(users)) - 1 if len(firsts) else firsts
    return Sessions(users[firsts], starts, items, times[lasts])


def last_steps(sessions: Sessions, n_items: int) -> SparseRows:
    """Sessions by items: how many steps come after the item's last one.

    Columns of a row are in order of time. One empty row more at the end, which is what `latest` finds for nobody.
    """
    session_of = sessions.session_of
    order = np.lexsort((sessions.items, session_of))
    keys = session_of[order] * n_items + sessions.items[order]
    steps = np.sort(order[np.diff(keys, append=-1) != 0])
    rows = session_of[steps]
    after = sessions.starts[rows + 1] - 1 - steps
    shape = (len(sessions.users) + 1, n_items)
    return from_sorted_pairs(rows, sessions.items[steps], after.astype(np.float32), shape)


def spans(firsts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """firsts[0], firsts[0] + 1, …: `lengths[0]` of them, then those from firsts[1], and so on."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(firsts - before, lengths) + np.arange(int(lengths.sum()))


def _begins(users: NDArray[np.int32], times: NDArray[np.int64], gap_minutes: float | None) -> NDArray[np.bool_]:
    """Flags of the positives that open a session."""
    begins = np.ones(len(users), dtype=np.bool_)
    begins[1:] = users[1:] != users[:-1]
    if gap_minutes is not None and not _too_coarse(times, gap_minutes):
        begins[1:] |= np.diff(times) > gap_minutes * _MINUTE_US
    return begins


def _too_coarse(times: NDArray[np.int64], gap_minutes: float) -> bool:
    """Whether all times are whole days apart while the gap is shorter than a day."""
    whole_days = (times - times[:1]) % (_DAY_MINUTES * _MINUTE_US) == 0
    return gap_minutes < _DAY_MINUTES and bool(whole_days.all())
