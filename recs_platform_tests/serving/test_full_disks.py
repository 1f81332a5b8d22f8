"""Disks that refuse: what was refused never goes to landing, for it comes again; what was acknowledged always does."""

import asyncio
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from recs_platform.contracts.home import Home
from recs_platform.lake.processes import process_name
from recs_platform.pipeline.forgetting.texts import _cut_spool
from recs_platform.serving.spool import Spool
from recs_platform.serving.spool_file import SpoolFile, recover
from recs_platform_tests.serving.served import Ask, Served

Patched = pytest.MonkeyPatch
ONE, TWO = b'{"event_id":"1"}\n', b'{"event_id":"2"}\n'
DEAD = "999999999-0dead"


def refuse(*_: object) -> None:
    raise OSError(28, "No space left on device")


def takes(count: int) -> Callable[[int, bytes], int]:
    """A disk with room for so many bytes."""
    write, room = os.write, [count]

    def written(descriptor: int, content: bytes) -> int:
        if not room[0]:
            refuse()
        done = write(descriptor, bytes(content)[: room[0]])
        room[0] -= done
        return done

    return written


@contextmanager
def refusing(monkeypatch: Patched, *names: str, room: int = 0) -> Iterator[None]:
    """Within it these calls of the system fail, and there is room for so many bytes."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", takes(room))
        for name in names:
            patch.setattr(os, name, refuse)
        yield


def opened(home: Home, folder: str = DEAD) -> SpoolFile:
    return SpoolFile(home.spool / folder, home.landing / "http")


def landed(home: Home) -> list[bytes]:
    return [path.read_bytes() for path in sorted((home.landing / "http").iterdir())]


def test_lines_that_were_written_and_refused_are_cut_off(tmp_path: Path, monkeypatch: Patched) -> None:
    home = Home(tmp_path)
    file = opened(home)
    file.append(ONE)
    with refusing(monkeypatch, room=len(TWO) + 5), pytest.raises(OSError, match="No space"):
        file.append(TWO + ONE)
    assert not file.is_spoilt
    file.append(TWO)
    file.seal()
    assert landed(home) == [ONE + TWO]


def closes_and_refuses(descriptor: int) -> None:
    """A quota over the network is told of as late as when the file is closed."""
    _CLOSE(descriptor)
    refuse()


_CLOSE = os.close


def test_a_file_that_is_closed_with_an_error_still_says_how_much_of_it_counts(
    tmp_path: Path, monkeypatch: Patched
) -> None:
    home = Home(tmp_path)
    file = opened(home)
    file.append(ONE)
    with refusing(monkeypatch, "truncate", room=len(TWO)):
        monkeypatch.setattr(os, "close", closes_and_refuses)
        with pytest.raises(OSError, match="No space"):
            file.append(TWO + ONE)
    monkeypatch.undo()
    assert recover(home) == 1
    assert landed(home) == [ONE]


@pytest.mark.parametrize("also", [(), ("rename",)])
def test_what_cannot_be_cut_off_goes_to_landing_without_it_once_it_can(
    tmp_path: Path, monkeypatch: Patched, also: tuple[str, ...]
) -> None:
    home = Home(tmp_path)
    file = opened(home)
    file.append(ONE)
    with refusing(monkeypatch, "truncate", *also, room=len(TWO)):
        for _ in range(2):
            with pytest.raises(OSError, match="No space"):
                file.append(TWO + ONE) if not file.is_spoilt else file.seal()
            assert file.is_spoilt
        assert landed(home) == []
    file.seal()
    assert landed(home) == [ONE]
    file.seal()  # again, where the first time the folder could not be flushed
    assert landed(home) == [ONE]


def test_the_next_start_cuts_off_what_this_one_could_not(tmp_path: Path, monkeypatch: Patched) -> None:
    home = Home(tmp_path)
    for kept in (ONE, b""):
        file = opened(home)
        if kept:
            file.append(kept)
        with refusing(monkeypatch, "truncate", room=len(TWO)), pytest.raises(OSError, match="No space"):
            file.append(TWO + ONE)
        file.close()
    assert recover(home) == 1
    assert landed(home) == [ONE]
    assert not list(home.spool.iterdir())


def test_over_http_what_was_refused_is_sent_again_and_counts_once(tmp_path: Path, monkeypatch: Patched) -> None:
    served = Served(tmp_path)

    async def test(ask: Ask) -> None:
        async def post(event_id: str) -> int:
            event = {"user_id": "u1", "item_id": "d", "event_type": "click", "event_id": event_id}
            return (await ask("POST", "/v1/events", json=event)).status_code

        assert await post("before") == 202
        with refusing(monkeypatch, "truncate", "rename", room=1_000):
            monkeypatch.setattr(os, "fsync", refuse)  # whole lines are in the file, and refused
            for _ in range(3):
                assert await post("during") == 503
            monkeypatch.undo()
        assert [await post("during"), await post("after")] == [202, 202]
        assert (await ask("GET", "/readyz")).json()["is_storing_events"]

    served.run(test)
    rows = [json.loads(line)["event_id"] for line in served.landed().splitlines()]
    assert sorted(rows) == ["after", "before", "during"]
    assert not list(served.home.spool.rglob("*.jsonl"))


def test_a_disk_that_cuts_nothing_back_costs_a_few_files(tmp_path: Path, monkeypatch: Patched) -> None:
    served = Served(tmp_path, seal_seconds=60.0)
    event = {"user_id": "u1", "item_id": "d", "event_type": "click"}

    async def test(ask: Ask) -> None:
        with refusing(monkeypatch, "truncate", "rename", room=10_000):
            monkeypatch.setattr(os, "fsync", fsync_of_folders)
            for _ in range(12):
                assert (await ask("POST", "/v1/events", json=event)).status_code == 503
            assert len(list((served.home.spool / process_name()).iterdir())) == 8
            monkeypatch.undo()
        assert (await ask("POST", "/v1/events", json=event)).status_code == 202

    served.run(test)
    assert len(served.landed().splitlines()) == 1


_FSYNC = os.fsync


def fsync_of_folders(descriptor: int) -> None:
    """Names can be flushed, content cannot."""
    if Path(f"/proc/self/fd/{descriptor}").resolve().is_dir():
        _FSYNC(descriptor)
    else:
        refuse()


def test_who_is_forgotten_leaves_what_counts_of_a_dead_server(tmp_path: Path) -> None:
    home = Home(tmp_path)
    (home.spool / DEAD).mkdir(parents=True)
    marked = home.spool / DEAD / f"a.upto-{len(ONE + TWO)}.jsonl"
    marked.write_bytes(ONE + TWO + TWO)
    _cut_spool(home, re.compile('"1"'), lambda *_: None, dry_run=False)
    assert recover(home) == 1
    assert landed(home) == [TWO]


def test_a_spool_that_is_stopped_while_it_tries_a_file_again_seals_the_newest_too(tmp_path: Path) -> None:
    home = Home(tmp_path)
    spool = Spool(home, queued_events_max=10, seal_seconds=60.0)
    sealing, go_on = threading.Event(), threading.Event()

    class Slow:
        """A file that takes its time."""

        is_spoilt, durable_bytes, since = False, 0, 0.0

        def seal(self) -> None:
            sealing.set()
            go_on.wait(10)

    async def test() -> None:
        await spool.start()
        spool._left.append(Slow())  # pyright: ignore[reportArgumentType]
        spool._tried_at = -1e9
        await spool.append(ONE, 1)
        await asyncio.to_thread(sealing.wait, 10)
        asyncio.get_running_loop().call_soon(go_on.set)
        await spool.stop()

    asyncio.run(test())
    assert landed(home) == [ONE]
