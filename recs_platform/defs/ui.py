"""The Dagster UI of a home, with its daemon: one at a time. Its definitions are in `assembly`.

It is Dagster's development command without the command line around it, which asks its users to take another tool.
"""
# Dagster leaves parts of its command untyped.
# pyright: reportUnknownMemberType=false

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from subprocess import Popen
from typing import Any

from dagster._cli import dev
from dagster_shared.cli import WorkspaceOpts
from dagster_shared.ipc import open_ipc_subprocess

from recs_platform.defs.workspace import DEFINITIONS

HOST = "127.0.0.1"


def serve_ui(port: int, lock: int, on_start: Callable[["Popen[bytes]"], None]) -> None:
    """Serve until interrupted; DAGSTER_HOME and RECS_HOME name the home for the processes it starts.

    They inherit the descriptor `lock`: the daemon outlives a parent that is killed, and so must what it holds.
    """
    with _inherited(lock, on_start):
        dev.dev_command_impl(
            code_server_log_level="warning",
            log_level="info",
            log_format="colored",
            port=str(port),
            host=HOST,
            use_legacy_code_server_behavior=False,
            shutdown_pipe=None,
            verbose=False,
            workspace_opts=WorkspaceOpts(module_name=(DEFINITIONS,)),
        )


@contextmanager
def _inherited(descriptor: int, on_start: Callable[["Popen[bytes]"], None]) -> Generator[None, None, None]:
    started: list[Popen[bytes]] = []

    def start(parts: Sequence[str], *, pass_fds: Sequence[int] = (), **options: Any) -> "Popen[bytes]":  # noqa: ANN401
        process = open_ipc_subprocess(parts, pass_fds=[*pass_fds, descriptor], **options)
        started.append(process)
        on_start(process)
        return process

    name = open_ipc_subprocess.__name__
    setattr(dev, name, start)
    try:
        yield
    finally:
        setattr(dev, name, open_ipc_subprocess)
        # Dagster ends none of them where it is interrupted between their start and its wait.
        for process in started:
            process.terminate()
