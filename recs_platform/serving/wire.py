"""One connection to Redis or Valkey: commands of many requests go out one after the other, answers come in their order.

A client that takes a connection from a pool for each request costs several times what the request itself does. What is
asked is in `shared`.
"""
# The parser of answers is an extra: it is imported where a home names a store, and known here by what is asked of it.

from __future__ import annotations

import asyncio
import importlib
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from recs_platform.contracts.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Command = tuple[str | bytes | int | float, ...]
_PORT = 6379
_SCHEMES = {"redis": False, "valkey": False, "rediss": True, "valkeys": True, "unix": False}


class Parser(Protocol):
    """Reads answers from bytes; `gets` gives False while the next one is not whole."""

    def feed(self, data: bytes) -> object: ...
    def gets(self) -> Any: ...  # noqa: ANN401 - whatever the store answers


@dataclass
class _Batch:
    """Commands that were sent together, and their answers so far."""

    count: int
    done: asyncio.Future[list[Any]]
    answers: list[Any] = field(default_factory=list[Any])


class Wire(asyncio.Protocol):
    """The open connection."""

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self._waiting: deque[_Batch] = deque()
        self._transport: asyncio.Transport | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, commands: bytes, count: int) -> asyncio.Future[list[Any]]:
        """Write packed commands; their answers, in order. Raises ConnectionError where the connection is gone."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError("the connection is closed")
        batch = _Batch(count, asyncio.get_running_loop().create_future())
        self._waiting.append(batch)
        self._transport.write(commands)
        return batch.done

    def data_received(self, data: bytes) -> None:
        self._parser.feed(data)
        while self._waiting and (answer := self._parser.gets()) is not False:
            batch = self._waiting[0]
            batch.answers.append(answer)
            if len(batch.answers) == batch.count:
                self._waiting.popleft()
                if not batch.done.done():  # whoever asked may be gone
                    batch.done.set_result(batch.answers)

    def connection_lost(self, exc: Exception | None) -> None:
        lost = ConnectionError(f"the connection was lost: {exc or 'the store closed it'}")
        while self._waiting:
            batch = self._waiting.popleft()
            if not batch.done.done():
                batch.done.set_exception(lost)

    def close(self) -> None:
        """Close at once: what waits is told that the connection was lost."""
        if self._transport is not None:
            self._transport.abort()


class Store:
    """A store at an address, connected to when it is first asked, and anew after a fault.

    Raises UsageError where the extra is not installed, or the address is none.
    """

    def __init__(self, url: str, seconds_max: float) -> None:
        try:
            parsers = importlib.import_module("hiredis")
        except ModuleNotFoundError:
            raise UsageError("serving.redis_url needs an extra: pip install 'recs-platform[redis]'") from None
        self._address, self._seconds_max = _checked(url), seconds_max
        self._parser: Callable[[], Parser] = parsers.Reader
        self._pack: Callable[[Command], bytes] = parsers.pack_command
        self._wire: Wire | None = None
        self._connecting = asyncio.Lock()

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Answers of commands. Raises OSError where the store is gone, slow, or refuses one."""
        packed = b"".join(map(self._pack, commands))
        try:
            async with asyncio.timeout(self._seconds_max):
                wire = self._wire if self._wire is not None and self._wire.is_open else await self._connect()
                answers = await wire.send(packed, len(commands))
        except TimeoutError:
            self.close()
            raise TimeoutError(f"no answer within {self._seconds_max:g} s") from None
        refused = next((answer for answer in answers if isinstance(answer, Exception)), None)
        if refused is not None:
            raise OSError(f"the store refuses: {refused}")
        return answers

    def close(self) -> None:
        """Close the connection."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    async def _connect(self) -> Wire:
        async with self._connecting:
            if self._wire is not None and self._wire.is_open:
                return self._wire
            loop, to = asyncio.get_running_loop(), self._address

            def make() -> Wire:
                return Wire(self._parser())

            if to.scheme == "unix":
                _, wire = await loop.create_unix_connection(make, unquote(to.path))
            else:
                is_encrypted = _SCHEMES[to.scheme] or None
                _, wire = await loop.create_connection(make, to.hostname or "", to.port or _PORT, ssl=is_encrypted)
            try:
                await self._greet(wire)
            except BaseException:  # also where the time is up: nobody else would close it
                wire.close()
                raise
            self._wire = wire
            return wire

    async def _greet(self, wire: Wire) -> None:
        greeting = _greeting(self._address)
        answers = await wire.send(b"".join(map(self._pack, greeting)), len(greeting)) if greeting else []
        if any(isinstance(answer, Exception) for answer in answers):
            raise ConnectionError("the store refuses the password or the number of serving.redis_url")


def _checked(url: str) -> SplitResult:
    """The parts of an address. Raises UsageError for what is none; it never shows one, which may hold a password."""
    try:
        found = urlsplit(url)
        is_whole = found.scheme in _SCHEMES and bool(found.path if found.scheme == "unix" else found.hostname)
        _ = found.port, _number(found)
    except ValueError:
        is_whole = False
    else:
        if is_whole:
            return found
    known = ", ".join(_SCHEMES)
    raise UsageError(
        f"serving.redis_url is no address of a store, such as redis://127.0.0.1:6379/0; it begins: {known}"
    )


def _number(address: SplitResult) -> int:
    """The database's number."""
    text = parse_qs(address.query).get("db", ["0"])[0] if address.scheme == "unix" else address.path.strip("/") or "0"
    return int(text)


def _greeting(address: SplitResult) -> list[Command]:
    """What is said first: a password, and which database is meant."""
    found: list[Command] = []
    if address.password:
        names = (unquote(address.username),) if address.username else ()
        found.append(("AUTH", *names, unquote(address.password)))
    number = _number(address)
    return [*found, ("SELECT", number)] if number else found
