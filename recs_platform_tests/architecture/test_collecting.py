"""Tests are the same for everybody: no home, no setting and no folder of whoever starts them has a say."""

import os
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "recs_platform"


def test_collecting_reads_no_home_and_needs_no_folder(tmp_path: Path) -> None:
    """With a broken recs.toml in the home and in ./data, with warnings as errors from the first import on."""
    for home in (tmp_path / "mine", tmp_path / "data"):
        home.mkdir()
        (home / "recs.toml").write_text("k = [")
    files = [PACKAGE / "definitions.py", PACKAGE / "contracts" / "time.py"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", *map(str, files)],
        cwd=tmp_path,
        env={**os.environ, "RECS_HOME": str(tmp_path / "mine"), "RECS_K": "many"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "contracts/time.py: " in done.stdout or "recs_platform.contracts.time" in done.stdout
