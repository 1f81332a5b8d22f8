"""What the machine refuses, such as a full disk or a home that may not be written, as one sentence.

What the platform raises on purpose is in `contracts.errors`.
"""

import errno
import os
from collections.abc import Iterator

_MAKE_ROOM = "make room, then run it again"
_PERMIT = "let this account read and write there, then run it again"
_CURES = {
    errno.ENOSPC: _MAKE_ROOM,
    errno.EDQUOT: _MAKE_ROOM,
    errno.EROFS: "mount it to be written, then run it again",
    errno.EACCES: _PERMIT,
    errno.EPERM: _PERMIT,
    errno.EIO: "the disk fails: see the system's log before anything else",
}


def machine_fault(error: BaseException) -> str | None:
    """A sentence where the error, or what it came of, is one of the machine; None where it is a fault of the code.

    Libraries tell an error of the system in words of their own, with the system's text in them.
    """
    for each in _chain(error):
        if isinstance(each, OSError) and each.errno in _CURES:
            named = os.fsdecode(each.filename) if each.filename is not None else "a file of the home"
            return f"this machine refused {named}: {os.strerror(each.errno)}; {_CURES[each.errno]}"
        if isinstance(each, OSError) or type(each).__module__ != "builtins":
            said = " ".join(str(each).split())
            for number, cure in _CURES.items():
                if os.strerror(number) in said:
                    return f"this machine refused: {said}; {cure}"
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen, at = set[int](), error
    while at is not None and id(at) not in seen:
        yield at
        seen.add(id(at))
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
