"""What was in force since when is kept by line, one for each change."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.home import Home
from recs_platform.contracts.tables import RELEASES_IN_FORCE
from recs_platform.stages.releases.in_force_log import in_force_rows, note_in_force

NOON = datetime(2024, 1, 2, 12, tzinfo=UTC)


def test_a_line_is_added_where_another_release_came_into_force(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.artifacts.mkdir()
    assert in_force_rows(home).columns == list(RELEASES_IN_FORCE.column_names)
    for hour, release in enumerate(("a", "a", "b", "a", "a")):
        note_in_force(home, release, NOON + timedelta(hours=hour))
    assert in_force_rows(home).rows() == [
        (NOON, "a"),
        (NOON + timedelta(hours=2), "b"),
        (NOON + timedelta(hours=3), "a"),
    ]


def test_a_file_that_somebody_edited_well_is_read_and_continued(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.artifacts.mkdir()
    line = '{"release_id": "a", "since": "2024-01-02T14:00:00+02:00"}'
    (home.artifacts / "releases_in_force.jsonl").write_text(line, encoding="utf-8")  # without an end of line
    note_in_force(home, "b", NOON + timedelta(hours=1))
    assert in_force_rows(home).rows() == [(NOON, "a"), (NOON + timedelta(hours=1), "b")]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b'{"since": "2024-01-02T12:0', "line 2"),
        (b"", "line 2"),
        (b"[1, 2]", "line 2"),
        (b'{"since": "2024-01-02T12:00:00+00:00"}', "line 2: release_id is missing"),
        (b'{"since": 7, "release_id": "b"}', "line 2: since = 7"),
        (b'{"since": "2024-01-02T12:00:00", "release_id": "b"}', "line 2: since"),
        (b'{"since": "2024-01-02T12:00:00+00:00", "release_id": 5}', "line 2: release_id = 5"),
        (b'{"since": "2024-01-02T12:00:00+00:00", "release_id": "b", "by": "me"}', "line 2: by is no such field"),
        (b"\xff\xfe", "it is no text"),
    ],
)
def test_a_damaged_file_is_named_in_one_line_with_the_line_and_the_cure(
    tmp_path: Path, line: bytes, fault: str
) -> None:
    home = Home(tmp_path)
    home.artifacts.mkdir()
    note_in_force(home, "a", NOON)
    file = home.artifacts / "releases_in_force.jsonl"
    kept = file.read_bytes() + line + b"\n"
    file.write_bytes(kept)

    for read in (lambda: in_force_rows(home), lambda: note_in_force(home, "c", NOON)):
        with pytest.raises(ContractError) as raised:
            read()
        said = str(raised.value)
        assert said.startswith(f"{file} is damaged: {fault}")
        assert "\n" not in said
        assert "restore it from a copy of the home, or take that out of it" in said
    assert file.read_bytes() == kept
