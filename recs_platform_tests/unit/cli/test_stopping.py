"""Commands end when they are told to, also where a shell without job control started them with SIGINT ignored."""

import signal
import subprocess
import sys
import time

import pytest

STARTED_BY_A_SHELL = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-c"]
# Dagster gives SIGTERM the handler of SIGINT.
AS_DAGSTER = """
import signal, time
from recs_platform.cli.stopping import heed_interrupts
heed_interrupts()
signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
print("ready", flush=True)
time.sleep(60)
"""
A_STOP_THAT_WAITS_FOR_A_CHILD = """
import signal, subprocess, sys, time
from recs_platform.cli.stopping import stopped_by_signals
with stopped_by_signals(seconds=0.3) as stopping:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
    child.stdout.read(1)
    stopping.watch(child)
    try:
        print("ready", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("stopping", flush=True)
        child.wait()
        print("ended", child.returncode, flush=True)
"""
AN_INTERRUPT_THAT_IS_LOST = """
import time
from recs_platform.cli.stopping import stopped_by_signals
with stopped_by_signals(seconds=0.2):
    line = "ready"
    while True:
        try:
            print(line, flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            line = "stopping"
"""


def _start(code: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [*STARTED_BY_A_SHELL, code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_command_started_with_interrupts_ignored_is_ended_by_both_signals(name: signal.Signals) -> None:
    process = _start(AS_DAGSTER)
    process.send_signal(name)
    assert "KeyboardInterrupt" in process.communicate(timeout=20)[1]


def test_a_child_that_hears_nothing_is_killed_and_the_stop_goes_on() -> None:
    process = _start(A_STOP_THAT_WAITS_FOR_A_CHILD)
    for _ in range(3):  # also while the first stop is in progress
        process.send_signal(signal.SIGTERM)
        time.sleep(0.05)
    out, err = process.communicate(timeout=20)
    assert out == f"stopping\nended -{signal.SIGKILL:d}\n"
    assert (process.returncode, err) == (0, "")


def test_a_command_that_loses_its_interrupt_ends_nevertheless() -> None:
    process = _start(AN_INTERRUPT_THAT_IS_LOST)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=20)[0] == "stopping\n"
    assert process.returncode == 1
