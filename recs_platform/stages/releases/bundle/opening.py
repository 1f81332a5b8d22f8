"""Opening a sealed bundle: which one of a release, its files mapped. Looking things up in it is in `reading`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recs_platform.contracts.errors import ContractError, NotReady
from recs_platform.lake.artifacts import MANIFEST_FILE, artifact, sealed_versions
from recs_platform.stages.releases.bundle.arrays import CURE, load_array
from recs_platform.stages.releases.bundle.keys import OPTED_OUT, distinct_keys, key_of, rows_of_key
from recs_platform.stages.releases.bundle.reading import Array, Bundle
from recs_platform.stages.releases.bundle.texts import view_of
from recs_platform.stages.releases.bundle.writing import (
    FILES,
    FORMAT,
    FORMAT_NUMBER,
    RELEASE,
    RULES,
    SERVING_ARTIFACT,
)

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from recs_platform.contracts.home import Home
    from recs_platform.contracts.manifests import Manifest


def sealed_bundle(home: Home, release_id: str) -> Manifest:
    """Manifest of the newest bundle of a release. Raises NotReady where it has none."""
    sealed = sealed_versions(home.artifacts, SERVING_ARTIFACT)
    found = [manifest for manifest in sealed if _said(home, manifest, RELEASE) == release_id]
    if not found:
        raise NotReady(
            f"release {release_id} has no serving bundle: it was removed, or the release is from before there were "
            "any; run `recs run --force` to seal one, or roll back to a release that has one"
        )
    return max(found, key=lambda manifest: (manifest.sealed_at, manifest.known_at))


def newest_bundle(home: Home) -> Manifest:
    """Manifest of the bundle that knows most, of whatever release: its opt-outs hold for all. NotReady without one."""
    sealed = sealed_versions(home.artifacts, SERVING_ARTIFACT)
    if not sealed:
        raise NotReady("no release has a serving bundle yet; run `recs run` first")
    return max(sealed, key=lambda each: (each.known_at, each.sealed_at))


def has_opted_out(home: Home, user_id: str) -> bool:
    """Whether somebody has opted out by the newest bundle of the home; False where there is none."""
    try:
        newest = newest_bundle(home)
    except NotReady:
        return False
    folder = artifact(home.artifacts, SERVING_ARTIFACT, newest.version)
    keys = load_array(folder / f"{OPTED_OUT}.npy", is_mapped=True)
    return bool(rows_of_key(view_of(keys), key_of(user_id)))


def open_bundle(home: Home, release_id: str) -> Bundle:
    """Map the newest bundle of a release; whoever opted out by the newest bundle of the home is opted out here too.

    Raises NotReady where there is none, ContractError where it is of another format or a file is not as it was sealed.
    """
    manifest = sealed_bundle(home, release_id)
    for name in (FORMAT_NUMBER, FILES, RULES):
        _said(home, manifest, name)
    folder = artifact(home.artifacts, SERVING_ARTIFACT, manifest.version)
    arrays = _map(folder, manifest)
    opted_out = arrays[OPTED_OUT]
    newest = newest_bundle(home)
    if newest.version != manifest.version:
        later = _map(artifact(home.artifacts, SERVING_ARTIFACT, newest.version), newest, only=(OPTED_OUT,))
        opted_out = distinct_keys(opted_out, *later.values())
    try:
        return Bundle(manifest, arrays, opted_out)
    except (IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise ContractError(f"the bundle in {folder} is damaged: {error!r}; {CURE}") from error


def _said(home: Home, manifest: Manifest, name: str) -> Any:  # noqa: ANN401  as the manifest has it
    """A parameter of a bundle. Raises ContractError where its manifest lacks it."""
    if name not in manifest.parameters:
        file = home.artifacts / SERVING_ARTIFACT / manifest.version / MANIFEST_FILE
        raise ContractError(f"{file} is damaged: parameters.{name} is missing; {CURE}")
    return manifest.parameters[name]


def _map(folder: Path, manifest: Manifest, only: Collection[str] | None = None) -> dict[str, Array]:
    if manifest.parameters[FORMAT_NUMBER] != FORMAT:
        raise ContractError(
            f"the bundle in {folder} has format {manifest.parameters[FORMAT_NUMBER]}, this version reads {FORMAT}; "
            "run `recs run --force` to seal it anew"
        )
    files: dict[str, dict[str, Any]] = manifest.parameters[FILES]
    return {name: _map_file(folder / f"{name}.npy", files[name]) for name in (files if only is None else only)}


def _map_file(path: Path, facts: dict[str, Any]) -> Array:
    size = path.stat().st_size if path.is_file() else None
    if size != facts["bytes"]:
        found = "is missing" if size is None else f"has {size} bytes"
        raise ContractError(f"{path} {found}, sealed were {facts['bytes']}; {CURE}")
    return load_array(path, is_mapped=True)
