"""Other processes for the tests of this room, none of which outlives its test."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Child = subprocess.Popen[str]


@pytest.fixture
def start() -> Iterator[Callable[..., Child]]:
    """Start `children.py NAME ARGUMENT...`; returns when it has imported everything and is about to begin."""
    running: list[Child] = []

    def begin(*arguments: object) -> Child:
        command = [sys.executable, str(Path(__file__).with_name("children.py")), *map(str, arguments)]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        running.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        return child

    yield begin
    for child in running:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()
