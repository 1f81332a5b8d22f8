"""Putting an earlier release in force, and going back to the latest."""

from recs_platform.contracts.manifests import Manifest
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.publishing import publish_releases
from recs_platform.stages import releases

LATEST = "latest"


def roll_back(platform: Platform, release_id: str) -> Manifest:
    """Pin a release, or remove the pin where `latest` is named, and publish lists; returns the release in force.

    Raises RecsError for an unknown id, and changes nothing then.
    """
    if release_id == LATEST:
        releases.unpin(platform.home)
    else:
        releases.pin_release(platform.home, release_id)
    publish_releases(platform)
    return releases.current_release(platform.home)
