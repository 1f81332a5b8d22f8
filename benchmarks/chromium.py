"""A headless Chromium that is told over a pipe what to do (DevTools protocol): no driver has to be installed."""

import json
import os
import shutil
import subprocess
from collections import deque
from pathlib import Path
from typing import Any, Self

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# The browser reads commands from descriptor 3 and writes to 4.
_START = 'exec "$@" 3<"$READ" 4>"$WRITE"'


class Chromium:
    """One page. `events`: what the browser reported, oldest first, as (method, parameters)."""

    def __init__(self, folder: Path) -> None:
        program = next((found for name in _NAMES if (found := shutil.which(name))), None)
        if program is None:
            raise SystemExit(f"no browser: install one of {', '.join(_NAMES)}, such as with apt-get install chromium")
        inward, outward = os.pipe(), os.pipe()
        command = [program, "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run"]
        self._process = subprocess.Popen(
            ["sh", "-c", _START, "sh", *command, f"--user-data-dir={folder}", "about:blank"],
            env={**os.environ, "READ": f"/dev/fd/{inward[0]}", "WRITE": f"/dev/fd/{outward[1]}"},
            pass_fds=(inward[0], outward[1]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(inward[0])
        os.close(outward[1])
        self._write, self._read = inward[1], os.fdopen(outward[0], "rb")
        self._number, self._session, self._buffer = 0, "", b""
        self.events: deque[tuple[str, dict[str, Any]]] = deque()
        (page,) = [each for each in self.tell("Target.getTargets")["targetInfos"] if each["type"] == "page"]
        self._session = self.tell("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.tell(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)

    def tell(self, method: str, **parameters: object) -> dict[str, Any]:
        """Send a command; its result. Raises RuntimeError where the browser refuses it."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            said = self._next()
            if said.get("id") == self._number:
                if "error" in said:
                    raise RuntimeError(f"{method}: {said['error']['message']}")
                return said["result"]

    def open(self, url: str) -> None:
        """Load an address, to its end."""
        self.events.clear()
        self.tell("Page.navigate", url=url)
        self.wait_for("Page.loadEventFired")

    def wait_for(self, method: str) -> dict[str, Any]:
        """The parameters of the first event of this kind since the last page was asked for."""
        while True:
            found = next((parameters for name, parameters in self.events if name == method), None)
            if found is not None:
                return found
            self._next()

    def value(self, expression: str) -> Any:  # noqa: ANN401 - any JSON
        """What an expression is on the page."""
        said = self.tell("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in said:
            raise RuntimeError(f"{expression}: {said['exceptionDetails']}")
        return said["result"].get("value")

    def press(self, selector: str) -> None:
        """Click an element as a mouse does, and wait for the page it leads to."""
        spot = f"document.querySelector({json.dumps(selector)})"
        self.value(f"{spot}.scrollIntoView({{block: 'center'}})")
        x, y = self.value(f"(r => [r.x + r.width / 2, r.y + r.height / 2])({spot}.getBoundingClientRect())")
        self.events.clear()
        for kind in ("mousePressed", "mouseReleased"):
            self.tell("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.wait_for("Page.loadEventFired")

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = self._read.read1(65_536)
            if not part:
                raise RuntimeError(f"the browser ended with {self._process.poll()}")
            self._buffer += part
        said, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(said)
        if "method" in message:
            self.events.append((message["method"], message.get("params", {})))
        return message
