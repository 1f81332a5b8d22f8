"""Sensors and schedules of an open UI go by the settings, models, rules and sources of now, not of its start."""

from pathlib import Path

import pytest

from recs_platform.contracts.errors import UsageError
from recs_platform.pipeline import current
from recs_platform.pipeline.current import CurrentPlatform
from recs_platform.pipeline.platform import Platform
from recs_platform.settings import read_settings
from recs_platform_tests.homes import platform_at


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CurrentPlatform:
    platform = platform_at(tmp_path / "home")
    platform.home.settings_file.parent.mkdir(parents=True, exist_ok=True)
    platform.home.settings_file.write_text("k = 5\n")
    monkeypatch.setenv("RECS_HOME", str(platform.home.root))
    return CurrentPlatform(platform, lambda: Platform(read_settings(), platform.sql))


def test_a_setting_and_a_model_that_came_since_are_there_and_nothing_is_read_in_vain(opened: CurrentPlatform) -> None:
    first = opened()
    assert opened() is first
    first.home.settings_file.write_text("k = 12\n")
    second = opened()
    assert second.settings.k == 12
    own = second.home.models / "features"
    own.mkdir(parents=True)
    (own / "mine.sql").write_text("select 1")
    assert "features.mine" in opened().models.broken
    assert opened() is opened()


def test_a_file_that_goes_while_its_folder_is_looked_through_is_not_there(
    opened: CurrentPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor writes aside and moves into place."""
    models = opened().home.models
    models.mkdir(parents=True)
    aside = models / "x.sql~"
    aside.write_text("")

    def listed(folder: Path) -> list[Path]:
        found = list(folder.rglob("*"))
        aside.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(current, "_files", listed)
    monkeypatch.setattr(Path, "is_file", lambda _path: True)
    opened()


def test_a_failure_is_told_by_the_settings_of_before_where_those_of_now_are_wrong(opened: CurrentPlatform) -> None:
    first = opened()
    first.home.settings_file.write_text("k = 'many'\n")
    with pytest.raises(UsageError, match=r"recs\.toml:1: k"):
        opened()
    assert opened.or_before() is first
