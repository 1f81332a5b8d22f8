"""One tiny world, taken in once and built once for all tests that only read; what they ask is theirs.

Dagster is imported where a fixture is used: tests of the other rooms do not pay for it.
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from recs_platform_tests.worlds import TINY, tiny_world

if TYPE_CHECKING:
    from recs_platform.defs.platform import Platform
    from recs_platform_tests.homes import Built, CommandLine


@pytest.fixture(scope="session")
def taken_in(tmp_path_factory: pytest.TempPathFactory) -> "Platform":
    """A home with a tiny world in the lake and nothing built. Read-only: copy it to write."""
    from recs_platform.defs import launch
    from recs_platform.defs.instance import open_instance
    from recs_platform_tests.homes import ignore, platform_at

    platform = platform_at(tmp_path_factory.mktemp("taken_in") / "home")
    tiny_world(platform.home.landing / "world")
    with open_instance(platform.home) as instance:
        launch.ingest(platform, instance, ignore)
    return platform


@pytest.fixture(scope="session")
def built(taken_in: "Platform", tmp_path_factory: pytest.TempPathFactory) -> "Built":
    """The same home with the whole graph built as of midnight after the last event. Read-only: copy it to write."""
    from recs_platform.defs import launch
    from recs_platform.defs.instance import open_instance
    from recs_platform_tests.homes import Built, copy_home, ignore

    platform = copy_home(taken_in, tmp_path_factory.mktemp("built") / "home")
    as_of, known_at = TINY.start + timedelta(days=TINY.days), datetime.now(UTC)
    with open_instance(platform.home) as instance:
        launch.build(platform, instance, as_of, ignore, known_at=known_at)
    return Built(platform, as_of, known_at)


@pytest.fixture
def recs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "CommandLine":
    """The command line, in this process."""
    from recs_platform_tests.homes import CommandLine

    return CommandLine(monkeypatch, capsys)
