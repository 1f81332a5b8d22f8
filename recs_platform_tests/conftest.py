"""One tiny world, ingested once and built once for all tests that only read; what they ask is theirs.

Dagster is imported where a fixture is used: tests of the other rooms do not pay for it.
"""

import gc
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from recs_platform_tests.worlds import TINY, tiny_world

if TYPE_CHECKING:
    from alembic.config import Config

    from recs_platform.pipeline.platform import Platform
    from recs_platform_tests.homes import Built, CommandLine


# Threads that wait for each other in loops take the time of the other process; read when the libraries are loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# Speed is measured elsewhere: a busy machine fails no test.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

LONG_FIRST = ("integration", "defs", "ingestion", "pipeline", "sql")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Rooms whose tests build graphs come first: none is left to one process at the end. The order within is random.

    One file that needs the built home goes before them, the others after those that do not: while one process builds
    it, the next has other work.
    """
    long = [item for item in items if item.path.parent.name in LONG_FIRST]
    on_built = [item.path for item in long if "built" in getattr(item, "fixturenames", ())]
    turn = dict.fromkeys((item.path for item in long), 1) | dict.fromkeys(on_built, 2) | dict.fromkeys(on_built[:1], 0)
    items.sort(key=lambda item: turn.get(item.path, 3))


def pytest_collection_finish() -> None:
    """What lives to the end is walked by the collector once: its rounds are a tenth of what building a graph takes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


@pytest.fixture(scope="session", autouse=True)
def migrations() -> Iterator[None]:
    """Dagster reads its migration scripts for each storage that it opens, 0.1 s a home; here once a process."""
    if "dagster" not in sys.modules:
        yield
        return
    from alembic.script import ScriptDirectory

    original, read = ScriptDirectory.from_config, dict[str | None, ScriptDirectory]()

    def from_config(config: "Config") -> ScriptDirectory:
        folder = config.get_main_option("script_location")
        return read.get(folder) or read.setdefault(folder, original(config))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptDirectory, "from_config", staticmethod(from_config))
        yield


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of a test run see: what takes long is made there once."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def taken_in(shared: Path) -> "Platform":
    """A home with a tiny world in the lake and nothing built. Read-only: copy it to write."""
    from recs_platform.defs import launch
    from recs_platform.defs.instance import open_instance
    from recs_platform.lake.locks import exclusive
    from recs_platform_tests.homes import ignore, platform_at

    platform, done = platform_at(shared / "taken_in", data_tests=True), shared / "taken_in.done"
    with exclusive(shared / "taken_in.lock"):
        if not done.exists():
            tiny_world(platform.home.landing / "world")
            with open_instance(platform.home) as instance:
                launch.ingest(platform, instance, ignore)
            done.touch()
    return platform


@pytest.fixture(scope="session")
def built(taken_in: "Platform", shared: Path) -> "Built":
    """The same home with the whole graph built as of midnight after the last event. Read-only: copy it to write."""
    from recs_platform.defs import launch, sql_checks
    from recs_platform.defs.instance import open_instance
    from recs_platform.lake.locks import exclusive
    from recs_platform_tests.homes import Built, copy_home, ignore, platform_at

    as_of, done = TINY.start + timedelta(days=TINY.days), shared / "built.known_at"
    with exclusive(shared / "built.lock"):
        if not done.exists():
            platform, known_at = copy_home(taken_in, shared / "built", data_tests=True), datetime.now(UTC)
            with open_instance(platform.home) as instance, pytest.MonkeyPatch.context() as patch:
                patch.setattr(sql_checks, "prove", lambda *_: [])  # given/expect tests run once, in sql/test_models.py
                launch.build(platform, instance, as_of, ignore, known_at=known_at)
            for file in platform.home.dagster.rglob("*.db"):
                # A copy that is made while another process opens it and closes it would lack what is in its log alone.
                with closing(sqlite3.connect(file)) as con:
                    con.execute("pragma wal_checkpoint(truncate)")
            done.write_text(known_at.isoformat())
    return Built(platform_at(shared / "built", data_tests=True), as_of, datetime.fromisoformat(done.read_text()))


@pytest.fixture
def recs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "CommandLine":
    """The command line, in this process."""
    from recs_platform_tests.homes import CommandLine

    return CommandLine(monkeypatch, capsys)


@pytest.fixture
def no_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No page of this test is looked at."""
    from recs_platform_tests.homes import draw_nothing

    draw_nothing(monkeypatch)


@pytest.fixture
def new_home(tmp_path: Path) -> Path:
    """A home as `recs init` makes it, with nothing in it."""
    from recs_platform.cli.house import make_home
    from recs_platform.contracts.home import Home

    make_home(Home(tmp_path / "home"))
    return tmp_path / "home"
