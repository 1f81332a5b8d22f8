"""The bundle in force: looked for again every second, taken up whole, kept where the next one cannot be opened."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from recs_platform.contracts.errors import RecsError
from recs_platform.serving.problems import Problem
from recs_platform.stages.releases import current_release
from recs_platform.stages.releases.bundle import SERVING_ARTIFACT, Bundle, newest_bundle, open_bundle, sealed_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from recs_platform.contracts.home import Home

_LOG = logging.getLogger(__name__)


class BundleWatch:
    """Answers with the bundle of the release in force.

    A request takes the bundle once and keeps it to its end: a switch meanwhile fails nobody. Its files stay mapped as
    long as somebody holds the bundle, even where they are deleted.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._bundle: Bundle | None = None
        self._found: tuple[str, str] | None = None
        self.fault: str | None = "no release was looked for yet"
        # A file of the bundle in force whose bytes are not those that were sealed, as `checking` finds.
        self.damaged: Path | None = None

    @property
    def bundle(self) -> Bundle:
        """The bundle in force. Raises Problem `not_ready` where none was ever opened."""
        if self._bundle is None:
            raise Problem("not_ready", self.fault or "no release is in force", retry_after=5)
        return self._bundle

    @property
    def is_open(self) -> bool:
        return self._bundle is not None

    @property
    def damage(self) -> str | None:
        """What is damaged of the bundle that answers, and the cure."""
        if self.damaged is None:
            return None
        return (
            f"{self.damaged} is damaged: its bytes are not those that were sealed, and lists may be wrong or fail; "
            "restore it from a copy of the home, `recs releases rollback` to another release, or `recs run --force`"
        )

    def folder_of(self, bundle: Bundle) -> Path:
        """Where the files of a bundle are."""
        return self._home.artifacts / SERVING_ARTIFACT / bundle.manifest.version

    def open_anew(self) -> None:
        """Map the files again at the next look: one that was damaged is whole, and may be another file by now."""
        self._found = None

    def look(self) -> bool:
        """Take up the bundle of the release in force; whether another one answers now.

        What cannot be opened is said once in the log and in `fault`; the last one that could goes on answering.
        """
        try:
            release = current_release(self._home).version
            # The newest bundle too, of whatever release: who opted out by then is opted out here.
            found = sealed_bundle(self._home, release).version, newest_bundle(self._home).version
            if self._bundle is not None and self._found == found:
                self.fault = self.damage
                return False
            self._bundle, self._found, self.damaged = open_bundle(self._home, release), found, None
        except (RecsError, OSError, ValueError) as error:
            if str(error) != self.fault:
                _LOG.warning("the release in force cannot be served: %s", error)
            self.fault = str(error)
            return False
        self.fault = None
        _LOG.info("release %s answers now", self._bundle.release_id)
        return True
