"""Putting an earlier release in force, going back to the latest, and taking a release back for good."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime

import duckdb

from recs_platform.contracts.errors import NotReady, RecsError
from recs_platform.contracts.home import Home
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
    published meanwhile. `on_wait` is told of each lock that somebody else holds, and of what is not published.

    Raises RecsError for an unknown id, or settings that nothing could be published with; nothing is changed then. Where
    publishing itself fails the release is in force: the message says so.
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
    with saying_what_is_in_force(home):
        published = publish_releases(platform, earlier=brought, on_wait=on_wait)
    if on_wait is not None:
        for sentence in published.set_aside:
            on_wait(sentence)
    return releases.current_release(home)


@contextmanager
def saying_what_is_in_force(home: Home, *, withdrawing: str | None = None) -> Generator[None, None, None]:
    """Where publishing fails after the switch: lists of which release are shown, and what is as it was before.

    Where the release that is `withdrawing` was not withdrawn meanwhile nothing was switched: the error is told alone.
    """
    was_withdrawn = withdrawing is not None and releases.is_withdrawn(home, withdrawing)
    try:
        yield
    except (RecsError, OSError, duckdb.Error) as error:
        if withdrawing is not None and (was_withdrawn or not releases.is_withdrawn(home, withdrawing)):
            raise
        raise RecsError(
            f"{_in_force(home)}, for `recs serve` too, but the published file could not be written and is that of "
            f"before: {error}; then `recs publish`"
        ) from error


def _in_force(home: Home) -> str:
    try:
        named = f"release {releases.current_release(home).version} is in force"
    except NotReady:
        return "no release is in force"
    return named if releases.pinned_release(home) is None else f"{named} and pinned"


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
