"""What the release in force may show no more by now, and what is served in its place; publishing begins with it.

Opt-outs and withdrawals hold for every as-of from the moment they are known. People who were forgotten are taken out of
the releases themselves, in `forgetting`.
"""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.manifests import Manifest
from recs_platform.pipeline.platform import Platform
from recs_platform.stages.releases.bundle.amending import amend_bundle
from recs_platform.stages.releases.bundle.reading import Bundle, open_bundle
from recs_platform.stages.releases.in_force import current_release
from recs_platform.stages.releases.replacements import replacement_of
from recs_platform.stages.releases.replacing import OPTED_OUT, ROWS, USERS, WITHDRAWN, replace_rows
from recs_platform.stages.releases.served import seal_replacement
from recs_platform.warehouse.runner import ModelRun

_OPTED_OUT, _CATALOGUE = "staging.stg_opted_out", "staging.stg_catalogue"
_IS_WITHDRAWN = "is_withdrawn"


@dataclass(frozen=True)
class Withheld:
    """Users who have opted out by now, under every id of theirs, and items that were withdrawn since an as-of."""

    opted_out: frozenset[str]
    withdrawn: frozenset[str]


def read_withheld(platform: Platform, as_of: datetime, now: datetime) -> Withheld:
    """Who and what may not be shown by now."""
    with platform.connection() as con:
        # Reading all models would take longer than all the rest of a rollback.
        models = platform.some_models(_OPTED_OUT, _CATALOGUE)
        run = ModelRun(con, platform.lake, models, (), as_of=as_of, known_at=now)
        opted_out = run.frame(_OPTED_OUT, [c.USER_ID])[c.USER_ID]
        items = run.frame(_CATALOGUE, [c.ITEM_ID, _IS_WITHDRAWN]).filter(pl.col(_IS_WITHDRAWN))[c.ITEM_ID]
    return Withheld(frozenset(opted_out), frozenset(items))


def bring_served_up_to_date(platform: Platform, now: datetime) -> Withheld:
    """Replace rows of the release in force that may be shown no more; returns what may not, as of that release.

    Its bundle is told first: the list of a server and that of the analysts' file are one.
    """
    home = platform.home
    try:
        release = current_release(home)
    except NotReady:
        return read_withheld(platform, now, now)
    withheld = read_withheld(platform, release.as_of, now)
    made = replace_rows(
        home,
        release,
        _bundle(platform, release, withheld, now),
        opted_out=withheld.opted_out,
        withdrawn=withheld.withdrawn,
        impersonal=impersonal_sources(),
    )
    seal_replacement(home, release, made, known_at=now, sealed_at=now)
    return withheld


def _bundle(platform: Platform, release: Manifest, withheld: Withheld, now: datetime) -> Bundle | None:
    """The bundle as it is to be by now; None where the release was sealed before there were any."""
    try:
        amend_bundle(
            platform.home,
            release.version,
            opted_out=withheld.opted_out,
            withdrawn=withheld.withdrawn,
            known_at=now,
        )
        return open_bundle(platform.home, release.version)
    except NotReady:
        return None


def impersonal_sources() -> tuple[str, ...]:
    """Sources that tell nothing of the person: what is popular, and what operators put in."""
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
    counts = {name: int(manifest.metrics[name]) for name in (ROWS, USERS, OPTED_OUT, WITHDRAWN)}
    return (
        f"{counts[ROWS]:,} rows of {counts[USERS]:,} users were replaced from the fallback: since the release was "
        f"sealed, {counts[OPTED_OUT]:,} of them opted out, and {counts[WITHDRAWN]:,} items were withdrawn"
    )
