"""Values as strict JSON, as a cell of CSV and as a cell of a table. Printing is in `show`."""

import json
import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import cast

_QUOTED = set('",\r\n')
_SHOWN_DIGITS = 6
_PLAIN_BYTES = set(range(ord(" "), ord("~") + 1)) - {ord("\\")}
_BREAKS_A_LINE = {"Cc", "Cs", "Zl", "Zp"}
# Beyond these a float is shown in full: six digits would cut what people count.
_LARGE = 1e6


def json_text(value: object) -> str:
    r"""Strict JSON of a value: NaN and infinity are null, whole numbers of any size are numbers.

    Instants, dates, times and intervals are text, bytes are text as DuckDB writes them, keys are text.

    >>> json_text({"a": [float("nan"), 2**70, Decimal("1.50")], 1: b"x\x00"})
    '{"a": [null, 1180591620717411303424, 1.50], "1": "x\\\\x00"}'
    """
    match value:
        case None | bool() | str() | int():
            return json.dumps(value)
        case Decimal() | float():
            return _number(value)
        case Mapping():
            pairs = cast("Mapping[object, object]", value).items()
            return f"{{{', '.join(f'{json.dumps(_key(key))}: {json_text(part)}' for key, part in pairs)}}}"
        case _ if _is_list(value):
            return f"[{', '.join(map(json_text, cast('Iterable[object]', value)))}]"
        case _:
            return _scalar(value)


def cell(value: object) -> str:
    """A value in one line of text: lists, structs and maps as JSON, nothing for what is missing.

    >>> cell([1, None]), cell({"a": "x"}), cell(None), cell(True), cell(Decimal("0.10")), cell("x")
    ('[1, null]', '{"a": "x"}', '', 'true', '0.10', 'x')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}"
    return json_text(cast("object", value)) if isinstance(value, Mapping) or _is_list(value) else _plain(value)


def csv_line(values: Sequence[object]) -> str:
    r"""One record of CSV without its line end: what is missing is empty, empty text is quoted.

    >>> csv_line([1, None, "", 'a "b", c'])
    '1,,"","a ""b"", c"'
    """
    # An empty line is no record for most readers.
    return ",".join(map(_field, values)) or '""'


def shown(value: object) -> str:
    r"""A value as a person reads it in a table: long fractions cut, line ends and controls escaped.

    >>> shown(0.123456789), shown(2500000.25), shown(["als", "new"]), shown("a\nb")
    ('0.123457', '2500000.25', '["als", "new"]', 'a\\nb')
    """
    if isinstance(value, float) and abs(value) < _LARGE:
        return f"{value:.{_SHOWN_DIGITS}g}"
    return "".join(_escaped(char) if unicodedata.category(char) in _BREAKS_A_LINE else char for char in cell(value))


def _number(value: Decimal | float) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}" if value.is_finite() else "null"
    return float.__repr__(value) if math.isfinite(value) else "null"


def _field(value: object) -> str:
    text = cell(value)
    if value is None or (text and not _QUOTED & set(text)):
        return text
    return '"' + text.replace('"', '""') + '"'


def _is_list(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


def _key(key: object) -> str:
    """A key as text: of a map, keys may be numbers or lists."""
    return "null" if key is None else cell(key)


def _plain(value: object) -> str:
    if isinstance(value, bytes):
        return "".join(chr(byte) if byte in _PLAIN_BYTES else f"\\x{byte:02X}" for byte in value)
    return float.__repr__(value) if isinstance(value, float) else str(value)


def _scalar(value: object) -> str:
    """Numbers of other libraries as the numbers they are, all else as text."""
    plain = getattr(value, "item", None)
    return json_text(plain()) if callable(plain) else json.dumps(_plain(value))


def _escaped(char: str) -> str:
    return json.dumps(char)[1:-1] if char.isascii() else f"\\u{ord(char):04x}"
