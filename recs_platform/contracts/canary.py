"""What is kept of a canary release: the file that `recs serve` writes and `recs status` reads. It names no user."""

from datetime import datetime

import msgspec


class CanaryTrial(msgspec.Struct):
    """A release that some users get. Counts by metric, a number a group of users, of it and of the release before."""

    release_id: str
    started_at: datetime
    new: dict[str, list[int]]
    old: dict[str, list[int]]


class CanaryState(msgspec.Struct):
    """`settled_id`: the release of whoever gets no canary. `taken_back`: reasons by release. `said`: how it stands."""

    settled_id: str | None = None
    trial: CanaryTrial | None = None
    taken_back: dict[str, str] = {}
    said: str = ""
