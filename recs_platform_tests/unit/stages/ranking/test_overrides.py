"""What operators said of rankers: a log, and what follows from it."""

from datetime import UTC, datetime, timedelta

import pytest

from recs_platform.contracts.errors import ContractError
from recs_platform.stages.ranking.overrides import Override, read_overrides, write_override

AT = datetime(2024, 5, 1, tzinfo=UTC)


def said(action, version, days: int) -> Override:
    return Override(action=action, version=version, reason="because", at=AT + timedelta(days=days))


def test_the_last_word_counts_and_an_earlier_instant_knows_less(tmp_path):
    for override in (said("pin", "a", 1), said("retire", "b", 2), said("unpin", None, 3), said("restore", "b", 4)):
        write_override(tmp_path, override)
    now = read_overrides(tmp_path)
    assert now.pinned is None
    assert now.retired == {}
    then = now.known_at(AT + timedelta(days=2))
    assert then.pinned is not None
    assert then.pinned.version == "a"
    assert list(then.retired) == ["b"]


def test_none_said_is_none_pinned(tmp_path):
    assert read_overrides(tmp_path / "nowhere").pinned is None


def test_a_broken_line_is_named(tmp_path):
    write_override(tmp_path, said("pin", "a", 1))
    file = next(tmp_path.iterdir())
    file.write_text(file.read_text() + '{"action": "crown"}\n')
    with pytest.raises(ContractError, match=r"ranker_overrides.jsonl:2"):
        read_overrides(tmp_path)
