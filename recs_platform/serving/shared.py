"""What several server processes share in Redis or Valkey, and how they go on without it.

Each process serves from its own memory; what it holds is brought up to date from the store before a request, and told
to the store after it. Where the store is gone or slow, memory alone serves until it answers again: `fault` says so.
Nothing durable is kept there, and no id of a user: keys are hashes.
"""
# The client is an extra: it is imported where a home names a store, and known here by what is asked of it.

from __future__ import annotations

import importlib
import logging
from hashlib import blake2b
from math import ceil
from typing import TYPE_CHECKING, Any, Protocol, cast

import msgspec

from recs_platform.contracts.errors import UsageError
from recs_platform.serving.kept import decode_list, encode_list, hashed
from recs_platform.serving.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from recs_platform.serving.remembered import RememberedLists
    from recs_platform.serving.sessions import Sessions
    from recs_platform.settings import ServingSettings

_LOG = logging.getLogger(__name__)
_CONNECTIONS_MAX = 256
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


class Pipeline(Protocol):
    """Commands sent together."""

    def lrange(self, name: str, start: int, end: int) -> object: ...
    def get(self, name: str) -> object: ...
    def set(self, name: str, value: bytes, ex: int) -> object: ...
    def delete(self, name: str) -> object: ...
    def rpush(self, name: str, *values: bytes) -> object: ...
    def ltrim(self, name: str, start: int, end: int) -> object: ...
    def expire(self, name: str, time: int) -> object: ...
    def eval(self, script: str, numkeys: int, *keys_and_args: str | float) -> object: ...
    async def execute(self) -> list[Any]: ...


class Store(Protocol):
    """What is asked of the client of Redis."""

    def pipeline(self, transaction: bool) -> Pipeline: ...
    async def ping(self) -> object: ...
    async def aclose(self) -> None: ...


class Shared:
    """Sessions, shown lists and rate limits of all processes of one home. `failures`: how often the store failed."""

    def __init__(
        self, store: Store, faults: tuple[type[Exception], ...], home: Path, settings: ServingSettings,
        sessions: Sessions, lists: RememberedLists,
    ) -> None:  # fmt: skip
        self._store, self._faults, self._settings = store, faults, settings
        self._sessions, self._lists = sessions, lists
        self._prefix = f"recs:{blake2b(str(home.absolute()).encode(), digest_size=6).hexdigest()}:"
        self.fault: str | None = None
        self.failures = 0

    async def take(self, caller: str) -> bool:
        """Count one request; False where the store does not answer. Raises Problem `rate_limited`."""
        per_second, burst = self._settings.rate_per_second, self._settings.rate_burst
        pipeline = self._store.pipeline(transaction=False)
        pipeline.eval(_TAKE, 1, self._name("rate", caller), per_second, burst)
        found = await self._ask(pipeline)
        if found is None:
            return False
        allowed, left = found[0]
        if not allowed:
            wait = ceil((1.0 - float(left)) / per_second)
            raise Problem("rate_limited", f"{per_second:g} requests a second are allowed", retry_after=wait)
        return True

    async def load(self, user_id: str) -> None:
        """Bring a user's session up to date."""
        pipeline = self._store.pipeline(transaction=False)
        pipeline.lrange(self._name("session", user_id), 0, -1)
        found = await self._ask(pipeline)
        if found is not None and found[0]:
            self._sessions.renew(user_id, [_STEP.decode(step) for step in cast("list[bytes]", found[0])])

    async def load_lists(self, list_ids: Iterable[str]) -> None:
        """Read lists of these ids: others may have made them, or have shown more of them since."""
        wanted = list(list_ids)
        if not wanted:
            return
        pipeline = self._store.pipeline(transaction=False)
        for each in wanted:
            pipeline.get(self._prefix + f"list:{each}")
        found = await self._ask(pipeline)
        for list_id, kept in zip(wanted, cast("list[bytes | None]", found or []), strict=False):
            if kept is not None and (made := decode_list(kept)) is not None:
                self._lists.add_kept(list_id, made)

    async def keep(self, list_id: str) -> None:
        """Let other processes know a list, as far as it was looked at."""
        made = self._lists.find(list_id)
        if made is None:
            return
        pipeline = self._store.pipeline(transaction=False)
        pipeline.set(self._prefix + f"list:{list_id}", encode_list(made), self._settings.list_minutes * _MINUTE)
        await self._ask(pipeline)

    async def record(self, steps: Sequence[tuple[str, str, str, str | None]]) -> None:
        """Tell what users did: user, item, type of event and session of each, oldest first."""
        if not steps:
            return
        by_user: dict[str, list[bytes]] = {}
        for user, *step in steps:
            by_user.setdefault(user, []).append(_ENCODER.encode(step))
        pipeline = self._store.pipeline(transaction=False)
        for user, values in by_user.items():
            name = self._name("session", user)
            pipeline.rpush(name, *values)
            pipeline.ltrim(name, -_STEPS_MAX, -1)
            pipeline.expire(name, self._settings.session_minutes * _MINUTE)
        await self._ask(pipeline)

    async def forget(self, user_id: str) -> None:
        """Drop what the store holds of a user; lists end by themselves, and no process reads those of the forgotten."""
        pipeline = self._store.pipeline(transaction=False)
        pipeline.delete(self._name("session", user_id))
        await self._ask(pipeline)

    async def look(self) -> None:
        """Ask whether the store is there, so that no request has to wait for one that is not."""
        try:
            await self._store.ping()
        except self._faults as error:
            self._fail(error)
            return
        if self.fault is not None:
            _LOG.warning("the shared store answers again")
        self.fault = None

    async def close(self) -> None:
        """Close its connections."""
        await self._store.aclose()

    def _name(self, kind: str, owner: str) -> str:
        return f"{self._prefix}{kind}:{hashed(owner)}"

    async def _ask(self, pipeline: Pipeline) -> list[Any] | None:
        """Answers of a pipeline, None where the store fails; a store that failed is not asked until it answers."""
        if self.fault is not None:
            return None
        try:
            return await pipeline.execute()
        except self._faults as error:
            self._fail(error)
            return None

    def _fail(self, error: Exception) -> None:
        self.failures += 1
        if self.fault is None:
            _LOG.warning("the shared store does not answer, each process serves from its own memory: %s", error)
        self.fault = str(error) or type(error).__name__


def open_store(url: str, seconds_max: float) -> tuple[Store, tuple[type[Exception], ...]]:
    """A client of the store at an address, and what it raises where that fails or takes longer; nothing is connected.

    Raises UsageError where the client is not installed, or the address is none.
    """
    try:
        redis, asked = importlib.import_module("redis"), importlib.import_module("redis.asyncio")
    except ModuleNotFoundError:
        raise UsageError("serving.redis_url needs the client of Redis: pip install 'recs-platform[redis]'") from None
    try:
        store = asked.Redis.from_url(
            url,
            socket_timeout=seconds_max,
            socket_connect_timeout=seconds_max,
            max_connections=_CONNECTIONS_MAX,
            retry=None,
        )
    except ValueError as error:
        raise UsageError(f"serving.redis_url: {error}") from None
    return cast("Store", store), (redis.RedisError, OSError)
