"""A full disk and a home that may not be written are told in a line; a fault of the code stays a traceback."""

import errno
import os
import sys

import duckdb
import pytest

from recs_platform import cli
from recs_platform.cli.machine_faults import machine_fault


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def of_system(number: int, file: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), file)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (of_system(errno.ENOSPC), "refused a file of the home: No space left on device; make room"),
        (of_system(errno.EROFS, "/h/locks/as_of"), "refused /h/locks/as_of: Read-only file system; mount it"),
        (of_system(errno.EACCES, "/h/x"), "refused /h/x: Permission denied; let this account"),
        (duckdb.IOException("Could not write file x: No space left on device"), "refused: Could not write file x"),
        (OSError("Generic LocalFileSystem error: No space left on device (os error 28)"), "refused: Generic Local"),
        (caused(RuntimeError("sealing failed"), of_system(errno.ENOSPC)), "No space left on device; make room"),
    ],
)
def test_what_the_machine_refuses_is_a_sentence(error: Exception, said: str) -> None:
    assert said in (machine_fault(error) or "")


@pytest.mark.parametrize("error", [ValueError("No space left on device"), OSError(errno.ENOENT, "gone"), KeyError("k")])
def test_what_is_no_fault_of_the_machine_is_none(error: Exception) -> None:
    assert machine_fault(error) is None


def test_a_command_ends_with_the_sentence_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full() -> None:
        raise of_system(errno.ENOSPC)

    monkeypatch.setattr(cli, "app", full)
    monkeypatch.setattr(cli, "heed_interrupts", lambda: None)
    monkeypatch.setattr(cli, "enter_command", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["recs", "publish"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 1
    assert capsys.readouterr().err.startswith("recs: this machine refused a file of the home: No space left on device")
