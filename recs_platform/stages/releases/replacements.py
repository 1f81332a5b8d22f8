"""Which artifact replaces rows of a release, found and removed. What is in it is in `served`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recs_platform.lake.artifacts import remove_artifact, sealed_versions
from recs_platform.stages.releases.files import SERVED_ARTIFACT

if TYPE_CHECKING:
    from recs_platform.contracts.home import Home
    from recs_platform.contracts.manifests import Manifest

RELEASE = "release"


def replacement_of(home: Home, release_id: str) -> Manifest | None:
    """Manifest of what is served in the place of a release's rows; None where all of them are served."""
    found = [each for each in sealed_versions(home.artifacts, SERVED_ARTIFACT) if each.inputs[RELEASE] == release_id]
    return found[-1] if found else None


def remove_replacements(home: Home, release_id: str, *, but: str | None = None) -> None:
    """Remove what is served in the place of a release's rows, all or all but one version."""
    for each in sealed_versions(home.artifacts, SERVED_ARTIFACT):
        if each.inputs[RELEASE] == release_id and each.version != but:
            remove_artifact(home.artifacts, SERVED_ARTIFACT, each.version)
