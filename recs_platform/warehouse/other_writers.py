"""What other programs do to a DuckDB file of ours: logs they left beside it, locks they hold on it.

Files are built in `publish` and asked in `query`.

DuckDB replays whatever lies beside a file under the log's name, also when the file is opened read-only: a log of the
file that was there before changes the rows of the new one.
"""

import glob
import re
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from recs_platform.contracts.errors import RecsError

_HELD = re.compile(r"held in (\S+) \(PID (\d+)\)")


def set_aside_logs(database: Path) -> list[str]:
    """Rename logs beside a file that nobody may write to; one sentence for each that was there.

    Raises RecsError where the folder does not allow it: a file must not be read together with such a log.
    """
    return [_set_aside(database, log) for log in sorted(database.parent.glob(f"{glob.escape(database.name)}.wal*"))]


@contextmanager
def opening(database: Path) -> Generator[None, None, None]:
    """Say in one line who or what keeps a file from being read, with a RecsError, while the body opens it."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        writer = _HELD.search(str(error))
        if writer is not None:
            raise RecsError(
                f"{database} is open for writing in process {writer[2]} ({writer[1]}); close it there, or open it "
                "read-only there (`read_only=True`, `duckdb -readonly`)"
            ) from error
        raise RecsError(f"{database} cannot be opened: {first_lines(error)}; `recs publish` writes it anew") from error


def first_lines(error: Exception) -> str:
    """What DuckDB says, in one line and without its hints."""
    return " ".join(line.strip() for line in str(error).split("\n\n")[0].splitlines() if line.strip())


def _set_aside(database: Path, log: Path) -> str:
    kind = log.name.removeprefix(f"{database.name}.")
    names = (database.with_name(f"{database.name}.foreign-{number}.{kind}") for number in count(1))
    aside = next(name for name in names if not name.exists())
    try:
        log.rename(aside)
    except FileNotFoundError:
        return f"{log} was a log of another process, which has taken it away itself"
    except OSError as error:
        raise RecsError(
            f"{log} would be replayed into {database.name} and cannot be moved ({error.strerror}); remove it"
        ) from error
    return f"{log} is the log of a process that opened another file of this name for writing; it is now {aside.name}"
