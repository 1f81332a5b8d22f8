"""The wheel in an environment of its own, far from the checkout: it is installed there and runs the demo.

`python -m benchmarks.wheel`; a step that fails ends it with exit code 1 and what the step said. What the wheel holds is
tested in `integration/test_wheel.py`.
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
_WORLD = ("--users", "60", "--items", "40", "--days", "12", "--events", "1500")


class WheelError(Exception):
    """A step failed; the message is its command and what it wrote."""


def try_wheel(folder: Path) -> None:
    """Build, install and run the wheel in `folder`. Raises WheelError."""
    scripts = install(folder)
    settings = {"RECS_HOME": str(folder / "home"), "RECS_LANDING_SETTLE_SECONDS": "0", "DO_NOT_TRACK": "1"}
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()

    def run(*command: object) -> str:
        return _run(*command, cwd=elsewhere, environment=_without_checkout() | settings)

    where = Path(run(scripts / "python", "-c", "import recs_platform; print(recs_platform.__file__)").strip())
    _hold(where.is_relative_to(scripts.parent), f"recs_platform comes from {where}, not from the wheel")
    run(scripts / "recs", "simulate", *_WORLD)
    shown = run(scripts / "recs", "demo")
    _hold("release " in shown and "(brand-new" in shown, f"the demo shows no release and no brand-new user:\n{shown}")
    _hold((folder / "home" / "published" / "analytics.duckdb").is_file(), "the demo published nothing")
    _hold("contract" in run(scripts / "recs", "source", "list"), "the packaged sources are not found")


def install(folder: Path) -> Path:
    """The `bin` of an environment in `folder` that holds the wheel; locked packages are seen, the checkout is not."""
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist", cwd=ROOT)
    (wheel,) = (folder / "dist").glob("*.whl")
    venv.create(folder / "env", with_pip=False)
    library = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "env"), "platbase": str(folder / "env")}))
    # Packages only: the file that leads to the checkout is read where it lies, not from here.
    (library / "locked.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    python = folder / "env" / "bin" / "python"
    pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check")
    _run(python, *pip, wheel, cwd=folder, environment=_without_checkout())
    return python.parent


def _without_checkout() -> dict[str, str]:
    left_out = ("RECS_", "PYTHON", "DAGSTER_")
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)}


def _run(*command: object, cwd: Path, environment: dict[str, str] | None = None) -> str:
    words = [str(part) for part in command]
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    _hold(done.returncode == 0, f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def _hold(is_true: bool, message: str) -> None:
    if not is_true:
        raise WheelError(message)


def main() -> int:
    """Try it in a temporary folder and say how it went."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            try_wheel(Path(folder))
        except WheelError as error:
            print(f"wheel: {error}", file=sys.stderr)
            return 1
    print("wheel: installed apart from the checkout, the demo ran")
    return 0


if __name__ == "__main__":
    sys.exit(main())
