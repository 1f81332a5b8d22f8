"""Finds a user's id in a release, given the id itself, its pseudonym or an anonymous id."""

from collections.abc import Collection

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import RecsError
from recs_platform.contracts.manifests import Manifest
from recs_platform.pipeline.platform import Platform
from recs_platform.stages.events.forgotten import forgotten_at
from recs_platform.stages.events.pseudonyms import names_of, open_privacy
from recs_platform.stages.releases import listed_among

IDENTITIES = "staging.stg_identities"


def find_user(platform: Platform, release: Manifest, user: str) -> str:
    """The id in the release of the user whom people call `user`; a pseudonym and an anonymous id are names too.

    Raises RecsError when no such user was known by the release's as-of, UsageError when the key cannot be trusted. It
    says of those who were forgotten that they were, and never names another person, however alike the ids are.
    """
    names = names_in(platform, user)
    listed = listed_among(platform.home, release.version, names)
    found = next((name for name in names if name in listed), None) or _person(platform, release, names)
    if found is None or not listed_among(platform.home, release.version, [found]):
        at = forgotten_at(platform.home, names)
        if at is not None:
            raise RecsError(f"user {user!r} was forgotten on {at:%Y-%m-%d}, on request: nothing of them is kept")
        raise RecsError(
            f"user {user!r} has no list in release {release.version}: not known by {release.as_of:%Y-%m-%d}"
        )
    return found


def names_in(platform: Platform, user: str) -> tuple[str, ...]:
    """Ids under which the home may store a user whom people call `user`.

    Raises UsageError where the key of pseudonyms is lost, for everybody would be unknown, or cannot be trusted.
    """
    if platform.settings.privacy.pseudonymize:
        open_privacy(platform.home, platform.lake, platform.settings.privacy)
    return names_of(platform.home, user)


def _person(platform: Platform, release: Manifest, names: Collection[str]) -> str | None:
    """The user to whom an anonymous, device or login id belonged last, as the release knew it."""
    with platform.model_run(release.as_of, release.known_at) as run:
        links = run.frame(IDENTITIES)
    mine = links.filter((pl.col("knowledge") == "as_of") & pl.col(c.ANONYMOUS_ID).is_in(list(names)))
    return None if mine.is_empty() else str(mine.sort("ends_at")[c.USER_ID][-1])
