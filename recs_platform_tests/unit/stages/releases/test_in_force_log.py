"""What was in force since when is kept by line, one for each change."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

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
