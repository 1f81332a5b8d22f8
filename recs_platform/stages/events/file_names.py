"""What the path of a raw file says: the pattern it fits, its partition keys, and whether it is data at all.

Paths are relative to the source's folder, or to what was given to `land`.
"""

import re
from enum import IntEnum
from fnmatch import fnmatchcase, translate
from functools import cache
from pathlib import PurePosixPath
from urllib.parse import unquote

COMPRESSIONS = (".gz", ".zst", ".zip")
UNFINISHED = (".part", ".tmp")
# What Spark, Hive, Delta and desktops leave beside the data.
_MARKERS = (
    "_success", "_committed_*", "_started_*", "_metadata", "_common_metadata", "*.crc", "thumbs.db", "desktop.ini",
)  # fmt: skip
_MARKER_FOLDERS = frozenset({"__macosx", "_delta_log", "_spark_metadata", "_temporary"})
_PARTITION = re.compile(r"([^=/]+)=(.*)")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
# One word of the end that exports give to the names of parts: a number, a date, a hash, or a word for a part.
_SEPARATORS = r"[-_. ()+~]"
_WORDS = "part|parts|chunk|batch|shard|export|of|page|full|delta|copy|snappy|gzip|zstd|lz4"
_WORD = rf"(?:(?=[^-_. ()+~]*\d)[^-_. ()+~]+|[0-9a-f]{{4,}}|{_WORDS})"
PART = rf"(?:{_SEPARATORS}+{_WORD})+\)?"


class Fit(IntEnum):
    """How a path fits a pattern; the lower, the better."""

    NAME = 0
    PART = 1
    FOLDER = 2


def plain_name(name: str) -> str:
    """The file name in lower case, without folders and compression suffix.

    >>> plain_name("a/Ratings.CSV.gz")
    'ratings.csv'
    """
    plain = PurePosixPath(name).name.lower()
    return plain.removesuffix(next((suffix for suffix in COMPRESSIONS if plain.endswith(suffix)), ""))


def fit(pattern: str, path: str) -> Fit | None:
    """How a path fits a pattern: by its name or, with a / in the pattern, its end; as a part; by a folder above it.

    Case and compression suffixes do not matter. Only a pattern whose stem has no wildcard takes parts and folders.

    >>> fit("events.*", "2024/Events.csv.gz"), fit("events.*", "events_2024.csv"), fit("events.*", "events_my.csv")
    (<Fit.NAME: 0>, <Fit.PART: 1>, None)
    >>> fit("events.*", "events/date=2024-02-01/part-0.snappy.parquet"), fit("items.*", "events/items.csv")
    (<Fit.FOLDER: 2>, <Fit.NAME: 0>)
    """
    pattern, name = pattern.lower(), plain_name(path)
    if "/" in pattern:
        plain = (PurePosixPath(path.lower()).parent / name).as_posix()
        return Fit.NAME if fnmatchcase(plain, pattern) or fnmatchcase(plain, f"*/{pattern}") else None
    if fnmatchcase(name, pattern):
        return Fit.NAME
    stem, _, rest = pattern.partition(".")
    if not stem or set(stem) & set("*?["):
        return None
    if _as_part(pattern).fullmatch(name):
        return Fit.PART
    folders = [folder.lower() for folder in PurePosixPath(path).parent.parts]
    is_below = any(_as_folder(stem).fullmatch(folder) for folder in folders)
    is_hidden = any(folder.startswith("_") for folder in (*folders, name))
    return Fit.FOLDER if is_below and not is_hidden and fnmatchcase(name, f"*.{rest}") else None


def partitions(path: str) -> dict[str, str]:
    """Keys and values of the folders named `key=value`, as Hive writes them; a key without a value is left out.

    >>> partitions("events/date=2024-02-01/country=a%2Fb/part-0.parquet")
    {'date': '2024-02-01', 'country': 'a/b'}
    """
    found = [match for part in PurePosixPath(path).parent.parts if (match := _PARTITION.fullmatch(part))]
    return {unquote(match[1]): unquote(match[2]) for match in found if match[2] not in ("", _NO_VALUE)}


def is_partition(folder: str) -> bool:
    """Whether a folder is named `key=value`."""
    return _PARTITION.fullmatch(folder) is not None


def is_hidden(path: str) -> bool:
    """Whether the name, or a folder's, starts with a dot."""
    return any(part.startswith(".") and part != ".." for part in PurePosixPath(path).parts)


def is_unfinished(path: str) -> bool:
    """Whether the name says that somebody is still writing."""
    return path.lower().endswith(UNFINISHED)


def is_marker(path: str) -> bool:
    """Whether a file only accompanies data: a marker of success, a checksum, what a desktop leaves.

    >>> is_marker("events/_SUCCESS"), is_marker("__MACOSX/._events.csv"), is_marker("events/part-0.parquet")
    (True, True, False)
    """
    parts = [part.lower() for part in PurePosixPath(path).parts]
    return not _MARKER_FOLDERS.isdisjoint(parts[:-1]) or any(fnmatchcase(parts[-1], marker) for marker in _MARKERS)


@cache
def _as_part(pattern: str) -> re.Pattern[str]:
    stem, _, rest = pattern.partition(".")
    return re.compile(rf"{re.escape(stem)}{PART}(?:{translate(f'.{rest}')})")


@cache
def _as_folder(stem: str) -> re.Pattern[str]:
    return re.compile(rf"{re.escape(stem)}(?:{PART})?")
