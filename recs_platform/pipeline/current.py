"""The platform of a home as its files are now, for what lives longer than a run: sensors and schedules of an open UI.

Runs are processes of their own and read everything anew; the assets that the UI shows are those of its last reload.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from stat import S_ISREG

from recs_platform.contracts.errors import RecsError
from recs_platform.contracts.home import Home
from recs_platform.pipeline.platform import Platform

_Stamp = tuple[tuple[str, int, int], ...]


class CurrentPlatform:
    """Called, the platform; read anew where the settings, a model, a rule or a source of the home changed since."""

    def __init__(self, platform: Platform, read: Callable[[], Platform] | None = None) -> None:
        self._platform, self._read = platform, read
        self._stamp: _Stamp = _stamp(platform.home)

    def __call__(self) -> Platform:
        """Raises RecsError where what is there now cannot be read."""
        stamp = _stamp(self._platform.home)
        if self._read is not None and stamp != self._stamp:
            self._platform, self._stamp = self._read(), stamp
        return self._platform

    def or_before(self) -> Platform:
        """The same, or the one before where what is there now cannot be read: for whom a failure has to be told."""
        try:
            return self()
        except RecsError:
            return self._platform


def _stamp(home: Home) -> _Stamp:
    return tuple(sorted(_states(home)))


def _states(home: Home) -> Iterator[tuple[str, int, int]]:
    for path in (home.settings_file, *_files(home.models), *_files(home.rules), *_files(home.sources)):
        try:
            state = path.stat()
        except (FileNotFoundError, NotADirectoryError):  # gone since its folder was listed
            continue
        if S_ISREG(state.st_mode):
            yield str(path), state.st_mtime_ns, state.st_size


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if "__pycache__" not in path.parts)
