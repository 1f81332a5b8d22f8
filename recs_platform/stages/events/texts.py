"""Text files in the one form that their readers take: UTF-8 without a mark, and JSON with one object a line.

UTF-16 is recoded, a JSON array or objects over several lines are taken apart. Which records are valid is seen later.
"""

import codecs
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from recs_platform.stages.events.archives import UnreadableFileError
from recs_platform.stages.events.sources import FileFormat

DOCUMENT_BYTES_MAX = 1 << 29
_CHUNK_CHARACTERS = 1 << 20
_UTF_16 = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_WANTED = "write one object a line"
# First lines of what is laid out for people, and of nothing else.
_OPENERS = (b"[", b"{", b"[{")
# White space, and the sign that RFC 7464 puts before each text.
_AROUND = b" \t\r\n\x1e"
_UTF_32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


def as_plain_text(path: Path, file_format: FileFormat, target: Path) -> Path:
    """The file itself where its form is right already, else `target` with the same text in that form.

    Lines of a JSON document are then its objects, numbered from 1. Raises UnreadableFileError when the file is not in
    the encoding that it claims, or is a JSON document too large to take apart.
    """
    with path.open("rb") as file:
        start = file.read(4)
    encoding = _encoding(start)
    if encoding is not None:
        _recode(path, encoding, target)
        path = target
    return _as_lines(path, target) if file_format == "jsonl" else path


def _encoding(start: bytes) -> str | None:
    """What is to be recoded: UTF-16 with its mark or told by its zero bytes, and UTF-8 with a mark."""
    if start in _UTF_32:
        raise UnreadableFileError("the file is UTF-32; write UTF-8")
    if start[:2] in _UTF_16:
        return _UTF_16[start[:2]]
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    zeros = "".join("0" if byte == 0 else "x" for byte in start)
    return {"x0x0": "utf-16-le", "0x0x": "utf-16-be"}.get(zeros)


def _recode(path: Path, encoding: str, target: Path) -> None:
    if encoding == "utf-8-sig":
        # Bytes further down that are no UTF-8 are their line's fault, not the file's.
        with path.open("rb") as source, target.open("wb") as plain:
            source.seek(len(codecs.BOM_UTF8))
            while block := source.read(_CHUNK_CHARACTERS):
                plain.write(block)
        return
    try:
        with (
            path.open(encoding=encoding, newline="") as source,
            target.open("w", encoding="utf-8", newline="") as plain,
        ):
            while text := source.read(_CHUNK_CHARACTERS):
                plain.write(text)
    except UnicodeError as error:
        raise UnreadableFileError(f"the file begins like {encoding} and is not: {error}; write UTF-8") from error


def _as_lines(path: Path, target: Path) -> Path:
    """One object a line where the file is a JSON array or holds objects that span lines."""
    first = _opening(path)
    if first is None:
        return path
    if path.stat().st_size > DOCUMENT_BYTES_MAX:
        size = DOCUMENT_BYTES_MAX >> 20
        raise UnreadableFileError(f"the file is one JSON document of more than {size} MiB; {_WANTED}")
    try:
        objects = list(_objects(path.read_text("utf-8")))
    except (ValueError, RecursionError) as error:
        if first not in _OPENERS:
            # Lines that are no object are set aside one by one.
            return path
        raise UnreadableFileError(f"the file begins like a JSON document and is none: {error}; {_WANTED}") from error
    with target.with_suffix(".lines").open("w", encoding="utf-8") as lines:
        lines.writelines(f"{text}\n" for text in objects)
    return target.with_suffix(".lines")


def _opening(path: Path) -> bytes | None:
    """The first line of a document: it opens an array or an object, and the next line is no object of its own."""
    with path.open("rb") as file:
        lines = list(islice((line.strip(_AROUND) for line in file if line.strip(_AROUND)), 2))
    if not lines or not lines[0].startswith((b"[", b"{")) or any(_is_object(line) for line in lines):
        return None
    return lines[0]


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _objects(text: str) -> Iterator[str]:
    """The objects of an array, or of a text that is objects one after the other. Raises ValueError."""
    decoder, place = json.JSONDecoder(), _skip(text, 0)
    is_array = text[place : place + 1] == "["
    place = _skip(text, place + is_array)
    while place < len(text) and text[place] != "]":
        value, end = decoder.raw_decode(text, place)
        if not isinstance(value, dict):
            raise ValueError(f"no object at {place}")  # noqa: TRY004 - what json raises
        # Line ends within a text are escaped, so that these stand between values.
        yield text[place:end].replace("\r", " ").replace("\n", " ")
        place = _skip(text, end)
        if text[place : place + 1] == ",":
            place = _skip(text, place + 1)
    if is_array != (text[place:].strip() == "]"):
        raise ValueError("the array does not end")


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place].isspace():
        place += 1
    return place
