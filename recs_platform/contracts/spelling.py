"""The nearest right name to one that was mistyped, for messages."""

from collections.abc import Iterable
from difflib import get_close_matches

_CUTOFF = 0.7
# One letter of two is two thirds alike.
_SHORT, _SHORT_CUTOFF = 2, 0.66


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


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question to end a message with, empty when no known name is near.

    >>> did_you_mean("movielnes", ["movielens", "world"]), did_you_mean("abc", ["world"])
    ("; did you mean 'movielens'?", '')
    """
    found = nearest(word, known)
    return "" if found is None else f"; did you mean {found!r}?"
