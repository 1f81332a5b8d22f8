"""Requests to forget somebody that wait to be carried out: `<home>/forgets/requests`, a file each, for its owner alone.

A request has to name the user as they are called. Whoever carries one out removes it.
"""

import json
import os
import uuid
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from recs_platform.contracts.home import Home
from recs_platform.lake.disk import flush, write_whole

_USER = "user_id"


def add_request(home: Home, user: str) -> None:
    """Let a user wait to be forgotten; returns once that would survive a power cut. Once is enough.

    Raises OSError where the disk refuses; nothing is left of the request then.
    """
    if user in waiting_users(home, lambda _: None):
        return
    home.forgets.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = _folder(home)
    folder.mkdir(mode=0o700, exist_ok=True)
    file = folder / f"{uuid.uuid4().hex}.json"
    aside = file.with_suffix(".tmp")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        write_whole(descriptor, json.dumps({_USER: user}).encode())
        os.fsync(descriptor)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    aside.rename(file)
    flush((folder, home.forgets))


def waiting_users(home: Home, on_damaged: Callable[[str], object]) -> list[str]:
    """Users who wait to be forgotten, sorted; `on_damaged` is told of each request that cannot be read."""
    users = set[str]()
    for file in sorted(_folder(home).glob("*.json")):
        user = _user_of(file)
        if user is not None:
            users.add(user)
        elif file.exists():
            on_damaged(f"{file} cannot be read: somebody asks there to be forgotten; ask again, then remove it")
    return sorted(users)


def waiting_requests(home: Home) -> list[str]:
    """Names of the requests that wait, sorted; they say nothing of who is meant."""
    return sorted(file.stem for file in _folder(home).glob("*.json"))


def drop_requests(home: Home, names: Collection[str]) -> None:
    """Remove what asks to forget users of these names."""
    for file in _folder(home).glob("*.json"):
        if _user_of(file) in names:
            file.unlink(missing_ok=True)


def _folder(home: Home) -> Path:
    return home.forgets / "requests"


def _user_of(file: Path) -> str | None:
    """None where the request is damaged, or was carried out meanwhile."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads(file.read_text("utf-8"))[_USER])
    return None
