"""Ids of events that were made durable a moment ago, so that one that is sent again changes nothing here either."""

from recs_platform.serving.bounded import TEXT_BYTES

_PLACE_BYTES = 72  # of a text in a set, which is up to twice as large as what is in it


class SeenIds:
    """The last event_ids that fit in `bytes_max`, and at least those that fit in half of it; ingestion knows the rest.

    Two sets take turns: a full one is kept until the next is full, for sets have no order to drop the oldest by, and
    what has costs twice as much.
    """

    def __init__(self, bytes_max: int) -> None:
        self._half = bytes_max // 2
        self._new, self._old = set[str](), set[str]()
        self._new_bytes = self._old_bytes = 0

    def __contains__(self, event_id: str) -> bool:
        return event_id in self._new or event_id in self._old

    @property
    def bytes(self) -> int:
        """What they take."""
        return self._new_bytes + self._old_bytes

    def add(self, event_id: str) -> None:
        """Remember one."""
        if event_id in self._new:
            return
        size = _PLACE_BYTES + TEXT_BYTES + len(event_id)
        if self._new_bytes + size > self._half:
            self._old, self._old_bytes = self._new, self._new_bytes
            self._new, self._new_bytes = set[str](), 0
        self._new.add(event_id)
        self._new_bytes += size
