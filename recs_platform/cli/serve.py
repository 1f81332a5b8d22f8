"""The command that serves lists over HTTP. The server is in `serving`; keys have commands of their own in `keys`."""
# typer leaves the callbacks of its options untyped.
# pyright: reportUnknownMemberType=false

import logging
from functools import partial
from typing import Annotated

import typer

from recs_platform.cli.house import find_settings
from recs_platform.cli.show import say


def serve(
    host: Annotated[str, typer.Option(help="The address to listen on; any but this machine's own needs keys.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port.")] = 8080,
) -> None:
    """Serve recommendations over HTTP and take events in; see docs at /docs.

    Example: recs serve --port 8081
    """
    settings = find_settings()
    from recs_platform.cli.ui import require_free_port
    from recs_platform.serving.server import build
    from recs_platform.serving.server import serve as serve_application
    from recs_platform.stages.events.pseudonyms import pseudonym, read_key

    key = read_key(settings.paths)
    application = build(settings, host, str if key is None else partial(pseudonym, key))
    require_free_port(host, port, "serve")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    say(f"serving on http://{host}:{port}, documented at http://{host}:{port}/docs (Ctrl-C ends it)")
    serve_application(application, host, port, settings.serving.request_seconds_max)


def add_commands(app: typer.Typer) -> None:
    """Put this module's command on the app."""
    app.command()(serve)
