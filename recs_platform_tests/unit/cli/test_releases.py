"""Which release is kept in force."""

import pytest

from recs_platform.cli import releases
from recs_platform.contracts.errors import UsageError


def test_latest_is_no_release_to_keep(monkeypatch: pytest.MonkeyPatch):
    """`recs releases rollback latest` removes the pin: who asks for one would be left without."""
    asked = list[str]()
    monkeypatch.setattr(releases, "rollback", asked.append)
    with pytest.raises(UsageError, match="rollback latest"):
        releases.pin("latest")
    releases.pin("2024-01-02-0a1b2c3d4e5f")
    assert asked == ["2024-01-02-0a1b2c3d4e5f"]
