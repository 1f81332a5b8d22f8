"""Ids of requests and lists: 128 random bits each, of which the kernel is asked for many at once."""

import os
from collections.abc import Iterator

_BYTES, _AT_ONCE = 16, 256


def _drawn() -> Iterator[str]:
    while True:
        drawn = os.urandom(_BYTES * _AT_ONCE).hex()
        for start in range(0, len(drawn), 2 * _BYTES):
            yield drawn[start : start + 2 * _BYTES]


_IDS = _drawn()


def random_id() -> str:
    """32 hexadecimal digits that nobody can guess."""
    return next(_IDS)
