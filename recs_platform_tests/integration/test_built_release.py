"""The end of `recs run`: the release that was built is told of, and the one in force where that is another."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from recs_platform.cli.graph import say_release
from recs_platform.contracts.manifests import content_key
from recs_platform.lake.artifacts import is_sealed, sealed_versions
from recs_platform.stages.releases import (
    ReleaseOrigin,
    ReleaseRows,
    current_release,
    read_release,
    read_short_lists,
    seal_release,
)
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
        ReleaseRows(
            read_release(platform.home, current.version).with_columns(then),
            read_short_lists(platform.home, current.version).with_columns(then),
        ),
        ReleaseOrigin(as_of=at, known_at=current.known_at, data_version="earlier", seed=7, ranker_version="other"),
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


def test_a_release_says_what_it_was_made_with(built: Built) -> None:
    home = built.platform.home
    release, build = current_release(home), sealed_versions(home.artifacts, "builds")[-1]
    assert release.parameters["code"] == build.parameters["code"]
    assert release.parameters["settings"] == content_key(build.parameters["settings"])
    assert release.parameters["models"] == content_key(build.parameters["models"])
    assert is_sealed(home.artifacts, "item_index", release.parameters["item_index"])
