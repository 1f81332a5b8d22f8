"""At which line of a TOML file a key stands. Lines of a yml are found in `validation_errors`."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, cast

_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_KEY = re.compile(rf"^\s*({_PART}(?:\s*\.\s*{_PART})*)\s*=")
_TABLE = re.compile(rf"^\s*\[\s*({_PART}(?:\s*\.\s*{_PART})*)\s*\]")


def line_of_key(text: str, names: Sequence[str]) -> int | None:
    r"""The line, from 1, of a dotted key, or of the nearest that holds it; None where there is neither.

    >>> text = 'k = 5\n[retrieval]\nquotas = {als = 1}\n[retrieval.cold]\npositives_max = 2\n'
    >>> [line_of_key(text, name.split(".")) for name in ("k", "retrieval.quotas.als", "retrieval.cold", "seed")]
    [1, 3, 4, None]
    """
    lines = _lines(text)
    return next((lines[tuple(names[:n])] for n in range(len(names), 0, -1) if tuple(names[:n]) in lines), None)


def depth(values: Mapping[str, Any], names: Sequence[str]) -> int:
    """How many of the names lead down into nested values.

    >>> depth({"publish": {"as_ofs_max": 3}}, ["publish", "as_ofs_max"]), depth({"k": 5}, ["k", "x"]), depth({}, ["k"])
    (2, 1, 0)
    """
    below: object = values
    for level, name in enumerate(names):
        if not isinstance(below, Mapping) or name not in below:
            return level
        below = cast("Mapping[str, object]", below)[name]
    return len(names)


def _lines(text: str) -> dict[tuple[str, ...], int]:
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if found := _TABLE.match(line):
            table = _names(found[1])
            lines.setdefault(table, number)
        elif found := _KEY.match(line):
            lines.setdefault((*table, *_names(found[1])), number)
    return lines


def _names(key: str) -> tuple[str, ...]:
    """The parts of a dotted key, quotes taken away."""
    names: list[str] = []
    below: Any = tomllib.loads(f"{key} = 0")
    while isinstance(below, dict):
        name, below = next(iter(cast("dict[str, Any]", below).items()))
        names.append(name)
    return tuple(names)
