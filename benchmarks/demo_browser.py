"""The page `/demo` in a real browser: keys, lists, what is pressed, a narrow screen, and that nothing else is loaded.

`python -m benchmarks.demo_browser`. It leaves with exit code 1 at the first thing that is not so.
"""

import os
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from benchmarks.chromium import Chromium
from benchmarks.homes import start_recs
from benchmarks.parts_serving import drawn_content, free_port, release_drawn
from recs_platform.cli.house import make_home
from recs_platform.contracts.home import Home
from recs_platform.serving.keys import Scope, create_api_key

USERS, ITEMS, USER = 100, 400, "u7"
_SHOWN = "[...document.querySelectorAll('#list form [name=item_id]')].map(e => e.value)"
_NARROW, _WIDE = 390, 1280
_UNNAMED = (
    "[...document.querySelectorAll('input:not([type=hidden]), select, button')]"
    ".filter(e => !(e.labels?.length || e.ariaLabel || e.textContent.trim())).length"
)


def require(is_so: object, what: str) -> None:
    """Say what holds; leave where it does not."""
    print(f"{'ok ' if is_so else 'NOT'} {what}", flush=True)
    if not is_so:
        raise SystemExit(1)


def look(browser: Chromium, address: str, token: str) -> None:
    """A visit: pick a user, click, dismiss, look at what is alike."""
    origin = f"http://{address}"
    browser.open(f"http://me:{token}@{address}/demo?user_id={USER}")
    first = browser.value(_SHOWN)
    require(len(first) > 1, f"the key is taken as a password, and the list of {USER} is there")
    browser.press('#list button[value="click"]')
    second = browser.value(_SHOWN)
    require(first[0] not in second, "what was clicked left the list")
    require("in this session" in browser.value("document.body.innerText"), "the list follows the click, and says so")
    require(browser.value("document.activeElement !== null && location.hash") == "#list", "the page is at the list")
    browser.press('#list button[value="dismiss"]')
    third = browser.value(_SHOWN)
    require(second[0] not in third, "what was dismissed left the list")
    browser.press("#list form.press a")
    require(browser.value("!!document.querySelector('#similar li')"), "similar items are shown")
    require(browser.value(_UNNAMED) == 0, "every field and button has a name")
    for width in (_NARROW, _WIDE):
        browser.tell("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
        fits = browser.value("document.documentElement.scrollWidth <= innerWidth")
        require(fits, f"nothing is wider than a screen of {width}")
    require(browser.value("document.scripts.length") == 0, "the page has no script")
    browser.open(f"{origin}/docs")
    require("/v1/popular" in browser.value("document.body.innerText"), "/docs is shown")


def complaints(seen: list[tuple[str, dict[str, Any]]], address: str) -> list[str]:
    """What the browser complained of, and addresses elsewhere that a page asked for."""
    found = [str(said) for name, said in seen if name == "Runtime.exceptionThrown"]
    for name, said in seen:
        if name == "Log.entryAdded":
            found.append(said["entry"]["text"])
        elif name == "Network.requestWillBeSent":
            url: str = said["request"]["url"]
            if address not in url and not url.startswith("data:"):
                found.append(f"asked for {url}")
    return found


class Recording(Chromium):
    """A browser of which every event is kept, also once another page is asked for."""

    def __init__(self, folder: Path) -> None:
        self.seen: list[tuple[str, dict[str, Any]]] = []
        super().__init__(folder)

    def _next(self) -> dict[str, Any]:
        message = super()._next()
        if "method" in message:
            self.seen.append(self.events[-1])
        return message


def wait_for(port: int) -> None:
    """Until the server answers."""
    while True:
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.05)
        else:
            return


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="recs-", ignore_cleanup_errors=True) as folder:
        home, port = Home(Path(folder) / "home"), free_port()
        make_home(home)
        release_drawn(home, drawn_content(USERS, ITEMS), USERS)
        token = create_api_key(home, "browser", [Scope.READ, Scope.WRITE])[1]
        os.environ |= {"RECS_SERVING__DEMO": "true", "RECS_SERVING__REQUIRE_KEYS": "true"}
        with (Path(folder) / "server.log").open("w") as log:
            server = start_recs(home.root, "serve", "--port", str(port), output=log.fileno())
            try:
                wait_for(port)
                address = f"127.0.0.1:{port}"
                with Recording(Path(folder) / "browser") as browser:
                    look(browser, address, token)
                    found = complaints(browser.seen, address)
                require(not found, f"nothing is complained of or loaded from elsewhere {found or ''}")
            finally:
                server.terminate()
                server.wait(30)
        landed = "".join(path.read_text() for path in (home.landing / "http").iterdir())
        require(landed.count('"/demo"') == 2, "two events were stored, with the page as their referrer")


if __name__ == "__main__":
    main()
