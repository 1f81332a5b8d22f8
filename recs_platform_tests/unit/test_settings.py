"""Settings come from the home they are of, then from the environment, and a wrong one is named."""

from pathlib import Path

import pytest

from recs_platform.contracts.errors import UsageError
from recs_platform.settings import Settings, read_settings


def test_a_home_is_read_with_its_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name, k in (("one", 5), ("two", 7)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "recs.toml").write_text(f"k = {k}\n")
    monkeypatch.setenv("RECS_HOME", str(tmp_path / "two"))
    assert Settings(home=tmp_path / "one").k == 5
    assert read_settings().k == 7


def test_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "recs.toml").write_text("k = 5\n[publish]\nas_ofs_max = 3\n")
    monkeypatch.setenv("RECS_HOME", str(tmp_path))
    monkeypatch.setenv("RECS_K", "8")
    monkeypatch.setenv("RECS_PUBLISH__AS_OFS_MAX", "4")
    assert (read_settings().k, read_settings().publish.as_ofs_max) == (8, 4)


@pytest.mark.parametrize("line", ["k = 0", "no_such_field = 1", "k = ["])
def test_a_wrong_setting_is_a_usage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str):
    (tmp_path / "recs.toml").write_text(line + "\n")
    monkeypatch.setenv("RECS_HOME", str(tmp_path))
    with pytest.raises(UsageError):
        read_settings()
