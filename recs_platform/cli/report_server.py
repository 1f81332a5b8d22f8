"""Serves the pages of reports on 127.0.0.1 while `recs ui` runs: pages alone, read-only, to this machine alone.

The address is kept beside the pages, so that assets can link them.
"""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

from recs_platform.contracts.home import Home

HOST = "127.0.0.1"
# Evidently's pages hold scripts of their own; none may speak to anybody.
_POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'none'; form-action 'none'"


@contextmanager
def served_reports(home: Home, port: int) -> Generator[str, None, None]:
    """Serve the home's reports until the end of the block, on another port where that one is taken; gives the URL."""
    server = _server(home.reports, port)
    url = f"http://{HOST}:{server.server_port}"
    home.reports.mkdir(parents=True, exist_ok=True)
    home.reports_address.write_text(url, encoding="utf-8")
    Thread(target=server.serve_forever, name="reports", daemon=True).start()
    try:
        yield url
    finally:
        server.shutdown()
        server.server_close()
        with suppress(FileNotFoundError):
            home.reports_address.unlink()


def _server(folder: Path, port: int) -> ThreadingHTTPServer:
    class Pages(_Pages):
        root = folder

    try:
        return ThreadingHTTPServer((HOST, port), Pages)
    except OSError:
        return ThreadingHTTPServer((HOST, 0), Pages)


def find_page(root: Path, target: str) -> Path | None:
    """The page that a request's target names; None for what is no page below `root`, or one about a single user."""
    try:
        path = unquote(urlsplit(target).path)
        if "\0" in path or "\\" in path:
            return None
        file = (root / (path.strip("/") or "index.html")).resolve(strict=True)
    except (ValueError, OSError):  # no address, no name of a file, or no file
        return None
    inside = root.resolve()
    if file.suffix != ".html" or not file.is_relative_to(inside):
        return None
    parts = file.relative_to(inside).parts
    is_open = not any(part.startswith(".") for part in parts) and parts[0] != Home(root.parent).user_pages.name
    return file if is_open and file.is_file() else None


class _Pages(BaseHTTPRequestHandler):
    """Answers GET and HEAD; every other method is refused by the base class."""

    root: Path

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as the base class names it
        """The terminal belongs to the UI."""

    def _answer(self, *, with_body: bool) -> None:
        name = (self.headers.get("host") or "").rpartition(":")[0]
        page = find_page(self.root, self.path) if name in {HOST, "localhost"} else None
        if page is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        content = page.read_bytes()
        self.send_response(HTTPStatus.OK)
        for header, value in {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Length": str(len(content)),
            "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": _POLICY,
        }.items():
            self.send_header(header, value)
        self.end_headers()
        if with_body:
            self.wfile.write(content)
