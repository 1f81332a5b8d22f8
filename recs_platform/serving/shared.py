"""What several server processes share in Redis or Valkey, and how they go on without it.

Each process serves from its own memory; what it holds is brought up to date from the store before a request, and told
to the store after it. Where the store is gone or slow, memory alone serves until it answers again: `fault` says so.
Nothing durable is kept there, and no id of a user: names are hashes under the key of the home's tombstones, so that who
was forgotten is found there though no process remembers them. What is to be forgotten is removed by every process once
it knows, and again until the store has said so: another may have written meanwhile.
"""

from __future__ import annotations

import contextlib
import logging
import time
from hashlib import blake2b
from math import ceil
from typing import TYPE_CHECKING, Any, cast

import msgspec

from recs_platform.serving.kept import decode_list, encode_list
from recs_platform.serving.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from recs_platform.contracts.serving_settings import ServingSettings
    from recs_platform.serving.remembered import RememberedLists
    from recs_platform.serving.sessions import Sessions
    from recs_platform.serving.wire import Command, Store

_LOG = logging.getLogger(__name__)
_FORMAT = 3  # of what is kept: processes of another format, as in an update, see nothing of these
_STEPS_MAX = 500
_MINUTE = 60
_FORGET_AT_ONCE = 500
# A token bucket by the store's own clock: left and when, or nothing while it is full.
_TAKE = """
local now = redis.call('TIME')
now = now[1] + now[2] / 1000000
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local found = redis.call('HMGET', KEYS[1], 'left', 'at')
local left = tonumber(found[1]) or burst
left = math.min(burst, left + math.max(0, now - (tonumber(found[2]) or now)) * rate)
local allowed = left >= 1
if allowed then left = left - 1 end
redis.call('HSET', KEYS[1], 'left', tostring(left), 'at', tostring(now))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate * 1000) + 1000)
return {allowed and 1 or 0, tostring(left)}
"""
_STEP = msgspec.msgpack.Decoder(tuple[str, str, str | None])
_ENCODER = msgspec.msgpack.Encoder()


class Shared:
    """Sessions, shown lists and rate limits of all processes of one home. `failures`: how often the store failed."""

    def __init__(
        self,
        store: Store,
        home: Path,
        settings: ServingSettings,
        sessions: Sessions,
        lists: RememberedLists,
        hashed: Callable[[str], str],
    ) -> None:
        self._store, self._settings, self._hashed = store, settings, hashed
        self._sessions, self._lists = sessions, lists
        self._to_forget = set[str]()
        self._prefix = f"recs:{_FORMAT}:{blake2b(str(home.absolute()).encode(), digest_size=6).hexdigest()}:"
        self.fault: str | None = None
        self.failures = 0

    async def take(self, caller: str, user_id: str | None = None) -> bool:
        """Count one request and bring the session of a user, where one is named, up to date.

        False where the store does not answer. Raises Problem `rate_limited`.
        """
        per_second, burst = self._settings.rate_per_second, self._settings.rate_burst
        commands: list[Command] = [("EVAL", _TAKE, 1, self._name("rate", caller), per_second, burst)]
        if user_id is not None:
            name = self._name("session", user_id)
            commands += [("LRANGE", name, 0, -1), ("PTTL", name)]
        found = await self._ask(commands)
        if found is None:
            return False
        allowed, left = found[0]
        if not allowed:
            wait = ceil((1.0 - float(left)) / per_second)
            raise Problem("rate_limited", f"{per_second:g} requests a second are allowed", retry_after=wait)
        if user_id is not None and found[1]:
            self._sessions.renew(
                user_id, _steps(cast("list[bytes]", found[1])), idle_seconds=self._idle_seconds(found[2])
            )
        return True

    async def load_lists(self, list_ids: Iterable[str]) -> None:
        """Read lists of these ids: others may have made them, or have shown more of them since."""
        wanted = list(list_ids)
        if not wanted:
            return
        found = await self._ask([("GET", self._prefix + f"list:{each}") for each in wanted])
        for list_id, kept in zip(wanted, cast("list[bytes | None]", found or []), strict=False):
            if kept is not None and (made := decode_list(kept)) is not None:
                self._lists.add_kept(list_id, made)

    async def keep(self, list_id: str) -> None:
        """Let other processes know a list, as far as it was looked at; which lists are a user's, too."""
        made = self._lists.find(list_id)
        if made is None or made.asked.is_forgotten:
            return
        seconds, now = self._settings.list_minutes * _MINUTE, time.time()
        name, of_user = self._prefix + f"list:{list_id}", self._name("lists", made.asked.user_id)
        await self._ask(
            _together(
                ("SET", name, encode_list(made, self._hashed), "EX", seconds),
                ("ZADD", of_user, now, list_id),
                ("ZREMRANGEBYSCORE", of_user, "-inf", now - seconds),
                ("EXPIRE", of_user, seconds),
            )
        )

    async def record(self, steps: Sequence[tuple[str, str, str, str | None]]) -> None:
        """Tell what users did: user, item, type of event and session of each, oldest first."""
        if not steps:
            return
        by_user: dict[str, list[bytes]] = {}
        for user, *step in steps:
            by_user.setdefault(user, []).append(_ENCODER.encode(step))
        commands: list[Command] = []
        for user, values in by_user.items():
            name = self._name("session", user)
            commands += [
                ("RPUSH", name, *values),
                ("LTRIM", name, -_STEPS_MAX, -1),
                ("EXPIRE", name, self._settings.session_minutes * _MINUTE),
            ]
        await self._ask(_together(*commands))

    def forget_user_soon(self, user_id: str) -> None:
        """Let `forget` drop what the store holds of a user."""
        self.forget_soon(self._hashed(user_id))

    def forget_soon(self, *hashes: str) -> None:
        """The same of users by their hashes; whoever was dropped once is dropped again."""
        self._to_forget.update(hashes)

    async def forget(self) -> None:
        """Drop what the store holds of users who are to be forgotten; where it does not answer they wait."""
        waiting = sorted(self._to_forget)
        for first in range(0, len(waiting), _FORGET_AT_ONCE):
            users = waiting[first : first + _FORGET_AT_ONCE]
            found = await self._ask([("ZRANGE", f"{self._prefix}lists:{user}", 0, -1) for user in users])
            if found is None:
                return
            lists = [self._prefix.encode() + b"list:" + each for of_user in found for each in of_user]
            names = [f"{self._prefix}{kind}:{user}" for user in users for kind in ("session", "lists")]
            if await self._ask([("DEL", *names, *lists)]) is None:
                return
            self._to_forget.difference_update(users)

    async def look(self) -> None:
        """Ask whether the store takes something, so that no request waits for one that does not; forget what waits.

        One that is full, or a replica, answers a ping and refuses all that requests ask.
        """
        try:
            await self._store.ask([("SET", self._prefix + "looked:at", 1, "EX", _MINUTE)])
        except OSError as error:
            self._fail(error)
            return
        if self.fault is not None:
            _LOG.warning("the shared store answers again")
        self.fault = None
        await self.forget()

    def close(self) -> None:
        """Close the connection."""
        self._store.close()

    def _idle_seconds(self, left_milliseconds: int) -> float:
        """Seconds since the last event of a session that the store keeps for so long still."""
        whole = self._settings.session_minutes * _MINUTE
        return min(max(whole - left_milliseconds / 1000, 0.0), float(whole))

    def _name(self, kind: str, owner: str) -> str:
        return f"{self._prefix}{kind}:{self._hashed(owner)}"

    async def _ask(self, commands: Sequence[Command]) -> list[Any] | None:
        """Answers of commands, None where the store fails; a store that failed is not asked until it answers."""
        if self.fault is not None:
            return None
        try:
            return await self._store.ask(commands)
        except OSError as error:
            self._fail(error)
            return None

    def _fail(self, error: Exception) -> None:
        self.failures += 1
        if self.fault is None:
            _LOG.warning("the shared store does not answer, each process serves from its own memory: %s", error)
        self.fault = str(error) or type(error).__name__


def _together(*commands: Command) -> list[Command]:
    """Commands that are all carried out or none: a key whose process died must not be left without its end."""
    return [("MULTI",), *commands, ("EXEC",)]


def _steps(kept: Iterable[bytes]) -> Iterator[tuple[str, str, str | None]]:
    """Steps of a session; what no process of this version wrote is left out."""
    for each in kept:
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            yield _STEP.decode(each)
