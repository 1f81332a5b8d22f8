"""Progress of a run: one live line in a terminal, plain lines elsewhere."""

import json
import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recs_platform.cli.show import say, step_name

if TYPE_CHECKING:
    from rich.text import Text

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
BAR_CELLS = 20
FRAMES_A_SECOND = 5
# Where there is no terminal, a step that has been silent for so long shows what it logs.
SILENT_SECONDS = 20
_ENDS = {"STEP_SUCCESS", "STEP_FAILURE", "STEP_SKIPPED"}


@dataclass
class Followed:
    """What is known of a run: its steps and the seconds each took last time, those that ended, the one going on."""

    began: float
    expected: dict[str, float | None] = field(default_factory=dict[str, "float | None"])
    ended: set[str] = field(default_factory=set[str])
    step: str | None = None
    step_began: float = 0.0
    remark: str = ""

    def line(self, title: str, now: float) -> str:
        """Title, share done, steps, the step and its seconds, seconds so far, and what remains where that is known."""
        parts = [title]
        if self.expected:
            filled = BAR_CELLS * len(self.ended) // len(self.expected)
            number = min(len(self.ended) + 1, len(self.expected))
            parts += ["█" * filled + "░" * (BAR_CELLS - filled), f"{number} of {len(self.expected)}"]
        if self.step is not None:
            parts.append(f"{step_name(self.step)} {now - self.step_began:.0f} s")
        parts += [f"{now - self.began:.0f} s so far", *self._remaining(now)]
        return "  ".join([*parts, self.remark] if self.remark else parts)

    def _remaining(self, now: float) -> list[str]:
        """About how long: the seconds of last time, less what the step going on took already."""
        left = [name for name in self.expected if name not in self.ended]
        known = [seconds for name in left if name != self.step and (seconds := self.expected[name]) is not None]
        current = self.expected.get(self.step or "")
        if self.step in left and current is not None:
            known.append(max(0.0, current - (now - self.step_began)))
        if not left:
            return []
        return [f"{len(left)} left" + (f", about {sum(known):.0f} s" if known else "")]


class Progress:
    """Follows a run: one line that lives to its end, plain lines where there is no terminal."""

    def __init__(self, title: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.title = title
        self._clock = clock
        self._run = Followed(clock())
        self._is_living = False
        self._said_at = clock()

    @contextmanager
    def following(self) -> Generator["Progress", None, None]:
        if not sys.stderr.isatty():
            yield self
            return
        from rich.console import Console
        from rich.live import Live

        # Steps have their streams redirected to files: the line goes to the terminal by a descriptor of its own.
        with os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8", errors="replace") as terminal:
            live = Live(
                get_renderable=self._text,
                console=Console(file=terminal),
                refresh_per_second=FRAMES_A_SECOND,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            with live:
                self._is_living = True
                yield self
                self._is_living = False

    def watch(self, kind: str, text: str) -> None:
        """What `defs.launch` reports: the steps to come, an event of a step, or a log line."""
        if kind == "PLAN":
            self._run.expected = json.loads(text)
        elif kind == "STEP_START":
            self._run.step, self._run.step_began, self._run.remark = text, self._clock(), ""
        elif kind in _ENDS:
            self._run.ended.add(text)
            self._say_ended(kind, text)
        elif kind == "LOG" and text:
            self._run.remark = text.splitlines()[0]
            is_silent = self._clock() - self._said_at >= SILENT_SECONDS
            if not self._is_living and ("waiting" in text or is_silent):
                self._say(text if "waiting" in text else self._run.remark)

    def _say_ended(self, kind: str, step: str) -> None:
        if not self._is_living and kind != "STEP_SKIPPED":
            mark = "done" if kind == "STEP_SUCCESS" else "FAILED"
            began = self._run.step_began if self._run.step == step else self._clock()
            self._say(f"{step_name(step)} {mark} in {self._clock() - began:.1f} s")

    def _say(self, text: str) -> None:
        say(f"{self.title}: {text}")
        self._said_at = self._clock()

    def _text(self) -> "Text":
        from rich.text import Text

        now = self._clock()
        frame = SPINNER[int(now * FRAMES_A_SECOND) % len(SPINNER)]
        return Text(f"{frame} {self._run.line(self.title, now)}", no_wrap=True, overflow="ellipsis")
