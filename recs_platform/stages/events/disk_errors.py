"""Errors of this machine, kept apart from errors in a file: a full disk must not reject a good file."""

import errno
import os

from recs_platform.contracts.errors import RecsError

_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE)
_SENTENCES = tuple(os.strerror(number) for number in _FULL)


def raise_disk_full(error: BaseException) -> None:
    """Raise RecsError when the error, DuckDB's or the system's, says that nothing more can be written here."""
    is_full = isinstance(error, OSError) and error.errno in _FULL
    if is_full or any(sentence in str(error) for sentence in _SENTENCES):
        raise RecsError(
            f"nothing was ingested: this machine could not write ({str(error).splitlines()[0]}); make room, run again"
        ) from error
