"""Which releases there are, and which is in force: the pinned one, else the last sealed of the greatest as_of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady, RecsError
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.spelling import did_you_mean
from recs_platform.contracts.tables import RELEASES
from recs_platform.contracts.time import as_of_key
from recs_platform.lake.artifacts import is_sealed, move_artifact, sealed_versions
from recs_platform.lake.column_types import polars_schema
from recs_platform.lake.disk import replace_text
from recs_platform.stages.releases.files import N_ROWS, PREVIOUS, RELEASES_ARTIFACT, WITHDRAWN_ARTIFACT

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import polars as pl

    from recs_platform.contracts.home import Home

_NAMED_MAX = 3  # of what makes a release stale: a backfill may have sealed hundreds


def list_releases(home: Home) -> pl.DataFrame:
    """Rows of recommendations.releases, by as_of and sealing instant; empty when nothing was sealed."""
    import polars as pl

    sealed = _sealed(home)
    pinned = pinned_release(home)
    current = current_release(home).version if sealed else None
    rows = [
        {
            c.RELEASE_ID: manifest.version,
            c.AS_OF: manifest.as_of,
            c.KNOWN_AT: manifest.known_at,
            c.SEALED_AT: manifest.sealed_at,
            c.RANKER_VERSION: manifest.parameters[c.RANKER_VERSION],
            c.N_USERS: int(manifest.metrics[c.N_USERS]),
            N_ROWS: int(manifest.metrics[N_ROWS]),
            c.CONTENT_HASH: manifest.parameters[c.CONTENT_HASH],
            c.PREVIOUS_RELEASE_ID: manifest.inputs.get(PREVIOUS),
            c.IS_CURRENT: manifest.version == current,
            c.IS_PINNED: manifest.version == pinned,
            c.IS_STALE: _is_stale(manifest, sealed),
        }
        for manifest in sealed
    ]
    return pl.DataFrame(rows, schema=polars_schema(RELEASES.columns))


def current_release(home: Home) -> Manifest:
    """The release in force: the pinned one, else the last sealed of the greatest as_of. Raises NotReady without one."""
    sealed = _sealed(home)
    if not sealed:
        raise NotReady(_nothing_in_force(home))
    pinned = pinned_release(home)
    return sealed[-1] if pinned is None else _find(home, pinned)


def latest_release(home: Home, *, without: str | None = None) -> Manifest | None:
    """The last sealed release of the greatest as_of, which is in force without a pin; None where there is none.

    `without`: one that is left out.
    """
    return next((each for each in reversed(_sealed(home)) if each.version != without), None)


def built_release(home: Home, as_of: datetime) -> Manifest | None:
    """The last sealed release of an instant, in force or not; None where there is none."""
    return next((each for each in reversed(_sealed(home)) if each.as_of == as_of), None)


def newest_as_of(home: Home) -> datetime | None:
    """The greatest as_of that a release was sealed for, in force or not; None without one."""
    return max((manifest.as_of for manifest in _sealed(home)), default=None)


def previous_release(home: Home, as_of: datetime) -> Manifest | None:
    """The last sealed release of the greatest as_of before an instant, None when there is none."""
    return _previous(_sealed(home), as_of)


def pinned_release(home: Home) -> str | None:
    """Id that the operator pinned, None when releases follow the greatest as_of."""
    pin = _pin(home)
    return pin.read_text(encoding="utf-8").strip() if pin.exists() else None


def find_release(home: Home, release_id: str) -> Manifest:
    """The manifest of a sealed release. Raises RecsError naming the known ones."""
    return _find(home, release_id)


def pin_release(home: Home, release_id: str) -> Manifest:
    """Put a release in force until it is unpinned, whatever is sealed meanwhile. Raises RecsError for an unknown id."""
    manifest = _find(home, release_id)
    replace_text(_pin(home), release_id + "\n")
    return manifest


def withdraw_release(home: Home, release_id: str) -> Manifest:
    """Take a release back: it is listed no more and never in force; a pin on it goes too. Its files are kept aside.

    What serving has of it is removed.

    Raises RecsError for an unknown id.
    """
    manifest = _find(home, release_id)
    if pinned_release(home) == release_id:
        unpin(home)
    move_artifact(home.artifacts, RELEASES_ARTIFACT, release_id, WITHDRAWN_ARTIFACT)
    from recs_platform.stages.releases.bundle import remove_bundles
    from recs_platform.stages.releases.replacements import remove_replacements

    remove_bundles(home, release_id)
    remove_replacements(home, release_id)
    return manifest


def is_withdrawn(home: Home, release_id: str) -> bool:
    """Whether a release was taken back and not sealed again since."""
    return is_sealed(home.artifacts, WITHDRAWN_ARTIFACT, release_id)


def unpin(home: Home) -> None:
    """Let the greatest sealed as_of be in force again; no pin is no error."""
    _pin(home).unlink(missing_ok=True)


def _sealed(home: Home) -> list[Manifest]:
    """Every release by as_of, then sealing instant, then id."""
    found = sealed_versions(home.artifacts, RELEASES_ARTIFACT)
    return sorted(found, key=lambda manifest: (manifest.as_of, manifest.sealed_at, manifest.version))


def _previous(sealed: list[Manifest], as_of: datetime) -> Manifest | None:
    earlier = [manifest for manifest in sealed if manifest.as_of < as_of]
    return earlier[-1] if earlier else None


def why_stale(home: Home, release_id: str) -> str | None:
    """A sentence on what was sealed since for an earlier as-of, which makes a release stale; None where it is not."""
    manifest = _find(home, release_id)
    later = _sealed_since(manifest, _sealed(home))
    if not later:
        return None
    named = ", ".join(each.version for each in later[-_NAMED_MAX:])
    if len(later) > _NAMED_MAX:
        named = f"{named} and {len(later) - _NAMED_MAX:,} more"
    key = as_of_key(manifest.as_of)
    return (
        f"{release_id} is stale: {named} {'was' if len(later) == 1 else 'were'} sealed after it for an earlier as-of, "
        "and what follows from the release before (segment ids, the champion) may differ; "
        f"`recs run --as-of {key} --force` makes it anew"
    )


def _is_stale(manifest: Manifest, sealed: list[Manifest]) -> bool:
    return bool(_sealed_since(manifest, sealed))


def _sealed_since(manifest: Manifest, sealed: list[Manifest]) -> list[Manifest]:
    return [each for each in sealed if each.as_of < manifest.as_of and each.sealed_at > manifest.sealed_at]


def _find(home: Home, release_id: str) -> Manifest:
    sealed = _sealed(home)
    for manifest in sealed:
        if manifest.version == release_id:
            return manifest
    known = ", ".join(manifest.version for manifest in sealed) or "none yet"
    if is_withdrawn(home, release_id):
        raise RecsError(f"release {release_id!r} was withdrawn; known: {known}")
    raise RecsError(f"no release {release_id!r}{did_you_mean(release_id, known.split(', ')) or f'; known: {known}'}")


def _nothing_in_force(home: Home) -> str:
    withdrawn = sealed_versions(home.artifacts, WITHDRAWN_ARTIFACT)
    if not withdrawn:
        return "nothing has been released yet; run `recs run` first"
    return (
        f"no release is in force: {withdrawn[-1].version} was withdrawn, and no other is left; land newer data, then "
        "`recs run`, or make the same again with `recs run --force`"
    )


def _pin(home: Home) -> Path:
    return home.artifacts / "releases.pin"
