"""Memory and processor seconds of this process: sampled in a thread while a block runs; the highest memory."""

import os
import resource
import subprocess
import sys
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

SAMPLE_SECONDS = 0.02
_PROC = Path("/proc/self")


@dataclass
class Samples:
    """Resident bytes and processor seconds so far (all threads) by instant (seconds since 1970), ascending."""

    instants: list[float] = field(default_factory=list[float])
    resident: list[int] = field(default_factory=list[int])
    cpu: list[float] = field(default_factory=list[float])

    def add(self, instant: float, resident: int, cpu: float) -> None:
        self.instants.append(instant)
        self.resident.append(resident)
        self.cpu.append(cpu)

    def peak(self, start: float, end: float) -> int | None:
        """The most between two instants, those of the samples around them included; None without any sample.

        >>> Samples([1.0, 2.0, 3.0, 4.0], [10, 40, 20, 50]).peak(2.1, 2.9)
        40
        """
        first, last = bisect_left(self.instants, start), bisect_right(self.instants, end)
        return max(self.resident[max(0, first - 1) : last + 1], default=None)

    def cpu_seconds(self, start: float, end: float) -> float:
        """Processor seconds between two instants, a straight line between samples.

        >>> Samples([1.0, 2.0, 3.0], [0, 0, 0], [0.0, 2.0, 3.0]).cpu_seconds(1.5, 2.5)
        1.5
        """
        import numpy as np

        before, after = np.interp([start, end], self.instants, self.cpu)
        return float(after - before)


@contextmanager
def sampled() -> Generator[Samples]:
    """Sample while the block runs. A long call that keeps the interpreter's lock leaves a gap between samples."""
    samples, done = Samples(), threading.Event()

    def follow() -> None:
        while True:
            samples.add(time.time(), resident_bytes(), time.process_time())
            if done.wait(SAMPLE_SECONDS):
                return

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()


def resident_bytes() -> int:
    """Resident memory of this process now."""
    if _PROC.is_dir():
        return int((_PROC / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    output = subprocess.run(["/bin/ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, check=True)
    return int(output.stdout) * 1024


def peak_bytes() -> int:
    """The most that was ever resident in this process, what lies between samples included."""
    if _PROC.is_dir():
        # getrusage of a child begins with what its parent had when it was started.
        status = (_PROC / "status").read_text().splitlines()
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
