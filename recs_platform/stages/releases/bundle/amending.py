"""A bundle of an older release that obeys what was learned since: opt-outs, items offered no more, regions.

Sealing one anew costs a few small files whatever its size, the others are links. Without users it is made in
`removing`.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import content_key
from recs_platform.lake.artifacts import artifact, write_artifact, write_manifest
from recs_platform.stages.releases.bundle.keys import keys_of
from recs_platform.stages.releases.bundle.opening import sealed_bundle
from recs_platform.stages.releases.bundle.pages import PAGE_HOLDS, PAGE_READS, pages_without
from recs_platform.stages.releases.bundle.texts import OFFSETS, TEXT, text_series
from recs_platform.stages.releases.bundle.writing import (
    FILES,
    LISTS_KNOWN_AT,
    SERVING_ARTIFACT,
    file_facts,
    remove_bundles,
)

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from pathlib import Path

    import polars as pl
    from numpy.typing import NDArray

    from recs_platform.contracts.home import Home
    from recs_platform.contracts.manifests import Manifest
    from recs_platform.stages.releases.withheld import Regions, Withheld

_OPTED_OUT, _AVAILABLE = "opted_out.keys", "item.is_available"


def amend_bundle(home: Home, release_id: str, withheld: Withheld, *, known_at: datetime) -> Manifest:
    """Manifest of a bundle of the release that obeys what is withheld, and infers nothing about who opted out.

    The one that is there where it says so already; else another takes its place, and a server takes it up by itself.
    Raises NotReady where the release has none.
    """
    manifest = sealed_bundle(home, release_id)
    folder = artifact(home.artifacts, SERVING_ARTIFACT, manifest.version)
    arrays: dict[str, NDArray[np.generic]] = {}
    keys = _load(folder, _OPTED_OUT)
    gone = np.union1d(keys, keys_of(sorted(withheld.opted_out)))
    if len(gone) > len(keys):
        arrays[_OPTED_OUT] = gone
    if withheld.items:
        available = _load(folder, _AVAILABLE)
        offered = available & ~_are_among(folder, withheld.items)
        if int(offered.sum()) < int(available.sum()):
            arrays[_AVAILABLE] = offered
    if withheld.regions is not None:
        arrays |= _regional(folder, withheld.regions)
    if PAGE_HOLDS in manifest.parameters[FILES]:
        sealed = {name: _mapped(folder, name) for name in PAGE_READS}
        if not arrays.keys().isdisjoint(sealed):
            arrays[PAGE_HOLDS] = pages_without(sealed, {**sealed, **arrays})
    return _seal(home, folder, manifest, arrays, known_at) if arrays else manifest


def _load(folder: Path, name: str) -> NDArray[Any]:
    array: NDArray[Any] = np.load(folder / f"{name}.npy", allow_pickle=False)
    return array


def _mapped(folder: Path, name: str) -> NDArray[Any]:
    return np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False))


def _texts(folder: Path, name: str) -> pl.Series:
    return text_series({f"{name}.{part}": _load(folder, f"{name}.{part}") for part in (OFFSETS, TEXT)}, name)


def _are_among(folder: Path, items: Collection[str]) -> NDArray[np.bool_]:
    """Which items of the bundle, by code, are among these."""
    import polars as pl

    wanted = pl.Series(sorted(items), dtype=pl.String)
    return _texts(folder, "item.ids").is_in(wanted.implode()).to_numpy()


def _regional(folder: Path, regions: Regions) -> dict[str, NDArray[np.generic]]:
    """The arrays of regions as they are to be by now; none where they are."""
    import polars as pl

    from recs_platform.stages.releases.bundle.encoding import regional_arrays

    users = pl.DataFrame({c.USER_ID: _texts(folder, "user.ids")})
    codes = pl.DataFrame({c.ITEM_ID: _texts(folder, "item.ids")})
    made = regional_arrays(users, codes, regions.user_regions, regions.exclusions)
    is_same = all(np.array_equal(array, _load(folder, name)) for name, array in made.items())
    return {} if is_same else dict(made)


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
        lists_known_at = {LISTS_KNOWN_AT: manifest.known_at.isoformat()}
        parameters = {**lists_known_at, **manifest.parameters, FILES: facts}
        made = manifest.model_copy(update={"version": version, "known_at": known_at, "parameters": parameters})
        write_manifest(building, made)
    remove_bundles(home, manifest.inputs["release"], but=version)
    return made


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)
