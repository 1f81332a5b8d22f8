"""Sealing a bundle: its arrays as files with a manifest, one a release. What is in the arrays is made in `encoding`."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest, content_key
from recs_platform.lake.artifacts import (
    artifact,
    is_sealed,
    library_versions,
    read_manifest,
    remove_artifact,
    sealed_versions,
    write_artifact,
    write_manifest,
)
from recs_platform.stages.releases.bundle.boards import BOARD_RULES
from recs_platform.stages.releases.bundle.content import BundleContent
from recs_platform.stages.releases.bundle.encoding import encode_bundle
from recs_platform.stages.releases.bundle.pages import PAGE_FILES, write_pages

if TYPE_CHECKING:
    from pathlib import Path

    from recs_platform.contracts.home import Home

SERVING_ARTIFACT = "serving"
FORMAT = 1
RELEASE, FORMAT_NUMBER, FILES, RULES = "release_id", "format", "files", "rules"
SURFACES = "surfaces"
# What lists were made from was known by then; `known_at` of a bundle that was amended is later.
LISTS_KNOWN_AT = "lists_known_at"


def bundle_version(release_id: str, data_version: str, known_at: datetime) -> str:
    """Version of the bundle of a release: another one once other data, or other withdrawals, are behind it."""
    key = content_key({"data": data_version, "known_at": known_at, "format": FORMAT})
    return f"{release_id}-{key[:8]}"


def remove_bundles(home: "Home", release_id: str, *, but: str | None = None) -> None:
    """Remove the bundles of a release, all or all but one version."""
    for each in sealed_versions(home.artifacts, SERVING_ARTIFACT):
        if each.parameters[RELEASE] == release_id and each.version != but:
            remove_artifact(home.artifacts, SERVING_ARTIFACT, each.version)


def seal_bundle(
    home: "Home",
    release: Manifest,
    content: BundleContent,
    *,
    known_at: datetime,
    data_version: str,
    before_sealing: Callable[[], object] = lambda: None,
) -> Manifest:
    """Seal the bundle of a release, then remove older bundles of the same release: one of them may hold withdrawn rows.

    One that is sealed already is returned as it is. `release` need not be sealed yet. `before_sealing` is called once
    the bundle is written, and before anybody can find it: what takes long is over then.
    """
    version = bundle_version(release.version, data_version, known_at)
    if is_sealed(home.artifacts, SERVING_ARTIFACT, version):
        before_sealing()
    else:
        with write_artifact(home.artifacts, SERVING_ARTIFACT, version) as folder:
            _write(folder, release, version, content, known_at=known_at, data_version=data_version)
            before_sealing()
    remove_bundles(home, release.version, but=version)
    return read_manifest(artifact(home.artifacts, SERVING_ARTIFACT, version))


def _write(
    folder: "Path", release: Manifest, version: str, content: BundleContent, *, known_at: datetime, data_version: str
) -> None:
    arrays = encode_bundle(content)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    write_pages(folder, arrays, content.rules)
    parameters = {
        RELEASE: release.version,
        FORMAT_NUMBER: FORMAT,
        RULES: {
            "k": content.rules.k,
            "max_per_category": content.rules.max_per_category,
            "allow_repeats": content.rules.allow_repeats,
        },
        FILES: {name: file_facts(folder / f"{name}.npy") for name in (*arrays, *PAGE_FILES)},
        **({SURFACES: sorted(content.surfaces)} if content.surfaces else {}),
        **({BOARD_RULES: _board_rules(content)} if content.boards else {}),
    }
    manifest = release.model_copy(
        update={
            "name": SERVING_ARTIFACT,
            "version": version,
            "known_at": known_at,
            "data_version": data_version,
            "parameters": parameters,
            "inputs": {"release": release.version},
            "metrics": {c.N_USERS: float(len(arrays["user.keys"])), "n_items": float(len(arrays["item.keys"]))},
            "libraries": library_versions("numpy"),
        }
    )
    write_manifest(folder, manifest)


def _board_rules(content: BundleContent) -> dict[str, dict[str, int | str]]:
    return {
        surface: {"max_per_category": board.max_per_category, "reason": board.reason}
        for surface, board in sorted(content.boards.items())
    }


def file_facts(path: "Path") -> dict[str, str | int]:
    """Hash and size of a file of a bundle, which its manifest holds."""
    with path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": path.stat().st_size}
