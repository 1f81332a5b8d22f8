"""Texts that say nothing, and words for yes and no: what counts as which, wherever a value is read."""

import json
import re

# What separates words on a page or screen, and marks that are not seen at all.
BLANKS = (
    " \t\n\r\v\f\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)

# In the place of any id; compared in lower case. As a key they would make one of everybody who has none.
PLACEHOLDERS = (
    "undefined",
    "null",
    "none",
    "nil",
    "nan",
    "n/a",
    "<na>",
    "na",
    "#n/a",
    "\\n",
    "<nil>",
    "-",
    "--",
    "not set",
    "(not set)",
    "(other)",
    "(none)",
    "(null)",
    "(empty)",
    "[object object]",
    "{}",
    "[]",
)
# Texts that hold no id either: an object that was written as text, a template that was not filled in.
PLACEHOLDER_PATTERNS = (
    r"\[object [a-z]+\]",
    r"[\"'](?:undefined|null|none|nan)[\"']",
    r"\$\{.*\}",
    r"\{\{.*\}\}",
    r"%[a-z_]+%",
)
# In the place of a person's id only: an item may well be called so.
NOBODY = ("anonymous", "anon", "guest", "unknown", "not_authenticated", "not authenticated", "true", "false", "-1")
# Zeros alone are nobody's id from this length on, dashes not counted: shorter ones are the first of a series.
ZEROS_MIN = 8
# All that is no id but for words.
NO_ID_PATTERNS = (f"-*(?:0-*){{{ZEROS_MIN},}}", *PLACEHOLDER_PATTERNS)
# What a spreadsheet makes of a long number: its last digits are lost.
SCIENTIFIC_PATTERN = r"-?[0-9](\.[0-9]+)?[eE][+-][0-9]+"

# Of consent and of any other truth value; compared in lower case. What is neither is no truth value.
TRUE_WORDS = (
    "true",
    "t",
    "yes",
    "y",
    "1",
    "1.0",
    "on",
    "granted",
    "allowed",
    "accepted",
    "opt_in",
    "opted_in",
    "opt-in",
)
FALSE_WORDS = (
    "false", "f", "no", "n", "0", "0.0", "off", "denied", "disallowed", "rejected", "refused", "declined", "withdrawn",
    "revoked", "opt_out", "opted_out", "opt-out",
)  # fmt: skip


def any_of(words: tuple[str, ...], *patterns: str) -> str:
    """A pattern of one of the words in any case, or of one of the patterns; for whole texts."""
    return f"(?i)(?:{'|'.join([*map(re.escape, words), *patterns])})"


_PLACEHOLDER = re.compile(any_of(PLACEHOLDERS, *NO_ID_PATTERNS))
_NOBODY = re.compile(any_of((*PLACEHOLDERS, *NOBODY), *NO_ID_PATTERNS))
_SCIENTIFIC = re.compile(SCIENTIFIC_PATTERN)


def says_nothing(text: str) -> bool:
    """Whether an id that need not be there is none: blanks alone, or what programmes write where they have none.

    >>> says_nothing(" undefined"), says_nothing("00000000-0000"), says_nothing("guest")
    (True, True, False)
    """
    bare = text.strip(BLANKS)
    return not bare or _PLACEHOLDER.fullmatch(bare) is not None


def why_no_id(text: str, *, is_person: bool) -> str | None:
    """Why ingestion rejects the id of an item or a person, None of one that it takes.

    >>> why_no_id("i7", is_person=False), why_no_id("Guest", is_person=False)
    (None, None)
    >>> why_no_id("Guest", is_person=True)
    'is what a programme writes where it has no id'
    """
    bare = text.strip(BLANKS)
    if not bare:
        return "is blank"
    if (_NOBODY if is_person else _PLACEHOLDER).fullmatch(bare):
        return "is what a programme writes where it has no id"
    if _SCIENTIFIC.fullmatch(bare):
        return "is a number in scientific notation, which has lost digits"
    return "is JSON" if bare[0] in "[{" and _is_json(bare) else None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
