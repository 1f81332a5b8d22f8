"""Connections leave nothing behind, and remove what killed ones left."""

from pathlib import Path

from recs_platform.lake.processes import process_name
from recs_platform.warehouse.connection import connect


def test_what_killed_processes_spilled_is_removed_and_what_living_ones_spill_stays(tmp_path: Path) -> None:
    pid, start = process_name().split("-")
    dead, living = tmp_path / f"spill-{pid}-{start}x-1", tmp_path / f"spill-{pid}-{start}-1"
    for folder in (dead, living):
        folder.mkdir()
        (folder / "half.tmp").write_text("spilled")
    connect(memory_limit_gb=1, threads=1, temporary=tmp_path).close()
    assert list(tmp_path.iterdir()) == [living]


def test_duckdb_draws_no_bar_of_its_own() -> None:
    con = connect(memory_limit_gb=1, threads=1)
    for each in (con, con.cursor()):
        assert each.execute("select current_setting('enable_progress_bar')").fetchall() == [(False,)]
    con.close()
