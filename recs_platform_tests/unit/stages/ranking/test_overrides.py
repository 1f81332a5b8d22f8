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


def test_a_retirement_that_is_said_ahead_counts_from_its_instant_on(tmp_path):
    until = AT + timedelta(days=9)
    write_override(tmp_path, said("retire", "a", 2).model_copy(update={"serves_until": until}))
    write_override(tmp_path, said("retire", "b", 2))
    now = read_overrides(tmp_path)
    assert list(now.retired) == ["a", "b"]
    assert list(now.known_at(AT + timedelta(days=8)).retired) == ["b"]
    assert list(now.known_at(until).retired) == ["a", "b"]
    assert now.serving_on(AT + timedelta(days=8)) == {"a": until}
    assert now.serving_on(until) == {}
    write_override(tmp_path, said("restore", "a", 3))
    assert read_overrides(tmp_path).serving_on(AT) == {}
    assert list(read_overrides(tmp_path).known_at(until).retired) == ["b"]


def test_none_said_is_none_pinned(tmp_path):
    assert read_overrides(tmp_path / "nowhere").pinned is None


def test_a_broken_line_is_named(tmp_path):
    write_override(tmp_path, said("pin", "a", 1))
    file = next(tmp_path.iterdir())
    file.write_text(file.read_text() + '{"action": "crown"}\n')
    with pytest.raises(ContractError, match=r"ranker_overrides.jsonl:2"):
        read_overrides(tmp_path)
