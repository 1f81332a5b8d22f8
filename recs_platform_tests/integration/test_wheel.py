"""What is installed is whole: the wheel holds the package, its SQL and its command, and finds them without a checkout.

The whole demo in an environment that has nothing but the wheel is `python -m benchmarks.wheel`, a step of `.ci/run`.
"""

import os
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
SQL = "dbt_like_sql"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what a wheel built from the tree would install."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    with ZipFile(wheel) as archive:
        archive.extractall(folder / "library")
    return folder / "library"


def _files(folder: Path) -> set[str]:
    """Names below a folder, less what Python compiled there."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(folder).as_posix() for path in found if "__pycache__" not in path.parts}


def test_it_holds_every_module_and_every_sql_file_and_nothing_of_the_tests(unpacked: Path) -> None:
    package = unpacked / "recs_platform"
    assert _files(package / SQL) == _files(ROOT / SQL)
    assert {path.name for path in unpacked.iterdir() if path.suffix != ".dist-info"} == {"recs_platform"}
    assert {name for name in _files(package) if not name.startswith(SQL)} == _files(ROOT / "recs_platform")


def test_it_installs_the_command_of_the_checkout(unpacked: Path) -> None:
    (path,) = unpacked.glob("*.dist-info/entry_points.txt")
    scripts = ConfigParser()
    scripts.read(path)
    assert dict(scripts["console_scripts"]) == {"recs": "recs_platform.cli:command"}


def test_installed_it_reads_its_own_models_and_sources(unpacked: Path, new_home: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "import recs_platform; print(recs_platform.__file__)\n"
        "from recs_platform.pipeline.platform import sql_folder; print(sql_folder())\n"
        "from recs_platform.cli import main; main()"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RECS_", "PYTHON", "DAGSTER_"))}
    done = subprocess.run(
        [sys.executable, "-c", code, str(unpacked), "source", "list"],
        cwd=new_home,
        env={**kept, "RECS_HOME": str(new_home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    module, sql, *listed = done.stdout.splitlines()
    assert Path(module).is_relative_to(unpacked)
    assert Path(sql) == unpacked / "recs_platform" / SQL
    assert any("contract" in line for line in listed)
