"""How commands end when they are told to: SIGINT and SIGTERM are heeded, however a command was started.

A shell without job control starts what stands before `&` with SIGINT ignored, and Dagster lets SIGTERM do what SIGINT
does: such a command could be ended by SIGKILL alone, and left its processes behind.
"""

import atexit
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from subprocess import Popen
from threading import Event, Thread, current_thread, main_thread
from types import FrameType

# A quiet stop takes two. Processes that are still starting hear SIGTERM at once, but no message of Dagster's.
STEP_SECONDS = 4.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def heed_interrupts() -> None:
    """Let SIGINT interrupt a command that was started with it ignored; the processes it starts begin likewise."""
    if current_thread() is main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class QuickEnd:
    """The last thing that a process does: it ends without tearing down what it loaded, where a command left a `code`.

    That would take as long as a quarter of a short command. Make it first: what is registered for the end of the
    process later, or runs in threads, comes before. Without a code, Python ends the process and says why.
    """

    def __init__(self) -> None:
        self.code: int | None = None
        atexit.register(self._end)

    def _end(self) -> None:
        if self.code is None:
            return
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:  # Python says what could not be written, with a code of its own
            return
        os._exit(self.code)


class Stopping:
    """Ends a command soon after the first signal: by an interrupt; its children's end, asked for, then forced; exit.

    Signals that come later change nothing: a stop in progress goes on, and its deadline stays.
    """

    def __init__(self, seconds: float = STEP_SECONDS) -> None:
        self._seconds = seconds
        self._is_asked = False
        self._is_over = Event()
        self._children: list[Popen[bytes]] = []

    def watch(self, child: "Popen[bytes]") -> None:
        """End this process where the stop takes too long."""
        self._children.append(child)

    def over(self) -> None:
        """The command has ended by itself."""
        self._is_over.set()

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """Interrupt, as the handler of a signal."""
        if self._is_asked:
            return
        self._is_asked = True
        Thread(target=self._end, name="stopping", daemon=True).start()
        raise KeyboardInterrupt

    def _end(self) -> None:
        for is_forced in (False, True):
            if self._is_over.wait(self._seconds):
                return
            for child in self._children:
                child.kill() if is_forced else child.terminate()
        # What waited for a child goes on now; whatever else it waits for is not waited for.
        if not self._is_over.wait(self._seconds):
            os._exit(1)


@contextmanager
def stopped_by_signals(seconds: float = STEP_SECONDS) -> Generator[Stopping, None, None]:
    """SIGINT and SIGTERM interrupt the block, in the main thread, and end the process where it does not end in time."""
    stopping = Stopping(seconds)
    before = [signal.signal(name, stopping) for name in _SIGNALS]
    try:
        yield stopping
    finally:
        stopping.over()
        for name, handler in zip(_SIGNALS, before, strict=True):
            signal.signal(name, handler)
