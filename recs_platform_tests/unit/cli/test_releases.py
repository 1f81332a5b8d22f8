"""Which release is kept in force."""

from types import SimpleNamespace

import pytest

from recs_platform.cli import releases
from recs_platform.contracts.errors import UsageError


@pytest.mark.parametrize(
    ("asked", "pinned", "said"),
    [
        ("a", "a", "it is pinned: what is built"),
        ("a", None, "another command changed that meanwhile: no release is pinned"),
        ("a", "b", "another command changed that meanwhile: b is pinned"),
        ("latest", "b", "another command changed that meanwhile: b is pinned"),
        ("latest", None, ""),
    ],
)
def test_a_rollback_that_another_command_overtook_says_so(
    monkeypatch: pytest.MonkeyPatch, asked: str, pinned: str | None, said: str
):
    told = list[str]()
    monkeypatch.setattr(releases, "find_platform", lambda: SimpleNamespace(home=None))
    monkeypatch.setattr("recs_platform.pipeline.rollback.roll_back", lambda *_: SimpleNamespace(version="now"))
    monkeypatch.setattr("recs_platform.stages.releases.pinned_release", lambda _: pinned)
    monkeypatch.setattr(releases, "say", told.append)
    for name in ("say_replaced", "tell_ui_later"):
        monkeypatch.setattr(releases, name, lambda *_: None)
    releases.rollback(asked)
    assert "".join(told).startswith(said)
    assert len(told) == bool(said)


def test_latest_is_no_release_to_keep(monkeypatch: pytest.MonkeyPatch):
    """`recs releases rollback latest` removes the pin: who asks for one would be left without."""
    asked = list[str]()
    monkeypatch.setattr(releases, "rollback", asked.append)
    with pytest.raises(UsageError, match="rollback latest"):
        releases.pin("latest")
    releases.pin("2024-01-02-0a1b2c3d4e5f")
    assert asked == ["2024-01-02-0a1b2c3d4e5f"]
