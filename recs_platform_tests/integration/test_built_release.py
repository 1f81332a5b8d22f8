"""The end of `recs run`: the release that was built is told of, and the one in force where that is another."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from recs_platform.cli.graph import say_release
from recs_platform.stages.releases import current_release, read_release, read_short_lists, seal_release
from recs_platform_tests.homes import Built, copy_home


def test_a_build_of_an_earlier_as_of_names_its_release_and_the_one_that_stays_in_force(
    built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    platform = copy_home(built.platform, tmp_path / "home")
    current = current_release(platform.home)
    at = current.as_of - timedelta(days=7)
    then = pl.lit(at, pl.Datetime("us", "UTC")).alias("as_of")
    earlier = seal_release(
        platform.home,
        lists=read_release(platform.home, current.version).with_columns(then),
        short_lists=read_short_lists(platform.home, current.version).with_columns(then),
        as_of=at,
        known_at=current.known_at,
        data_version="earlier",
        seed=7,
        ranker_version="other",
        content_hash="2" * 32,
        sealed_at=current.sealed_at + timedelta(seconds=1),
    )
    say_release(platform, earlier.as_of)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"release {earlier.version} as of 2024-01-24: lists for ")
    assert f"in force stays release {current.version} as of 2024-01-31: its as-of is later" in said
    say_release(platform, current.as_of)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"release {current.version} as of 2024-01-31: ")
    assert not [line for line in said if line.startswith("in force")]
