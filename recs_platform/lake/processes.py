"""Names of processes that no later process has: numbers are used again, a number with its start is not.

Files and runs carry such a name; whoever finds one left over asks here whether its process lives.
"""

import os
import re
import subprocess
from functools import cache
from pathlib import Path

_PROC = Path("/proc")
_BOOT_ID = _PROC / "sys" / "kernel" / "random" / "boot_id"
_NAME = re.compile(r"(\d+)(?:-(\w+))?")
# A start has a letter in it, other numbers behind a process have none.
_MARK = re.compile(r"(\d+(?:-\w*[A-Za-z]\w*)?)(?!\w)")
_DEAD_STATES = {"Z", "X"}
# Fields of /proc/<pid>/stat after the command, which may hold blanks and brackets: proc(5) counts from 1.
_STATE, _START_TICKS = 0, 19


def process_name(pid: int | None = None) -> str:
    """`<pid>-<start>` of a living process, this one by default; the number alone where no start is known.

    The start is letters and digits: ticks since boot and the boot's id on Linux, seconds elsewhere.
    """
    number = os.getpid() if pid is None else pid
    start = _start(number)
    return str(number) if start is None else f"{number}-{start}"


def process_number(name: str) -> int:
    """The number in a process's name."""
    return int(name.partition("-")[0])


def is_alive(name: str) -> bool:
    """Whether the very process of that name lives; a name without a start is judged by its number alone.

    A dead process that nobody waited for (a zombie) is dead: it holds nothing.
    """
    found = _NAME.fullmatch(name)
    if found is None or not is_running(int(found[1])):
        return False
    start = None if found[2] is None else _start(int(found[1]))
    return start is None or start == found[2]


def is_abandoned(mark: str) -> bool:
    """Whether a file's mark, which begins with a process's name, is that of a dead one, or of none.

    >>> is_abandoned(f"{process_name()}-140213"), is_abandoned(f"{os.getpid()}-140213"), is_abandoned("half")
    (False, False, True)
    """
    found = _MARK.match(mark)
    return found is None or not is_alive(found[1])


def started_by(pid: int, instant: float, *, tolerance_seconds: float = 2.0) -> bool:
    """Whether the process of that number can be one that was seen at `instant` (seconds since 1970).

    One that started later is another. True where its start is unknown.
    """
    fields, boot = _stat(pid), _boot_seconds()
    if fields is None or boot is None:
        return True
    started = boot + int(fields[_START_TICKS]) / os.sysconf("SC_CLK_TCK")
    return started <= instant + tolerance_seconds


def is_running(pid: int) -> bool:
    """Whether a process of that number exists, whoever owns it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    except OverflowError:
        return False
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    fields = _stat(pid)
    return fields is not None and fields[_STATE] in _DEAD_STATES


def _start(pid: int) -> str | None:
    """When the process of that number started, None where that is unknown."""
    fields = _stat(pid)
    if fields is not None:
        return f"{fields[_START_TICKS]}b{_boot_id()}"
    return None if _PROC.joinpath("self").exists() else _start_told_by_ps(pid)


def _stat(pid: int) -> list[str] | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


@cache
def _boot_seconds() -> float | None:
    """When the machine started, in seconds since 1970; None where that is unknown."""
    file = _PROC / "stat"
    found = re.search(r"^btime (\d+)$", file.read_text(encoding="utf-8"), re.MULTILINE) if file.exists() else None
    return None if found is None else float(found[1])


@cache
def _boot_id() -> str:
    """Ticks are counted from the boot, and the same count may come again after the next one."""
    return _BOOT_ID.read_text(encoding="utf-8").strip().replace("-", "")[:8] if _BOOT_ID.exists() else ""


def _start_told_by_ps(pid: int) -> str | None:
    """Without /proc, as on macOS: letters and digits of the start that `ps` prints."""
    listed = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return re.sub(r"\W", "", listed.stdout) or None
