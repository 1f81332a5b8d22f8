"""What is kept in memory within so many bytes: the oldest goes first. What is kept so is in the modules that keep it.

Sizes are what CPython 3.11 takes for such objects on 64 bits, rounded up; a test holds them against what is measured.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

K = TypeVar("K")
V = TypeVar("V")
ENTRY_BYTES = 280  # key, place in the order, and the pair of value and size
TEXT_BYTES = 64  # of a short text beside its letters


class Shares(NamedTuple):
    """Bytes for each kind of what a process remembers; `kept` are lists of other processes."""

    sessions: int
    lists: int
    kept: int
    event_ids: int
    dismissals: int
    pages: int


_PERCENT = Shares(sessions=26, lists=18, kept=14, event_ids=14, dismissals=18, pages=10)


def shares_of(megabytes: int) -> Shares:
    """How so much memory is divided.

    >>> shares_of(200).sessions
    52000000
    """
    return Shares(*(megabytes * 10_000 * percent for percent in _PERCENT))


class Bounded(Generic[K, V]):
    """Values by key, oldest first. `bytes` is what they are said to take, never more than `bytes_max`."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes, self.bytes_max = 0, bytes_max
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[K]:
        return iter(self._entries)

    def get(self, key: K) -> V | None:
        """The value of a key."""
        found = self._entries.get(key)
        return None if found is None else found[0]

    def items(self) -> Iterator[tuple[K, V]]:
        """Keys and values, oldest first."""
        return ((key, value) for key, (value, _) in self._entries.items())

    def put(self, key: K, value: V, size: int) -> None:
        """Keep a value as the newest, which takes `size` bytes beside its entry; one that is too large goes at once."""
        whole, before = size + ENTRY_BYTES, self._entries.pop(key, None)
        self._entries[key] = value, whole
        self.bytes += whole if before is None else whole - before[1]
        while self.bytes > self.bytes_max:
            self.drop_oldest()

    def weigh(self, key: K, size: int) -> None:
        """Note that a value takes another size now; it is no newer for that."""
        found = self._entries.get(key)
        if found is not None:
            self._entries[key] = found[0], size + ENTRY_BYTES
            self.bytes += size + ENTRY_BYTES - found[1]
            while self.bytes > self.bytes_max:
                self.drop_oldest()

    def pop(self, key: K) -> V | None:
        """Let go of a value."""
        found = self._entries.pop(key, None)
        if found is None:
            return None
        self.bytes -= found[1]
        return found[0]

    def oldest(self) -> V | None:
        """The value that was put longest ago."""
        found = next(iter(self._entries.values()), None)
        return None if found is None else found[0]

    def drop_oldest(self) -> None:
        """Let go of it."""
        _, (_, size) = self._entries.popitem(last=False)
        self.bytes -= size

    def clear(self) -> None:
        """Keep nothing."""
        self._entries.clear()
        self.bytes = 0
