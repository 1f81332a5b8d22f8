"""Opens what commands work on: the home's platform and its Dagster instance. Nothing is printed or decided here."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from recs_platform.cli.settings_text import settings_toml
from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.home import Home
from recs_platform.contracts.setting_groups import RetrievalSettings
from recs_platform.settings import HOME_VARIABLE, Settings, read_settings

if TYPE_CHECKING:
    import dagster as dg

    from recs_platform.pipeline.platform import Platform


def make_home(home: Home) -> bool:
    """Create the home's folders and a commented recs.toml; whether there was none before."""
    for folder in (home.landing, home.lake, home.artifacts, home.reports, home.published, home.locks, home.logs):
        folder.mkdir(parents=True, exist_ok=True)
    is_new = not home.settings_file.exists()
    if is_new:
        home.settings_file.write_text(settings_toml(), encoding="utf-8")
    return is_new


def open_platform() -> "Platform":
    """The platform of the home that the environment names, its folders created."""
    settings = read_settings()
    make_home(settings.paths)
    return _platform(settings)


def open_home(folder: Path) -> "Platform":
    """The platform of another home than the one the environment names; it names that one from now on."""
    os.environ[HOME_VARIABLE] = str(folder)
    return open_platform()


@contextmanager
def nothing_else_builds(platform: "Platform") -> Generator[None, None, None]:
    """The lock of builds: what is made from events meanwhile is not made while somebody is forgotten."""
    from recs_platform.cli.show import say
    from recs_platform.contracts.home import Lock
    from recs_platform.lake.locks import exclusive

    with exclusive(platform.home.lock(Lock.AS_OF), on_wait=say):
        yield


def find_platform() -> "Platform":
    """The same for commands that need what is there: nothing is created. Raises NotReady where there is no home."""
    return _platform(find_settings())


def find_settings() -> Settings:
    """Settings of the home, for commands that need no more of it. Raises NotReady where there is no home."""
    settings = read_settings()
    if not _is_home(settings.paths):
        raise NotReady(f"no home at {settings.home}; run `recs init` (or set {HOME_VARIABLE})")
    return settings


def _is_home(home: Home) -> bool:
    """A copy of a home may lack its settings file, which says nothing but defaults until it is edited."""
    folders = (home.landing, home.lake, home.artifacts, home.sources, home.models)
    return home.settings_file.is_file() or any(folder.is_dir() for folder in folders)


def _platform(settings: Settings) -> "Platform":
    from recs_platform.pipeline.platform import Platform, sql_folder

    platform = Platform(settings, sql_folder())
    # Defaults need no check, and retrieval takes a tenth of a second to import.
    if settings.retrieval != RetrievalSettings():
        from recs_platform.pipeline.retrieval.inputs import check_retrieval_settings

        check_retrieval_settings(platform)
    return platform


def open_dagster(platform: "Platform") -> "dg.DagsterInstance":
    """The home's Dagster instance, made where there is none."""
    from recs_platform.defs.instance import open_instance

    os.environ["DAGSTER_HOME"] = str(platform.home.dagster)
    return open_instance(platform.home)


def start_apart(platform: "Platform", module: str, *, log: str) -> None:
    """Run a module of the package in a process that outlives the command; what it says goes to a log of the home."""
    import subprocess

    home = platform.home
    home.logs.mkdir(parents=True, exist_ok=True)
    places = {HOME_VARIABLE: str(home.root.absolute()), "DAGSTER_HOME": str(home.dagster.absolute())}
    with (home.logs / log).open("ab") as file:
        subprocess.Popen(
            [sys.executable, "-m", module],
            env={**os.environ, **places},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def find_dagster(platform: "Platform") -> "dg.DagsterInstance":
    """The same for commands that only read: an empty one in memory where there is none."""
    from recs_platform.defs.instance import find_instance

    os.environ["DAGSTER_HOME"] = str(platform.home.dagster)
    return find_instance(platform.home)
