"""A server knows people by the ids that its home stores, or does not start."""

from pathlib import Path

import pytest

from recs_platform.cli import serve
from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.home import Home
from recs_platform.stages.events import pseudonyms


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    (tmp_path / "recs.toml").touch()
    monkeypatch.setenv("RECS_HOME", str(tmp_path))
    monkeypatch.setattr(pseudonyms, "_has_taken_in", lambda *_: True)
    return Home(tmp_path)


def test_without_the_key_of_its_pseudonyms_nobody_is_served(home: Home, monkeypatch: pytest.MonkeyPatch):
    """Everybody would be a stranger, whoever opted out too."""
    monkeypatch.setenv("RECS_PRIVACY__PSEUDONYMIZE", "true")
    with pytest.raises(UsageError, match="the key was lost"):
        serve._application("127.0.0.1")


def test_pseudonyms_that_were_turned_off_are_refused(home: Home):
    pseudonyms.create_key(home)
    with pytest.raises(UsageError, match="pseudonymize is off"):
        serve._application("127.0.0.1")
