"""Requests to forget: one that is damaged is told of and keeps no other waiting, one that is gone is none."""

import os
from pathlib import Path

import pytest

from recs_platform.contracts.home import Home
from recs_platform.lake import forget_requests
from recs_platform.lake.forget_requests import add_request, drop_requests, waiting_users


@pytest.mark.parametrize("content", ["", "{", "[1]", "{}", "\udcff"])
def test_a_damaged_request_is_told_of_and_the_others_wait(tmp_path: Path, content: str) -> None:
    home, told = Home(tmp_path), list[str]()
    add_request(home, "u1")
    damaged = home.forgets / "requests" / "0.json"
    damaged.write_bytes(content.encode("utf-8", "surrogateescape"))
    add_request(home, "u2")
    assert waiting_users(home, told.append) == ["u1", "u2"]
    assert [str(damaged) in sentence for sentence in told] == [True]
    drop_requests(home, ["u1"])
    assert waiting_users(home, told.append) == ["u2"]
    assert damaged.exists()


def test_one_that_was_carried_out_while_it_was_read_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, told = Home(tmp_path), list[str]()
    add_request(home, "u1")
    read = forget_requests._user_of

    def carried_out(file: Path) -> str | None:
        file.unlink()
        return read(file)

    monkeypatch.setattr(forget_requests, "_user_of", carried_out)
    assert (waiting_users(home, told.append), told) == ([], [])


def test_a_request_that_a_full_disk_took_half_of_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, write, room = Home(tmp_path), os.write, [5]

    def takes_five(descriptor: int, content: bytes) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        room[0] -= (done := write(descriptor, bytes(content)[: room[0]]))
        return done

    monkeypatch.setattr(os, "write", takes_five)
    with pytest.raises(OSError, match="No space"):
        add_request(home, "u1")
    assert waiting_users(home, print) == []
    assert not list((home.forgets / "requests").iterdir())
