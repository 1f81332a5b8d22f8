"""Ids and query parameters of requests: read once, each by its name, with problems that say what is wrong."""

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

from recs_platform.serving.problems import Problem

K_MAX = 1000
_ID_MAX_BYTES = 512
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SHOWN = 40
_SHORT_BYTES, _SHORT_QUERIES = 48, 1_000
_SLASH = "\x1f"
_ID_PART = 3  # of /v1/users/<id>


def read_id(raw: bytes) -> str:
    """An id of a path, percent-encoded. Raises Problem for one that is empty, too long, not UTF-8 or not printable."""
    try:
        text = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise Problem("invalid_id", "an id is UTF-8, percent-encoded") from None
    return checked_id(text)


def routable_path(raw: bytes) -> str | None:
    """The decoded path of an address that holds an id with a slash, None for any other.

    A router cuts a decoded path at every slash: one that is part of an id goes through it as a sign that no id may
    hold, and `whole_id` puts it back. Raises Problem as `read_id`, for any id in a path.
    """
    parts = raw.split(b"/")
    if parts[:2] != [b"", b"v1"] or len(parts) <= _ID_PART or parts[2] not in (b"users", b"items"):
        return None
    name = read_id(parts[_ID_PART])
    if "/" not in name:
        return None
    others = [unquote(part.decode("ascii", "replace")) for part in parts[_ID_PART + 1 :]]
    return "/".join(["/v1", parts[2].decode(), name.replace("/", _SLASH), *others])


def whole_id(routed: str) -> str:
    """The id that came through a router. Raises Problem as `read_id`."""
    return checked_id(routed.replace(_SLASH, "/"))


def checked_id(text: str) -> str:
    """The id itself. Raises Problem as `read_id`."""
    if not text or len(text.encode("utf-8", "surrogatepass")) > _ID_MAX_BYTES:
        raise Problem("invalid_id", f"an id has 1 to {_ID_MAX_BYTES} bytes")
    if _CONTROL.search(text):
        raise Problem("invalid_id", "an id holds no control characters")
    return text


def read_query(raw: bytes, known: tuple[str, ...]) -> Mapping[str, str]:
    """Parameters by name. Raises Problem for a name that is not known, given twice, or a value that is not UTF-8."""
    return _short_query(raw, known) if len(raw) <= _SHORT_BYTES else _parsed(raw, known)


@lru_cache(_SHORT_QUERIES)
def _short_query(raw: bytes, known: tuple[str, ...]) -> Mapping[str, str]:
    """Most callers ask the same few short queries again and again."""
    return MappingProxyType(_parsed(raw, known))


def _parsed(raw: bytes, known: tuple[str, ...]) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, strict_parsing=bool(raw), errors="strict", max_num_fields=50
        )
    except (ValueError, UnicodeDecodeError):
        raise Problem("bad_request", "the query is not name=value, percent-encoded UTF-8") from None
    names = frozenset(known)
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in names:
            there = f"there are: {', '.join(sorted(names))}" if names else "there are none"
            raise Problem("unknown_parameter", f"no parameter {name[:_SHOWN]!r}; {there}")
        if name in found:
            raise Problem("invalid_parameter", f"{name} is given twice", parameter=name)
        if _CONTROL.search(value):
            raise Problem("invalid_parameter", f"{name} holds control characters", parameter=name)
        found[name] = value
    return found


def read_k(query: Mapping[str, str], default: int) -> int:
    """`k`, 1 to 1000. Raises Problem for anything else."""
    text = query.get("k")
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= K_MAX:
        raise Problem("invalid_parameter", f"k is a number from 1 to {K_MAX}, not {text[:_SHOWN]!r}", parameter="k")
    return int(text)
