"""A bundle of an older release that says what holds by now: who opted out, which items are offered, and where.

What holds no longer is taken back likewise: a consent that was given again, an item that is offered again, a region
that is no longer left out. Nothing comes that the release was sealed without. Sealing one anew costs a few small files
whatever its size, the others are links. Without users it is made in `removing`.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import content_key
from recs_platform.lake.artifacts import artifact, write_artifact, write_manifest
from recs_platform.stages.releases.bundle.arrays import load_array
from recs_platform.stages.releases.bundle.keys import OPTED_OUT, distinct_keys, keys_of
from recs_platform.stages.releases.bundle.opening import sealed_bundle
from recs_platform.stages.releases.bundle.pages import PAGE_HOLDS, PAGE_OFFSETS, PAGE_READS, pages_without
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
    from recs_platform.stages.releases.bundle.encoding import Arrays
    from recs_platform.stages.releases.withheld import Regions, Withheld

_AVAILABLE = "item.is_available"
# What was available when the bundle was sealed; in bundles that were amended.
SEALED_AVAILABLE = "item.was_available"
_EXCLUDED_OFFSETS, _EXCLUDED_ITEMS = "excluded.offsets", "excluded.items"


def amend_bundle(home: Home, release_id: str, withheld: Withheld, *, known_at: datetime) -> Manifest:
    """Manifest of a bundle of the release that withholds this and nothing else; of who opted out it infers nothing.

    The one that is there where it says so already; else another takes its place, and a server takes it up by itself.
    Raises NotReady where the release has none. One call at a time: each makes the next bundle of the last one.
    """
    manifest = sealed_bundle(home, release_id)
    folder = artifact(home.artifacts, SERVING_ARTIFACT, manifest.version)
    files: dict[str, Any] = manifest.parameters[FILES]
    arrays = _opted_out(folder, withheld) | _offered(folder, files, withheld) | _regional(folder, withheld.regions)
    if not arrays:
        return manifest
    if PAGE_HOLDS in files:
        arrays[PAGE_HOLDS] = _pages_that_hold(folder, files, arrays)
    return _seal(home, folder, manifest, arrays, known_at)


def _opted_out(folder: Path, withheld: Withheld) -> Arrays:
    """Keys of those who have opted out by now; nothing where they are who they were."""
    keys = distinct_keys(keys_of(list(withheld.opted_out)))
    return {} if np.array_equal(keys, _load(folder, OPTED_OUT)) else {OPTED_OUT: keys}


def _offered(folder: Path, files: Collection[str], withheld: Withheld) -> Arrays:
    """Which items are offered by now, of those that were when the bundle was sealed; nothing where they are those."""
    if not withheld.items and SEALED_AVAILABLE not in files:
        return {}
    sealed = _sealed_available(folder, files)
    offered = sealed & ~_are_among(folder, withheld.items) if withheld.items else sealed
    if np.array_equal(offered, _load(folder, _AVAILABLE)):
        return {}
    return {_AVAILABLE: offered, SEALED_AVAILABLE: sealed}


def _sealed_available(folder: Path, files: Collection[str]) -> NDArray[np.bool_]:
    return _load(folder, SEALED_AVAILABLE if SEALED_AVAILABLE in files else _AVAILABLE)


def _pages_that_hold(folder: Path, files: Collection[str], arrays: Arrays) -> NDArray[np.bool_]:
    """Which of the sealed pages are of users who may be offered all of their list, and what is behind it."""
    now = {name: _mapped(folder, name) for name in PAGE_READS} | arrays
    is_there = np.diff(_mapped(folder, PAGE_OFFSETS)) > 0
    everything = {
        PAGE_HOLDS: is_there,
        _AVAILABLE: _sealed_available(folder, files),
        _EXCLUDED_OFFSETS: np.zeros(len(now[_EXCLUDED_OFFSETS]), dtype=np.int64),
        _EXCLUDED_ITEMS: np.zeros(0, dtype=np.int32),
    }
    return pages_without({**now, **everything}, now)


def _load(folder: Path, name: str) -> NDArray[Any]:
    return load_array(folder / f"{name}.npy")


def _mapped(folder: Path, name: str) -> NDArray[Any]:
    return load_array(folder / f"{name}.npy", is_mapped=True)


def _texts(folder: Path, name: str) -> pl.Series:
    return text_series({f"{name}.{part}": _load(folder, f"{name}.{part}") for part in (OFFSETS, TEXT)}, name)


def _are_among(folder: Path, items: Collection[str]) -> NDArray[np.bool_]:
    """Which items of the bundle, by code, are among these."""
    import polars as pl

    wanted = pl.Series(sorted(items), dtype=pl.String)
    return _texts(folder, "item.ids").is_in(wanted.implode()).to_numpy()


def _regional(folder: Path, regions: Regions | None) -> Arrays:
    """The arrays of regions as they are to be by now; none where they are. Without `regions` nothing is left out."""
    import polars as pl

    from recs_platform.stages.releases.bundle.encoding import regional_arrays

    if regions is None:
        offsets, excluded = _load(folder, _EXCLUDED_OFFSETS), _load(folder, _EXCLUDED_ITEMS)
        return {_EXCLUDED_OFFSETS: np.zeros_like(offsets), _EXCLUDED_ITEMS: excluded[:0]} if len(excluded) else {}
    users = pl.DataFrame({c.USER_ID: _texts(folder, "user.ids")})
    codes = pl.DataFrame({c.ITEM_ID: _texts(folder, "item.ids")})
    made = regional_arrays(users, codes, regions.user_regions, regions.exclusions)
    is_same = all(np.array_equal(array, _load(folder, name)) for name, array in made.items())
    return {} if is_same else dict(made)


def _seal(home: Home, folder: Path, manifest: Manifest, arrays: Arrays, known_at: datetime) -> Manifest:
    digest = content_key({name: array.tobytes().hex() for name, array in arrays.items()} | {"of": manifest.version})
    version = f"{manifest.version.rpartition('-')[0]}-{digest[:8]}"
    with write_artifact(home.artifacts, SERVING_ARTIFACT, version) as building:
        facts = {**manifest.parameters[FILES], **dict.fromkeys(arrays)}
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
