"""A bundle of an older release that obeys what was learned since: people who opted out, items that were withdrawn.

Sealing one anew costs three small files whatever its size, the others are links. Without users: `removing`.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import numpy as np

from recs_platform.contracts.manifests import content_key
from recs_platform.lake.artifacts import artifact, write_artifact, write_manifest
from recs_platform.stages.releases.bundle.keys import keys_of
from recs_platform.stages.releases.bundle.pages import PAGE_HOLDS, pages_without
from recs_platform.stages.releases.bundle.reading import sealed_bundle
from recs_platform.stages.releases.bundle.texts import PackedTexts
from recs_platform.stages.releases.bundle.writing import FILES, SERVING_ARTIFACT, file_facts, remove_bundles

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from pathlib import Path

    from numpy.typing import NDArray

    from recs_platform.contracts.home import Home
    from recs_platform.contracts.manifests import Manifest

_OPTED_OUT, _AVAILABLE = "opted_out.keys", "item.is_available"


def amend_bundle(
    home: Home, release_id: str, *, opted_out: Collection[str], withdrawn: Collection[str], known_at: datetime
) -> Manifest:
    """Manifest of a bundle of the release that offers none of `withdrawn` and infers nothing about `opted_out`.

    The one that is there where it says so already; else another takes its place, and a server takes it up by itself.
    Raises NotReady where the release has none.
    """
    manifest = sealed_bundle(home, release_id)
    folder = artifact(home.artifacts, SERVING_ARTIFACT, manifest.version)
    arrays: dict[str, NDArray[np.generic]] = {}
    keys = np.load(folder / f"{_OPTED_OUT}.npy", allow_pickle=False)
    gone = np.union1d(keys, keys_of(sorted(opted_out)))
    if len(gone) > len(keys):
        arrays[_OPTED_OUT] = gone
    if withdrawn:
        available = np.load(folder / f"{_AVAILABLE}.npy", allow_pickle=False)
        offered = available & ~_are_among(folder, withdrawn)
        if int(offered.sum()) < int(available.sum()):
            arrays[_AVAILABLE] = offered
            if PAGE_HOLDS in manifest.parameters[FILES]:
                arrays[PAGE_HOLDS] = pages_without(_mapped(folder), available & ~offered)
    return _seal(home, folder, manifest, arrays, known_at) if arrays else manifest


def _mapped(folder: Path) -> dict[str, NDArray[np.generic]]:
    """What says whose pages an item is on."""
    names = (PAGE_HOLDS, *(f"{rows}.{column}" for rows in ("list", "candidate") for column in ("items", "offsets")))
    return {name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)) for name in names}


def _are_among(folder: Path, items: Collection[str]) -> NDArray[np.bool_]:
    """Which items of the bundle, by code, are among these."""
    wanted = set(items)
    texts = {
        name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("item.ids.offsets", "item.ids.text")
    }
    return np.array([each in wanted for each in PackedTexts(texts, "item.ids").all()], dtype=np.bool_)


def _seal(
    home: Home, folder: Path, manifest: Manifest, arrays: dict[str, NDArray[np.generic]], known_at: datetime
) -> Manifest:
    digest = content_key({name: array.tobytes().hex() for name, array in arrays.items()} | {"of": manifest.version})
    version = f"{manifest.version.rpartition('-')[0]}-{digest[:8]}"
    with write_artifact(home.artifacts, SERVING_ARTIFACT, version) as building:
        facts = dict(manifest.parameters[FILES])
        for name in facts:
            file = f"{name}.npy"
            if name in arrays:
                np.save(building / file, arrays[name], allow_pickle=False)
                facts[name] = file_facts(building / file)
            else:
                _link(folder / file, building / file)
        parameters = {**manifest.parameters, FILES: facts}
        made = manifest.model_copy(update={"version": version, "known_at": known_at, "parameters": parameters})
        write_manifest(building, made)
    remove_bundles(home, manifest.inputs["release"], but=version)
    return made


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)
