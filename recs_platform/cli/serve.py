"""The command that serves lists over HTTP. The server is in `serving`; keys have commands of their own in `keys`."""
# typer leaves the callbacks of its options untyped.
# pyright: reportUnknownMemberType=false

import logging
from functools import partial
from socket import socket
from typing import TYPE_CHECKING, Annotated

import typer

from recs_platform.cli.house import find_settings
from recs_platform.cli.show import say

if TYPE_CHECKING:
    from recs_platform.serving.application import Application


def serve(
    host: Annotated[str, typer.Option(help="The address to listen on; any but this machine's own needs keys.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port.")] = 8080,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that answer; several need serving.redis_url.")
    ] = 1,
) -> None:
    """Serve recommendations over HTTP and take events in; see docs at /docs.

    Example: recs serve --port 8081 --workers 2
    """
    settings = find_settings()
    from recs_platform.cli.ui import require_free_port
    from recs_platform.serving.server import serve as serve_application
    from recs_platform.serving.workers import require_shareable, serve_with_workers

    if workers > 1:
        require_shareable(settings)
    application = _application(host)
    require_free_port(host, port, "serve")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    said = f"serving on http://{host}:{port}, documented at http://{host}:{port}/docs (Ctrl-C ends it)"
    say(said if workers == 1 else f"{workers} workers {said}")
    if workers > 1:
        serve_with_workers(_work, host, port, workers)
    else:
        serve_application(application, host, port, settings.serving.request_seconds_max)


def _application(host: str) -> "Application":
    """The application of the home that the environment names, which is the same in every worker."""
    settings = find_settings()
    from recs_platform.lake.tables import Lake
    from recs_platform.serving.server import build
    from recs_platform.serving.tombstones import UserHashes
    from recs_platform.stages.events.forgotten import read_tombstones
    from recs_platform.stages.events.pseudonyms import create_key_file, open_privacy, pseudonym

    home = settings.paths
    # A home whose key is lost is not served: everybody would be a stranger.
    key = open_privacy(home, Lake(home.lake), settings.privacy).key
    stored_name = str if key is None else partial(pseudonym, key)
    hashes = UserHashes(partial(pseudonym, create_key_file(home.forget_key)), partial(read_tombstones, home))
    return build(settings, host, stored_name, hashes)


def _work(host: str, shared_socket: socket) -> None:
    """What one worker does."""
    from recs_platform.serving.server import serve as serve_application

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    seconds_max = find_settings().serving.request_seconds_max
    serve_application(_application(host), host, 0, seconds_max, shared_socket)


def add_commands(app: typer.Typer) -> None:
    """Put this module's command on the app."""
    app.command()(serve)
