"""The two clients: calls are made in `calls`, sent here over httpx, and sent again where the server asks for time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import httpx
import msgspec

from recs_platform.client.calls import (
    Call,
    Names,
    events_call,
    forget_call,
    impression_of,
    popular_call,
    recommendations_call,
    release_call,
    similar_call,
)
from recs_platform.client.errors import Problem, Unreachable, problem_of
from recs_platform.contracts.http_documents import (
    Event,
    EventsTaken,
    PopularItems,
    Recommendations,
    ReleaseInForce,
    SimilarItems,
)

T = TypeVar("T")
_AGAIN = {429, 503}
_FIRST_PAUSE = 0.1  # seconds, doubled each time, where the server names none


@dataclass(frozen=True)
class Retries:
    """`attempts` in all; none begins after a pause of more than `pause_max` seconds, whatever the server asks for."""

    attempts: int = 3
    pause_max: float = 5.0

    def pause(self, attempt: int, fault: Problem | Unreachable) -> float | None:
        """Seconds before the call is sent again; None where it is given up."""
        if attempt + 1 >= self.attempts or (isinstance(fault, Problem) and fault.status not in _AGAIN):
            return None
        asked = fault.retry_after if isinstance(fault, Problem) else None
        pause = _FIRST_PAUSE * 2**attempt if asked is None else asked
        return pause if pause <= self.pause_max else None


class _Calls:
    """How calls become requests and answers documents."""

    def __init__(self, key: str | None, retries: Retries) -> None:
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._retries = retries

    def _request(self, call: Call[Any]) -> dict[str, Any]:
        headers = self._headers | ({} if call.body is None else {"Content-Type": "application/json"})
        return {
            "method": call.method, "url": call.path, "params": call.query, "content": call.body, "headers": headers
        }  # fmt: skip

    def _answer(self, call: Call[T], response: httpx.Response) -> T:
        # An answer without a problem says of each event what became of it, the refused ones too.
        if response.is_success:
            return None if call.answer is None else msgspec.json.decode(response.content, type=call.answer)  # pyright: ignore[reportReturnType]
        raise problem_of(response.status_code, response.content, response.headers.get("Retry-After"))


class Client(_Calls):
    """Calls that wait for their answer. Safe to share between threads; close it, or use it as a context.

    `key`: as `recs keys create` prints it; none is needed on 127.0.0.1. `timeout`: seconds for each attempt.
    Every method raises Problem for an error of the server, Unreachable where no answer came.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8080",
        *,
        key: str | None = None,
        timeout: float = 5.0,
        retries: Retries = Retries(),
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(key, retries)
        self._http = httpx.Client(base_url=base_url, timeout=timeout, transport=transport)

    def send(self, call: Call[T]) -> T:
        """Send a call, again where the server asks for time or cannot be reached."""
        for attempt in range(self._retries.attempts):
            try:
                return self._answer(call, self._http.request(**self._request(call)))
            except httpx.TransportError as error:
                fault: Problem | Unreachable = Unreachable(str(error) or type(error).__name__)
            except Problem as problem:
                fault = problem
            pause = self._retries.pause(attempt, fault)
            if pause is None:
                raise fault
            time.sleep(pause)
        raise ValueError("attempts must be at least 1")

    def recommendations(
        self,
        user_id: str,
        *,
        k: int | None = None,
        surface: str | None = None,
        session_id: str | None = None,
        device: str | None = None,
        country: str | None = None,
        region: str | None = None,
        category: str | None = None,
        exclude: Sequence[str] | None = None,
        cursor: str | None = None,
        explain: bool | None = None,
    ) -> Recommendations:
        """The user's list now, or with the `next_cursor` of an answer its next page."""
        return self.send(
            recommendations_call(
                user_id, k=k, surface=surface, session_id=session_id, device=device, country=country, region=region,
                category=category, exclude=None if exclude is None else Names(tuple(exclude)), cursor=cursor,
                explain=explain,
            )
        )  # fmt: skip

    def similar(self, item_id: str, *, k: int | None = None) -> SimilarItems:
        """Items chosen by the same users."""
        return self.send(similar_call(item_id, k))

    def popular(
        self,
        *,
        k: int | None = None,
        device: str | None = None,
        country: str | None = None,
        region: str | None = None,
    ) -> PopularItems:
        """Popular items of a context."""
        return self.send(popular_call(k=k, device=device, country=country, region=region))

    def release(self) -> ReleaseInForce:
        """The release that answers."""
        return self.send(release_call())

    def report(self, *events: Event) -> EventsTaken:
        """Report events; they are durable when this returns. Of each that was refused the answer says why."""
        return self.send(events_call(events))

    def saw(self, made: Recommendations, *, session_id: str | None = None) -> EventsTaken:
        """Report that a list was seen: one impression for each item shown, counted once however often it is said."""
        return self.report(impression_of(made, session_id))

    def forget(self, user_id: str) -> None:
        """Ask that a user be forgotten: they are a stranger from now on, and erased by the operator's next round."""
        self.send(forget_call(user_id))

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient(_Calls):
    """The same, to be awaited. Close it with `await client.close()`, or use it as a context."""

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8080",
        *,
        key: str | None = None,
        timeout: float = 5.0,
        retries: Retries = Retries(),
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(key, retries)
        self._http = httpx.AsyncClient(base_url=base_url, timeout=timeout, transport=transport)

    async def send(self, call: Call[T]) -> T:
        """Send a call, again where the server asks for time or cannot be reached."""
        for attempt in range(self._retries.attempts):
            try:
                return self._answer(call, await self._http.request(**self._request(call)))
            except httpx.TransportError as error:
                fault: Problem | Unreachable = Unreachable(str(error) or type(error).__name__)
            except Problem as problem:
                fault = problem
            pause = self._retries.pause(attempt, fault)
            if pause is None:
                raise fault
            await asyncio.sleep(pause)
        raise ValueError("attempts must be at least 1")

    async def recommendations(
        self,
        user_id: str,
        *,
        k: int | None = None,
        surface: str | None = None,
        session_id: str | None = None,
        device: str | None = None,
        country: str | None = None,
        region: str | None = None,
        category: str | None = None,
        exclude: Sequence[str] | None = None,
        cursor: str | None = None,
        explain: bool | None = None,
    ) -> Recommendations:
        """The user's list now, or with the `next_cursor` of an answer its next page."""
        return await self.send(
            recommendations_call(
                user_id, k=k, surface=surface, session_id=session_id, device=device, country=country, region=region,
                category=category, exclude=None if exclude is None else Names(tuple(exclude)), cursor=cursor,
                explain=explain,
            )
        )  # fmt: skip

    async def similar(self, item_id: str, *, k: int | None = None) -> SimilarItems:
        """Items chosen by the same users."""
        return await self.send(similar_call(item_id, k))

    async def popular(
        self,
        *,
        k: int | None = None,
        device: str | None = None,
        country: str | None = None,
        region: str | None = None,
    ) -> PopularItems:
        """Popular items of a context."""
        return await self.send(popular_call(k=k, device=device, country=country, region=region))

    async def release(self) -> ReleaseInForce:
        """The release that answers."""
        return await self.send(release_call())

    async def report(self, *events: Event) -> EventsTaken:
        """Report events; they are durable when this returns. Of each that was refused the answer says why."""
        return await self.send(events_call(events))

    async def saw(self, made: Recommendations, *, session_id: str | None = None) -> EventsTaken:
        """Report that a list was seen: one impression for each item shown, counted once however often it is said."""
        return await self.report(impression_of(made, session_id))

    async def forget(self, user_id: str) -> None:
        """Ask that a user be forgotten: they are a stranger from now on, and erased by the operator's next round."""
        await self.send(forget_call(user_id))

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
