"""What is installed is whole: a wheel built from the tree works in an environment of its own, far from the checkout."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from recs_platform_tests.homes import SMALL, environment

ROOT = Path(__file__).parents[2]
WORLD = ["--users", "60", "--items", "40", "--days", "12", "--events", "1500"]
# The SQL tests and the sources' numbers are tested elsewhere; that their files are there is tested here.
QUICK = environment({**SMALL, "evaluation_windows": 1})


def run(*command: object, **options) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment that holds the wheel; the locked packages are seen, the checkout is not."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist", cwd=ROOT)
    (wheel,) = (folder / "dist").glob("*.whl")
    venv.create(folder / "env", with_pip=False)
    library = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "env"), "platbase": str(folder / "env")}))
    # Packages only: the file that leads to the checkout is read where it lies, not from here.
    (library / "locked.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    python = folder / "env" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", wheel)
    return python.parent


def _sql_files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_wheel_runs_the_demo_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RECS_", "PYTHON", "DAGSTER_"))}
    at = {"cwd": tmp_path, "env": {**kept, "RECS_HOME": str(tmp_path / "home"), "DO_NOT_TRACK": "1", **QUICK}}
    where = run(installed / "python", "-c", "import recs_platform; print(recs_platform.__file__)", **at)
    assert Path(where.strip()).is_relative_to(installed.parent)
    assert _sql_files(Path(where.strip()).parent / "dbt_like_sql") == _sql_files(ROOT / "dbt_like_sql")
    run(installed / "recs", "simulate", *WORLD, **at)
    shown = run(installed / "recs", "demo", **at)
    assert "release " in shown
    assert "(brand-new" in shown
    assert (tmp_path / "home" / "published" / "analytics.duckdb").is_file()
    assert "contract" in run(installed / "recs", "source", "list", **at)
