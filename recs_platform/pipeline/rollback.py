"""Putting an earlier release in force, going back to the latest, and taking a release back for good."""

from collections.abc import Callable
from datetime import UTC, datetime

from recs_platform.contracts.manifests import Manifest
from recs_platform.pipeline.named_in_settings import require_hidden
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.publishing import publish_releases
from recs_platform.pipeline.served import Brought, bring_served_up_to_date, changing_what_is_served
from recs_platform.stages import releases

LATEST = "latest"


def roll_back(platform: Platform, release_id: str, on_wait: Callable[[str], None] | None = None) -> Manifest:
    """Pin a release, or remove the pin where `latest` is named, and publish lists; returns the release in force.

    What may be shown no more leaves the release before it comes into force; servers take it up at once, whatever is
    published meanwhile. `on_wait` is told of each lock that somebody else holds.

    Raises RecsError for an unknown id, and where nothing could be published; nothing is changed then.
    """
    home = platform.home
    require_hidden(platform)
    with changing_what_is_served(home, on_wait):
        if release_id == LATEST:
            brought = _bring(platform, releases.latest_release(home))
            releases.unpin(home)
        else:
            brought = _bring(platform, releases.find_release(home, release_id))
            releases.pin_release(home, release_id)
    publish_releases(platform, earlier=brought, on_wait=on_wait)
    return releases.current_release(home)


def take_back(platform: Platform, release_id: str, on_wait: Callable[[str], None] | None = None) -> Brought | None:
    """Withdraw a release; the one that comes into force for it is brought up to date first. The caller publishes.

    Raises RecsError for an unknown id, and changes nothing then.
    """
    home = platform.home
    with changing_what_is_served(home, on_wait):
        releases.find_release(home, release_id)
        brought = None
        if releases.current_release(home).version == release_id:
            brought = _bring(platform, releases.latest_release(home, without=release_id))
        releases.withdraw_release(home, release_id)
    return brought


def _bring(platform: Platform, release: Manifest | None) -> Brought | None:
    return None if release is None else bring_served_up_to_date(platform, datetime.now(UTC), release)
