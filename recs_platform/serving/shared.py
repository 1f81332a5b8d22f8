"""What several server processes share in Redis or Valkey, and how they go on without it.

Each process serves from its own memory; what it holds is brought up to date from the store before a request, and told
to the store after it. Where the store is gone or slow, memory alone serves until it answers again: `fault` says so.
Nothing durable is kept there, and no id of a user: keys are hashes.
"""

from __future__ import annotations

import logging
from hashlib import blake2b
from math import ceil
from typing import TYPE_CHECKING, Any, cast

import msgspec

from recs_platform.serving.kept import decode_list, encode_list, hashed
from recs_platform.serving.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from recs_platform.serving.remembered import RememberedLists
    from recs_platform.serving.sessions import Sessions
    from recs_platform.serving.wire import Command, Store
    from recs_platform.settings import ServingSettings

_LOG = logging.getLogger(__name__)
_STEPS_MAX = 500
_MINUTE = 60
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
        self, store: Store, home: Path, settings: ServingSettings, sessions: Sessions, lists: RememberedLists
    ) -> None:
        self._store, self._settings = store, settings
        self._sessions, self._lists = sessions, lists
        self._prefix = f"recs:{blake2b(str(home.absolute()).encode(), digest_size=6).hexdigest()}:"
        self.fault: str | None = None
        self.failures = 0

    async def take(self, caller: str, user_id: str | None = None) -> bool:
        """Count one request and bring the session of a user, where one is named, up to date.

        False where the store does not answer. Raises Problem `rate_limited`.
        """
        per_second, burst = self._settings.rate_per_second, self._settings.rate_burst
        commands: list[Command] = [("EVAL", _TAKE, 1, self._name("rate", caller), per_second, burst)]
        if user_id is not None:
            commands.append(("LRANGE", self._name("session", user_id), 0, -1))
        found = await self._ask(commands)
        if found is None:
            return False
        allowed, left = found[0]
        if not allowed:
            wait = ceil((1.0 - float(left)) / per_second)
            raise Problem("rate_limited", f"{per_second:g} requests a second are allowed", retry_after=wait)
        if user_id is not None and found[1]:
            self._sessions.renew(user_id, [_STEP.decode(step) for step in cast("list[bytes]", found[1])])
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
        """Let other processes know a list, as far as it was looked at."""
        made = self._lists.find(list_id)
        if made is None:
            return
        seconds = self._settings.list_minutes * _MINUTE
        await self._ask([("SET", self._prefix + f"list:{list_id}", encode_list(made), "EX", seconds)])

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
        await self._ask(commands)

    async def forget(self, user_id: str) -> None:
        """Drop what the store holds of a user; lists end by themselves, and no process reads those of the forgotten."""
        await self._ask([("DEL", self._name("session", user_id))])

    async def look(self) -> None:
        """Ask whether the store is there, so that no request has to wait for one that is not."""
        try:
            await self._store.ask([("PING",)])
        except OSError as error:
            self._fail(error)
            return
        if self.fault is not None:
            _LOG.warning("the shared store answers again")
        self.fault = None

    def close(self) -> None:
        """Close the connection."""
        self._store.close()

    def _name(self, kind: str, owner: str) -> str:
        return f"{self._prefix}{kind}:{hashed(owner)}"

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
