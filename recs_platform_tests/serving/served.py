"""A small home with a release and its bundle, and its application asked in this process, without a port."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import polars as pl

from recs_platform.contracts.home import Home
from recs_platform.serving.application import Application
from recs_platform.serving.tombstones import UserHashes
from recs_platform.settings import Settings
from recs_platform.stages.events.forgotten import read_tombstones
from recs_platform.stages.events.pseudonyms import create_key_file, pseudonym
from recs_platform.stages.releases import ReleaseOrigin, ReleaseRows, seal_release
from recs_platform.stages.releases.bundle import BundleContent, seal_bundle
from recs_platform_tests.unit.stages.releases.bundles import AS_OF, content

Ask = Callable[..., Awaitable[httpx.Response]]


class Clock:
    """Monotonic seconds that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def release_into(home: Home, made: BundleContent, digest: str = "a", as_of: datetime = AS_OF) -> str:
    """Seal a release with its bundle; returns its id."""
    lists = made.lists.with_columns(
        pl.lit(as_of).dt.cast_time_unit("us").alias("as_of"),
        pl.lit(None, dtype=pl.String).alias("segment_id"),
        pl.lit("v1").alias("ranker_version"),
        pl.lit("exact").alias("propensity_method"),
        pl.lit(value=False).alias("is_holdout"),
    )
    short = pl.DataFrame(
        schema={
            "as_of": pl.Datetime("us", "UTC"),
            "user_id": pl.String,
            "list_length": pl.Int64,
            "eligible_count": pl.Int64,
            "reason": pl.String,
        }
    )
    return seal_release(
        home,
        ReleaseRows(lists, short),
        ReleaseOrigin(as_of=as_of, known_at=as_of, data_version="1", seed=1, ranker_version="v1"),
        content_hash=digest * 12,
        sealed_at=as_of,
        before_sealing=lambda release: seal_bundle(home, release, made, known_at=as_of, data_version="1"),
    ).version


class Served:
    """The application of a home with the small bundle; `clock` is that of sessions, lists and limits."""

    def __init__(
        self,
        root: Path,
        made: BundleContent | None = None,
        *,
        needs_keys: bool = False,
        experiments: dict[str, Any] | None = None,
        canary: dict[str, Any] | None = None,
        **serving: Any,
    ):
        self.home = Home(root)
        self.clock = Clock()
        self.release_id = release_into(self.home, made or content())
        self._settings = Settings(
            home=root,
            serving={"seal_seconds": 0.05, **serving},
            experiments=experiments or {},
            canary=canary or {},
        )
        self._needs_keys = needs_keys
        self.restart()

    def restart(self) -> None:
        """Another process on the same home."""
        key = create_key_file(self.home.forget_key)
        self.application = Application(
            self._settings,
            needs_keys=self._needs_keys,
            stored_name=lambda user_id: user_id,
            hashes=UserHashes(partial(pseudonym, key), partial(read_tombstones, self.home)),
            clock=self.clock,
        )

    def hashed(self, user: str) -> str:
        """How the shared store names a user."""
        return pseudonym(create_key_file(self.home.forget_key), user)

    def run(self, test: Callable[[Ask], Awaitable[None]]) -> None:
        """Run `test` with something to ask the running application with."""

        async def inside() -> None:
            transport = httpx.ASGITransport(self.application)
            async with (
                self.application.running(),
                httpx.AsyncClient(transport=transport, base_url="http://recs") as client,
            ):
                await test(client.request)

        asyncio.run(inside())

    def landed(self) -> str:
        """Everything that went to landing."""
        with suppress(FileNotFoundError):
            return "".join(path.read_text() for path in sorted((self.home.landing / "http").iterdir()))
        return ""


def item_ids(response: httpx.Response) -> str:
    """Items of a list, a letter each."""
    assert response.status_code == 200, response.text
    return "".join(item["item_id"] for item in response.json()["items"])
