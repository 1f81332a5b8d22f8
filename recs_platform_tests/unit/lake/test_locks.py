"""Locks: one holder at a time, named to whoever asks, and none once the holder is dead."""

import fcntl
import os
import re
import threading

import pytest

from recs_platform.contracts.errors import Busy
from recs_platform.lake.locks import at_work, describe_holder, exclusive, holder


def test_a_free_lock_has_no_holder(tmp_path):
    path = tmp_path / "locks" / "ingest"
    assert holder(path) is None
    with exclusive(path):
        assert holder(path) == os.getpid()
    assert holder(path) is None


def test_the_file_names_the_process_and_its_command(tmp_path):
    with exclusive(tmp_path / "lock"):
        pid, command = (tmp_path / "lock").read_text().split(" ", 1)
    assert int(pid) == os.getpid()
    assert command.strip()


def test_two_handles_of_one_process_exclude_each_other(tmp_path):
    with exclusive(tmp_path / "lock"), pytest.raises(Busy, match=f"process {os.getpid()} "):  # noqa: SIM117
        with exclusive(tmp_path / "lock", wait=False):
            pytest.fail("taken twice")


def test_a_waiting_caller_is_told_once_who_holds_it_and_gets_it_in_the_end(tmp_path):
    told, told_one, got = [], threading.Event(), threading.Event()

    def wait() -> None:
        def tell(message: str) -> None:
            told.append(message)
            told_one.set()

        with exclusive(tmp_path / "lock", on_wait=tell):
            got.set()

    with exclusive(tmp_path / "lock"):
        waiter = threading.Thread(target=wait)
        waiter.start()
        assert told_one.wait(10)
        assert not got.wait(0.1)
    waiter.join(10)
    assert got.is_set()
    assert len(told) == 1
    assert f"process {os.getpid()} " in told[0]


def test_a_waiting_caller_reads_which_run_of_which_job_and_since_when(tmp_path):
    work = "run 1a2b3c4d of build as of 2017-02-20"
    with at_work(work), exclusive(tmp_path / "lock"), pytest.raises(Busy) as told:  # noqa: SIM117
        with exclusive(tmp_path / "lock", wait=False):
            pytest.fail("taken twice")
    said = rf"lock is held by process {os.getpid()} \({work}\) since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC; wait"
    assert re.match(said, str(told.value))
    assert describe_holder(tmp_path / "lock") is None
    with exclusive(tmp_path / "lock"):
        assert work not in describe_holder(tmp_path / "lock")


def test_an_exception_in_the_body_frees_the_lock(tmp_path):
    with pytest.raises(KeyError), exclusive(tmp_path / "lock"):
        raise KeyError
    with exclusive(tmp_path / "lock", wait=False):
        pass


def test_asking_who_holds_a_free_lock_does_not_make_it_busy(tmp_path):
    path = tmp_path / "lock"
    with exclusive(path):
        pass
    with path.open() as asking:
        # What `holder` does, for longer than it takes.
        fcntl.flock(asking, fcntl.LOCK_SH)
        done = threading.Timer(0.1, fcntl.flock, (asking, fcntl.LOCK_UN))
        done.start()
        with exclusive(path, wait=False):
            assert holder(path) == os.getpid()
        done.join()


def test_a_killed_holder_frees_the_lock(tmp_path, start):
    path = tmp_path / "lock"
    child = start("hold", path)
    assert child.stdout.readline() == "held\n"
    assert holder(path) == child.pid
    with pytest.raises(Busy, match=f"process {child.pid} .*children.py"), exclusive(path, wait=False):
        pytest.fail("taken from a living process")
    child.kill()
    child.wait()
    assert holder(path) is None
    with exclusive(path, wait=False):
        assert holder(path) == os.getpid()
