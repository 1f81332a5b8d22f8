"""What is served of the release in force in the place of rows that may be shown no more; publishing begins with it.

Opt-outs and withdrawals hold for every as-of from the moment they are known, what expires and where items may be
offered as of today: see `withheld`. People who were forgotten are taken out of the releases themselves, in
`forgetting`. Whoever changes what is served, or which release it is of, holds `Lock.SERVED` meanwhile.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from recs_platform.contracts.canary import CanaryState
from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.experiments import named_releases
from recs_platform.contracts.home import Home, Lock
from recs_platform.contracts.manifests import Manifest
from recs_platform.lake.locks import exclusive
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.withheld import read_withheld, today_of, withheld_versions
from recs_platform.stages.releases.bundle.amending import amend_bundle
from recs_platform.stages.releases.bundle.opening import newest_bundle, open_bundle
from recs_platform.stages.releases.bundle.writing import RELEASE
from recs_platform.stages.releases.in_force import current_release
from recs_platform.stages.releases.replacements import replacement_of
from recs_platform.stages.releases.replacing import (
    EXCLUDED,
    EXPIRED,
    OPTED_OUT,
    ROWS,
    USERS,
    WITHDRAWN,
    find_rows,
    lists_instead,
)
from recs_platform.stages.releases.served import seal_replacement
from recs_platform.stages.releases.withheld import Withheld

# So long what was read may be taken for what is known: what is withdrawn depends on the clock too.
_SAME_FOR = timedelta(minutes=1)


@dataclass(frozen=True)
class Brought:
    """A release that was brought up to date: what was withheld of it, when, and which state of the home said so."""

    release_id: str | None
    withheld: Withheld
    at: datetime
    known: tuple[object, ...]


@contextmanager
def changing_what_is_served(home: Home, on_wait: Callable[[str], None] | None = None) -> Generator[None, None, None]:
    """Nobody else changes which release is in force, its bundles, or what is served in the place of its rows.

    `on_wait` is told once who holds the lock, where somebody does.
    """
    with exclusive(home.lock(Lock.SERVED), on_wait=on_wait):
        yield


def bring_served_up_to_date(
    platform: Platform, now: datetime, release: Manifest | None = None, *, earlier: Brought | None = None
) -> Brought:
    """Replace rows of a release that may be shown no more, the one in force unless another is about to be.

    Its bundle is told first: the list of a server and that of the analysts' file are one. So are those of other
    releases that a server answers with, and the one that says who has opted out. Where nothing has changed since it was
    brought up to date `earlier`, that is returned. The caller holds the lock.
    """
    release = release or _in_force(platform.home)
    today = today_of(platform, now)
    release_id = None if release is None else release.version
    known = (today, *withheld_versions(platform))
    is_same = earlier is not None and (earlier.release_id, earlier.known) == (release_id, known)
    if earlier is not None and is_same and now - earlier.at < _SAME_FOR:
        return earlier
    withheld = read_withheld(platform, today if release is not None else now, now)
    brought = Brought(release_id, withheld, now, known)
    if release is not None:
        _bring(platform, release, withheld, now)
    return brought


def _in_force(home: Home) -> Manifest | None:
    try:
        return current_release(home)
    except NotReady:
        return None


def _bring(platform: Platform, release: Manifest, withheld: Withheld, now: datetime) -> None:
    home = platform.home
    for beside in sorted(_answering_beside(platform) - {release.version}):
        _amend(platform, beside, withheld, now)
    has_bundle = _amend(platform, release.version, withheld, now)
    found = find_rows(home, release, withheld, impersonal_sources(withheld))
    # Opening it takes a while that most publishes and rollbacks do without.
    bundle = open_bundle(home, release.version) if has_bundle and not found.is_nothing else None
    made = lists_instead(found, bundle)
    seal_replacement(home, release, made, known_at=now, sealed_at=now)


def _answering_beside(platform: Platform) -> frozenset[str]:
    """Releases that some users are answered with beside the one in force: of variants, and while a canary runs.

    And the one of the newest bundle, which says for all of them who has opted out.
    """
    found = named_releases(platform.settings.experiments) | _settled(platform)
    with suppress(NotReady):
        found |= {str(newest_bundle(platform.home).parameters[RELEASE])}
    return found


def _settled(platform: Platform) -> frozenset[str]:
    """The release of whoever gets no canary, or of everybody where one was taken back; none without canaries."""
    file = platform.home.canary
    if not platform.settings.canary.share or not file.is_file():
        return frozenset()
    try:
        settled = msgspec.json.decode(file.read_bytes(), type=CanaryState).settled_id
    except msgspec.DecodeError:  # a server that cannot read it begins anew with the release in force
        return frozenset()
    return frozenset() if settled is None else frozenset({settled})


def _amend(platform: Platform, release_id: str, withheld: Withheld, now: datetime) -> bool:
    """Tell the bundle; returns whether there is one: releases that were sealed before there were any have none."""
    try:
        amend_bundle(platform.home, release_id, withheld, known_at=now)
    except NotReady:
        return False
    return True


def impersonal_sources(withheld: Withheld) -> tuple[str, ...]:
    """Sources that tell nothing of the person: what is popular, and what operators put in.

    None where nobody opted out, for then nobody asks.
    """
    if not withheld.opted_out:
        return ()
    # Loading rules takes a while that who asks for nothing of this does without.
    from recs_platform.stages import reranking

    return (reranking.FALLBACK_SOURCE, *(rule.name for rule in reranking.RULES))


def replaced_in_force(platform: Platform) -> str | None:
    """A sentence on rows of the release in force that are not served; None where all are, and without a release."""
    try:
        manifest = replacement_of(platform.home, current_release(platform.home).version)
    except NotReady:
        return None
    return None if manifest is None else _sentence(manifest)


def _sentence(manifest: Manifest) -> str:
    # Older ones count neither what expired nor what is excluded somewhere.
    names = (ROWS, USERS, OPTED_OUT, WITHDRAWN, EXPIRED, EXCLUDED)
    count = {name: int(manifest.metrics.get(name, 0)) for name in names}
    causes = [
        (count[OPTED_OUT], "of them opted out"),
        (count[WITHDRAWN], "items were withdrawn or blocked"),
        (count[EXPIRED], "items expired"),
        (count[EXCLUDED], "items may not be offered where users are"),
    ]
    why = ", ".join(f"{number:,} {what}" for number, what in causes if number)
    return (
        f"{count[ROWS]:,} rows of {count[USERS]:,} users were replaced from what is popular, a surface's board or the "
        f"next candidates: since the release was sealed, {why}"
    )
