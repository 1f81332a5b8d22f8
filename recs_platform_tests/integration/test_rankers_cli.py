"""Rankers pinned and retired on the command line; which one then serves is tested in `pipeline/test_champion`."""

from collections.abc import Callable

import pytest

from recs_platform.lake.artifacts import sealed_versions
from recs_platform.stages import ranking
from recs_platform_tests.homes import Built, CommandLine, copy_home

Said = Callable[[str, str], tuple[int, str, str]]


@pytest.fixture
def say(built: Built, recs: CommandLine, tmp_path) -> tuple[str, Said]:
    """A ranker of a home, and what comes of a command about it with a reason."""
    platform = copy_home(built.platform, tmp_path / "home")
    version = sealed_versions(platform.home.artifacts, ranking.RANKER)[0].version
    return version, lambda action, why: recs(platform.home.root, "rankers", action, version, "--reason", why)


def test_a_retired_ranker_is_not_pinned_until_it_is_restored(say: tuple[str, Said]) -> None:
    version, told = say
    assert told("retire", "a week of broken clicks")[0] == 0
    code, _, error = told("pin", "a campaign")
    assert code == 2
    assert f"{version} was retired: a week of broken clicks; `recs rankers restore {version}` first" in error
    assert told("restore", "the clicks were right")[0] == 0
    assert "the next run follows it" in told("pin", "a campaign")[2]


def test_who_retires_the_pinned_ranker_is_told_that_it_will_not_serve(say: tuple[str, Said]) -> None:
    version, told = say
    told("pin", "a campaign")
    assert f"{version} is pinned too, and will not serve" in told("retire", "broken")[2]
