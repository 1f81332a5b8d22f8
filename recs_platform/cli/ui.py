"""The command that opens the Dagster UI, and its preconditions: a free port, no other UI on the home."""
# typer leaves the callbacks of its options untyped.
# pyright: reportUnknownMemberType=false

import os
import socket
from pathlib import Path
from typing import Annotated

import typer

from recs_platform.cli.house import find_settings, make_home, open_dagster, open_platform
from recs_platform.cli.show import say
from recs_platform.cli.stopping import Stopping, stopped_by_signals
from recs_platform.contracts.errors import Busy, RecsError
from recs_platform.contracts.home import Home, Lock
from recs_platform.settings import read_settings

HOST = "127.0.0.1"


def ui(port: Annotated[int, typer.Option(min=1, max=65535, help="The port on 127.0.0.1.")] = 3000) -> None:
    """Open the Dagster UI, with its daemon for sensors and schedules, on 127.0.0.1; the reports on the next port.

    Example: recs ui --port 3001
    """
    # Before anything that takes seconds to import.
    home = read_settings().paths
    make_home(home)
    with stopped_by_signals() as stopping:
        _open_ui(home, port, stopping)


def _open_ui(home: Home, port: int, stopping: Stopping) -> None:
    from recs_platform.lake.locks import at_work, exclusive

    with at_work(f"recs ui on http://{HOST}:{port}"):
        try:
            with exclusive(home.lock(Lock.UI), wait=False) as lock:
                require_free(port)
                _serve(home.root, port, lock, stopping)
        except Busy as error:
            raise Busy(
                f"this home already has a UI and its daemon, which may outlive a killed `recs ui`: {error}"
            ) from error


def require_free(port: int) -> None:
    """Raise RecsError where something listens on the port of 127.0.0.1 already."""
    require_free_port(HOST, port, "ui")


def require_free_port(host: str, port: int, command: str) -> None:
    """Raise RecsError where the port of an address cannot be listened on; `command` is the one to try another with."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As the server does: a port whose last user is gone a moment is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise RecsError(
                f"port {port} on {host} cannot be used ({error.strerror}); choose another: "
                f"recs {command} --port {_next(port)}"
            ) from error


def _next(port: int) -> int:
    return port + 1 if port < 65535 else port - 1  # noqa: PLR2004


def _serve(root: Path, port: int, lock: int, stopping: Stopping) -> None:
    with open_dagster(open_platform()):
        pass
    os.environ["RECS_HOME"] = str(root)
    os.environ["DO_NOT_TRACK"] = "1"
    from recs_platform.cli.report_server import served_reports
    from recs_platform.defs.ui import serve_ui

    with served_reports(find_settings().paths, _next(port)) as reports:
        say(f"the UI opens on http://{HOST}:{port}, the reports on {reports} (Ctrl-C ends both)")
        serve_ui(port, lock, stopping.watch)


def add_commands(app: typer.Typer) -> None:
    """Put this module's command on the app."""
    app.command()(ui)
