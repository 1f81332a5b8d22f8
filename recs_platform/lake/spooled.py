"""Names of the files of a spool: one that could not be cut back says in its name how much of it counts.

What follows in it was refused, and whoever sent that sends it again. Files are written by `serving.spool_file`.
"""

import re
from pathlib import Path

SUFFIX = ".jsonl"
_CUT = re.compile(r"(.+)\.upto-([0-9]+)")


def marked_path(path: Path, counted: int) -> Path:
    """The name that says that the first `counted` bytes of the file count.

    >>> marked_path(Path("spool/a.jsonl"), 120).name
    'a.upto-120.jsonl'
    """
    return path.with_name(f"{plain_path(path).stem}.upto-{counted}{SUFFIX}")


def plain_path(path: Path) -> Path:
    """The name of the file when all of it counts.

    >>> plain_path(Path("spool/a.upto-120.jsonl")).name, plain_path(Path("spool/a.jsonl")).name
    ('a.jsonl', 'a.jsonl')
    """
    found = _CUT.fullmatch(path.stem)
    return path if found is None else path.with_name(found[1] + SUFFIX)


def counted_bytes(path: Path) -> int | None:
    """How much of the file counts, by its name; None where all of it does.

    >>> counted_bytes(Path("spool/a.upto-120.jsonl")), counted_bytes(Path("spool/a.jsonl"))
    (120, None)
    """
    found = _CUT.fullmatch(path.stem)
    return None if found is None else int(found[2])
