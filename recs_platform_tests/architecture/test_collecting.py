"""Tests are the same for everybody: no home, no setting and no folder of whoever starts them has a say.

The definitions are loaded on the way, in a process of their own: it imports no heavy library.
"""

import os
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "recs_platform"
HEAVY = ("lightgbm", "sklearn", "faiss", "implicit", "evidently", "scipy")
COLLECT = f"""
import sys
import pytest
code = pytest.main(["-p", "no:cacheprovider", "--collect-only", *sys.argv[1:]])
print("heavy:", [name for name in {HEAVY} if name in sys.modules])
sys.exit(code)
"""


def test_collecting_reads_no_home_needs_no_folder_and_imports_no_heavy_library(tmp_path: Path) -> None:
    """With a broken recs.toml in the home and in ./data, with warnings as errors from the first import on."""
    for home in (tmp_path / "mine", tmp_path / "data"):
        home.mkdir()
        (home / "recs.toml").write_text("k = [")
    files = [PACKAGE / "definitions.py", PACKAGE / "contracts" / "time.py"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", COLLECT, *map(str, files)],
        cwd=tmp_path,
        # Plugins, seconds of imports, have no part in it.
        env={
            **os.environ,
            "RECS_HOME": str(tmp_path / "mine"),
            "RECS_K": "many",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "contracts/time.py: " in done.stdout or "recs_platform.contracts.time" in done.stdout
    assert done.stdout.endswith("heavy: []\n"), "recs_platform.definitions was loaded with them"
