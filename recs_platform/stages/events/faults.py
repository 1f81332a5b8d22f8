"""Faults of this machine, told from faults of a file: a good file must not be refused for a full disk."""

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
            f"nothing was taken in: this machine could not write ({str(error).splitlines()[0]}); make room, run again"
        ) from error
