"""Records of a text file, counted from its bytes alone: the independent number that parsed rows are held against.

Only quotes and line ends are looked at.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

# A block fits the cache: larger ones take several times as long.
_BLOCK_BYTES = 1 << 18
_LINE_END, _HIGHEST_SPACE = 10, 32


def _numbers() -> "array[int]":
    return array("q")


@dataclass
class TextLayout:
    """Where the records of a text file lie.

    `records`: records, a csv header included. `blank`: which of the records and blank lines, counted from 1, are
    blank. `continued`: line numbers, from 1, that continue a quoted value of the line before. `is_even`: all lines end
    alike, and no carriage return stands elsewhere. `longest_bytes`: at least the length of the longest line where that
    is over a block, else a block's.
    """

    records: int = 0
    blank: "array[int]" = field(default_factory=_numbers)
    continued: "array[int]" = field(default_factory=_numbers)
    is_even: bool = True
    longest_bytes: int = 0


def scan_text(path: Path, *, quoted: bool, delimiter: bytes = b",") -> TextLayout:
    """Count the records of a csv (`quoted`: line ends within quotes belong to the value) or of a JSONL file.

    A csv line is blank when it is empty, a JSONL line also when it holds only white space. A quote opens a value only
    where a value begins, as in RFC 4180 and in DuckDB.
    """
    layout = TextLayout()
    lines, returns, pairs, is_open = 0, 0, 0, False
    with path.open("rb") as file:
        for block in _blocks(file):
            count, may_hold_blank = _look(block)
            has_quotes = quoted and (is_open or b'"' in block)
            if not has_quotes and not may_hold_blank:
                layout.records += count
            else:
                is_open = _walk(block, layout, lines, is_open=is_open, quoted=quoted, delimiter=delimiter)
            lines += count
            layout.longest_bytes = max(layout.longest_bytes, len(block))
            if b"\r" in block:
                returns += block.count(b"\r")
                pairs += block.count(b"\r\n")
    layout.is_even = returns == pairs and pairs in (0, lines, lines - 1)
    return layout


def lines_of(path: Path, *, quoted: bool, delimiter: bytes = b",") -> Iterator[tuple[int, bool, bytes]]:
    """Every line with its number, from 1, and whether it continues a quoted value of the line before."""
    is_open = False
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            yield number, is_open, line
            if quoted and (is_open or b'"' in line):
                is_open = _is_open_after(line.removesuffix(b"\n"), is_open=is_open, delimiter=delimiter)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """Blocks of whole lines."""
    while block := file.read(_BLOCK_BYTES):
        yield block + file.readline()


def _look(block: bytes) -> tuple[int, bool]:
    """Lines of a block, and whether one of them starts like a blank one."""
    data = np.frombuffer(block, dtype=np.uint8)
    ends = data == _LINE_END
    starts_blank = data[0] <= _HIGHEST_SPACE or bool((ends[:-1] & (data[1:] <= _HIGHEST_SPACE)).any())
    return int(np.count_nonzero(ends)) + (not block.endswith(b"\n")), starts_blank


def _walk(block: bytes, layout: TextLayout, lines: int, *, is_open: bool, quoted: bool, delimiter: bytes) -> bool:
    """Count a block line by line; says whether a quoted value is still open at its end."""
    for number, line in enumerate(block.removesuffix(b"\n").split(b"\n"), start=lines + 1):
        if is_open:
            layout.continued.append(number)
        elif line.strip(b"\r" if quoted else None):
            layout.records += 1
        else:
            layout.blank.append(layout.records + len(layout.blank) + 1)
        if quoted and (is_open or b'"' in line):
            is_open = _is_open_after(line, is_open=is_open, delimiter=delimiter)
    return is_open


def _is_open_after(line: bytes, *, is_open: bool, delimiter: bytes = b",") -> bool:
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
            is_open = (may_open and not piece) or piece.endswith(delimiter)
            may_open = False
    return is_open
