"""Starting a server: which settings it may start with, and what uvicorn is told. The application: `application`."""

from __future__ import annotations

import logging
import resource
import time
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING

import uvicorn

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.experiments import explored_draft
from recs_platform.serving.application import Application
from recs_platform.serving.keys import valid_keys
from recs_platform.serving.protocol import CONNECTIONS_MAX, bounded_protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from recs_platform.serving.tombstones import UserHashes
    from recs_platform.settings import Settings

_LOG = logging.getLogger(__name__)
_STOP_SECONDS = 4
_OTHER_FILES = 500  # that a process has open beside its connections


def build(settings: Settings, host: str, stored_name: Callable[[str], str], hashes: UserHashes) -> Application:
    """The application for an address. `hashes`: of users as they are stored, such as those of who was forgotten.

    Raises UsageError where that needs keys and there is none, and for a variant whose release cannot be served.
    """
    needs_keys = settings.serving.require_keys or not is_loopback(host)
    if needs_keys and not len(valid_keys(settings.paths, _LOG.warning)):
        why = "serving.require_keys is set" if is_loopback(host) else f"{host} is reached from other machines"
        raise UsageError(f"{why}, and there is no key yet; make one: recs keys create NAME")
    if found := explored_draft(settings.experiments, settings.exploration.slots, datetime.now(UTC).date()):
        raise UsageError(f"{settings.paths.settings_file}: {'.'.join(found[0])}: {found[1]}")
    application = Application(
        settings,
        needs_keys=needs_keys,
        stored_name=stored_name,
        hashes=hashes,
        clock=time.monotonic,
    )
    application.variants.require_releases(datetime.now(UTC).date())
    return application


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone; a name is, where it is localhost.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0"), is_loopback("example.org")
    (True, True, False, False)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve(
    application: Application, host: str, port: int, seconds_max: float, shared_socket: socket | None = None
) -> None:
    """Answer until a signal stops it; requests under way have four seconds to end.

    `shared_socket`: bound already, and listened on by other processes too.
    """
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        http=bounded_protocol(
            seconds_max, application.door.at_once, application.door.refuse_crowd, connections_max_of_process()
        ),
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    uvicorn.Server(config).run(None if shared_socket is None else [shared_socket])


def connections_max_of_process() -> int:
    """How many connections may be open: 2,000, or fewer where the system allows too few open files.

    The process asks the system for what it needs. Twice as many are open for a moment, for those are told to go away.
    """
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * CONNECTIONS_MAX + _OTHER_FILES
    if allowed < wanted and allowed != resource.RLIM_INFINITY:
        allowed = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
    is_enough = allowed == resource.RLIM_INFINITY or allowed >= wanted
    return CONNECTIONS_MAX if is_enough else max(1, (allowed - _OTHER_FILES) // 2)
