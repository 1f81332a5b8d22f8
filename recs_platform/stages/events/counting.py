"""Records of a text file, counted from its bytes alone: the independent number that parsed rows are held against.

No parser is asked here, and no value is looked at beyond quotes and line ends.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

_BLOCK_BYTES = 1 << 22


def _numbers() -> "array[int]":
    return array("q")


@dataclass
class TextLayout:
    """Where the records of a text file lie.

    `records`: records, a csv header included. `blank`: which of the records and blank lines, counted from 1, are
    blank. `continued`: line numbers, from 1, that continue a quoted value of the line before.
    """

    records: int = 0
    blank: "array[int]" = field(default_factory=_numbers)
    continued: "array[int]" = field(default_factory=_numbers)


def scan_text(path: Path, *, quoted: bool) -> TextLayout:
    """Count the records of a csv (`quoted`: line ends within quotes belong to the value) or of a JSONL file.

    A csv line is blank when it is empty, a JSONL line also when it holds only white space. A quote opens a value only
    where a value begins, as in RFC 4180 and in DuckDB.
    """
    layout = TextLayout()
    lines, is_open = 0, False
    with path.open("rb") as file:
        for block in _blocks(file):
            count = block.count(b"\n") + (not block.endswith(b"\n"))
            has_quotes = quoted and (is_open or b'"' in block)
            if not has_quotes and not _may_hold_blank(block):
                layout.records += count
            else:
                is_open = _walk(block, layout, lines, is_open=is_open, quoted=quoted)
            lines += count
    return layout


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """Blocks of whole lines."""
    while block := file.read(_BLOCK_BYTES):
        yield block + file.readline()


def _may_hold_blank(block: bytes) -> bool:
    return block[:1] in b"\r\n \t" or any(pair in block for pair in (b"\n\n", b"\n\r", b"\n ", b"\n\t"))


def _walk(block: bytes, layout: TextLayout, lines: int, *, is_open: bool, quoted: bool) -> bool:
    """Count a block line by line; says whether a quoted value is still open at its end."""
    for number, line in enumerate(block.removesuffix(b"\n").split(b"\n"), start=lines + 1):
        if is_open:
            layout.continued.append(number)
        elif line.strip(b"\r" if quoted else None):
            layout.records += 1
        else:
            layout.blank.append(layout.records + len(layout.blank) + 1)
        if quoted and (is_open or b'"' in line):
            is_open = _is_open_after(line, is_open=is_open)
    return is_open


def _is_open_after(line: bytes, *, is_open: bool) -> bool:
    r"""Whether a quoted value is open at the end of a line.

    >>> _is_open_after(b'1,"two', is_open=False), _is_open_after(b'1,"tw""o",3', is_open=False)
    (True, False)
    >>> _is_open_after(b'5" pipe,"', is_open=False), _is_open_after(b'lines"', is_open=True)
    (True, False)
    """
    may_open = True
    for piece in line.split(b'"')[:-1]:
        if is_open:
            is_open, may_open = False, True
        else:
            is_open = (may_open and not piece) or piece.endswith(b",")
            may_open = False
    return is_open
