"""The nearest right name to one that was mistyped, for messages."""

import re
from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches

_CUTOFF = 0.7
# One letter of two is two thirds alike.
_SHORT, _SHORT_CUTOFF = 2, 0.66
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
_DIGITS_MAX = 12


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like `word`, whatever its case; None when none does.

    >>> nearest("Viewed", ["click", "view"]), nearest("xyz", ["click", "view"]), nearest("kk", ["k", "seed"])
    ('view', None, 'k')
    """
    by_lower: dict[str, str] = {}
    for name in known:
        by_lower.setdefault(name.lower(), name)
    cutoff = _SHORT_CUTOFF if len(word) <= _SHORT else _CUTOFF
    found = get_close_matches(word.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[found[0]] if found else None


def one_slip_away(word: str, known: Collection[str]) -> str | None:
    """The known name that differs from `word` by one character, two swapped ones, its case, or zeros before a number.

    It takes as long for a million names as for ten, where `known` is a set: ids of users are many. The first in order
    where several are; None where none is.

    >>> known = {"u00042", "u00043", "Ann"}
    >>> one_slip_away("u42", known), one_slip_away("u0043", known), one_slip_away("xyz", known)
    ('u00042', 'u00043', None)
    >>> one_slip_away("Anm", known), one_slip_away("ann", known)
    ('Ann', 'Ann')
    """
    return min((each for each in _slips(word) if each in known), default=None)


def _slips(word: str) -> Iterator[str]:
    yield from {word.lower(), word.upper(), word.title()} - {word}
    for before, number in re.findall(r"^(.*?)(\d+)$", word):
        yield from (f"{before}{number.lstrip('0').zfill(length)}" for length in range(1, _DIGITS_MAX))
    for place in range(len(word) + 1):
        head, tail = word[:place], word[place:]
        yield from (head + letter + tail for letter in _LETTERS)
        if tail:
            yield head + tail[1:]
            yield from (head + letter + tail[1:] for letter in _LETTERS)
            yield head + tail[1:2] + tail[0] + tail[2:]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question to end a message with, empty when no known name is near.

    >>> did_you_mean("movielnes", ["movielens", "world"]), did_you_mean("abc", ["world"])
    ("; did you mean 'movielens'?", '')
    """
    found = nearest(word, known)
    return "" if found is None else f"; did you mean {found!r}?"
