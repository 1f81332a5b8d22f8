"""Small files that are replaced whole: who may read them stays as it was."""

import os
import stat
from pathlib import Path

from recs_platform.lake.disk import replace_text


def test_a_new_file_is_its_owners_alone_and_one_that_is_replaced_keeps_its_permissions(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        new, open_to_all = tmp_path / "new.json", tmp_path / "open.json"
        open_to_all.write_text("old")
        for file in (new, open_to_all):
            replace_text(file, "new")
    finally:
        os.umask(before)
    assert [stat.S_IMODE(file.stat().st_mode) for file in (new, open_to_all)] == [0o600, 0o644]
    assert [file.read_text() for file in (new, open_to_all)] == ["new", "new"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["new.json", "open.json"]
