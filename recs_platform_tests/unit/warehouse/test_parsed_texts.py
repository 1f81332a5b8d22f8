"""What was read from SQL texts is read again from its file, and from the texts where that cannot be."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from recs_platform.contracts.errors import ModelError
from recs_platform.warehouse import parsed_texts
from recs_platform.warehouse.parsed_texts import ParsedTexts
from recs_platform.warehouse.sql import parse_sql

TEXT = "select user_id, count(*) as n from raw.events where occurred_at < $as_of group by user_id"


def test_a_text_is_parsed_once_for_all_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tmp" / "parsed.json"
    first = ParsedTexts(file)
    assert first.parse(TEXT) == parse_sql(TEXT)
    with pytest.raises(ModelError, match="no CTE"):
        first.parse("select 1 as a from somewhere")
    first.keep()
    asked = list[str]()
    monkeypatch.setattr(parsed_texts, "parse_sql", lambda sql: asked.append(sql) or parse_sql(sql))
    assert ParsedTexts(file).parse(TEXT) == parse_sql(TEXT)
    assert not asked
    for broken in ("{", '{"made_by": "another version", "texts": {}}', '{"texts": []}'):
        file.write_text(broken)
        assert ParsedTexts(file).parse(TEXT) == parse_sql(TEXT)
    assert asked == [TEXT] * 3


def test_texts_that_nobody_asks_for_any_more_leave_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is changed a thousand times leaves no thousand texts; what is asked for stays."""
    monkeypatch.setattr(parsed_texts, "KEPT_MAX", 3)
    file = tmp_path / "parsed.json"
    for number in range(5):
        texts = ParsedTexts(file)
        texts.parse(TEXT)
        texts.parse(f"{TEXT} having count(*) > {number}")
        texts.keep()
    kept = json.loads(file.read_text())["texts"]
    assert len(kept) == 3
    assert sha256(TEXT.encode()).hexdigest() in kept
