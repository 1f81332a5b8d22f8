"""A process is its number and its start: a later one of the same number is another."""

import os
import subprocess
import sys
import time

import pytest

from recs_platform.lake import processes
from recs_platform.lake.processes import is_alive, is_running, process_name, process_number, started_by


def test_this_process_lives_under_its_name_and_under_no_other_start() -> None:
    name = process_name()
    assert process_number(name) == os.getpid()
    assert is_alive(name)
    assert not is_alive(f"{name}0")
    assert not is_alive(f"{os.getpid()}-1")


def test_two_processes_have_two_names_although_a_number_may_come_again() -> None:
    assert process_name(os.getppid()) != process_name()


def test_a_number_alone_is_judged_by_the_number() -> None:
    assert is_alive(str(os.getpid()))


@pytest.mark.parametrize("name", ["", "-", "x", "0x1", "99999999999999999999", "1 "])
def test_what_names_no_process_is_not_alive(name: str) -> None:
    assert not is_alive(name)


def test_a_process_that_ended_is_gone_even_before_anybody_waited_for_it() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = process_name(child.pid)
    assert is_alive(name)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(name)
    assert not is_running(child.pid)
    child.communicate()
    assert not is_alive(name)


def test_without_proc_the_start_is_what_ps_tells(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(processes, "_PROC", tmp_path)
    monkeypatch.setattr(
        processes.subprocess,
        "run",
        lambda command, **_: subprocess.CompletedProcess(command, 0, stdout="Sat Nov 28 19:38:00 2026\n", stderr=""),
    )
    assert process_name(1) == "1-SatNov281938002026"
    assert is_alive(process_name())


def test_a_process_that_started_later_is_not_the_one_that_was_seen() -> None:
    assert started_by(os.getpid(), time.time())
    assert not started_by(os.getpid(), time.time() - 10 * 365 * 86_400)
