"""A sealed bundle without some of its users: what was theirs goes, everybody else's rows stay as they are."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest, content_key
from recs_platform.lake.artifacts import remove_artifact, sealed_versions, write_artifact, write_manifest
from recs_platform.stages.releases.bundle.arrays import load_as_sealed
from recs_platform.stages.releases.bundle.boards import board_arrays
from recs_platform.stages.releases.bundle.content import BundleRules
from recs_platform.stages.releases.bundle.encoding import EXPIRES, HELD_OUT, HIDDEN, Arrays, surface_arrays
from recs_platform.stages.releases.bundle.keys import OPTED_OUT, keys_of
from recs_platform.stages.releases.bundle.pages import PAGE_FILES, write_pages
from recs_platform.stages.releases.bundle.texts import PackedTexts, pack_texts
from recs_platform.stages.releases.bundle.writing import (
    FILES,
    RULES,
    SERVING_ARTIFACT,
    file_facts,
)

_FORGOTTEN = "forgotten"
# Arrays of which a run of rows belongs to each user.
_BY_USER = {
    "list": ("items", "scores", "sources", "reasons", "propensities"),
    "candidate": ("items", "scores", "sources"),
    "consumed": ("items",),
}


def without_users(arrays: dict[str, NDArray[Any]], user_ids: Collection[str]) -> Arrays:
    """The arrays of a bundle less users, and less the hashes of those who opted out."""
    gone = set(user_ids)
    ids = PackedTexts(arrays, "user.ids").all()
    stays = np.array([each not in gone for each in ids], dtype=np.bool_)
    kept: Arrays = {
        **arrays,
        "user.keys": arrays["user.keys"][stays],
        "user.region": arrays["user.region"][stays],
        **pack_texts("user.ids", [each for each, stay in zip(ids, stays, strict=True) if stay]),
        OPTED_OUT: np.setdiff1d(arrays[OPTED_OUT], keys_of(sorted(gone))),
    }
    kept |= {name: arrays[name][stays] for name in (HELD_OUT, EXPIRES) if name in arrays}
    kept |= {
        name: arrays[name][stays] for name in arrays if name.startswith(board_arrays("")) and name.endswith(".groups")
    }
    surfaces = {name.partition(".")[0] for name in arrays if name.startswith(surface_arrays(""))}
    hidden = {name.partition(".")[0] for name in arrays if name.startswith(HIDDEN)}
    further = [(each, _BY_USER["list"]) for each in sorted(surfaces)] + [(each, ("items",)) for each in sorted(hidden)]
    for name, columns in (*_BY_USER.items(), *further):
        lengths = np.diff(arrays[f"{name}.offsets"])
        rows = np.repeat(stays, lengths)
        kept[f"{name}.offsets"] = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths[stays], dtype=np.int64)])
        kept |= {f"{name}.{column}": arrays[f"{name}.{column}"][rows] for column in columns}
    return kept


def count_in_bundle(artifacts: Path, manifest: Manifest, user_ids: Collection[str]) -> int:
    """How many of the users a bundle knows, as users or as people who opted out."""
    arrays = _read(artifacts, manifest)
    known = len(set(PackedTexts(arrays, "user.ids").all()) & set(user_ids))
    return known + len(np.intersect1d(arrays[OPTED_OUT], keys_of(sorted(user_ids))))


def remove_from_bundle(artifacts: Path, manifest: Manifest, user_ids: Collection[str]) -> Manifest:
    """Seal the bundle anew without the users, then remove it; a server takes the new one up by itself."""
    arrays = without_users(_read(artifacts, manifest), user_ids)
    key = content_key({"of": manifest.version, "keys": arrays["user.keys"].tobytes().hex()})
    version = f"{manifest.version.rpartition('-')[0]}-{key[:8]}"
    with write_artifact(artifacts, SERVING_ARTIFACT, version) as folder:
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
        write_pages(folder, arrays, BundleRules(**manifest.parameters[RULES]))
        facts = {name: file_facts(folder / f"{name}.npy") for name in (*arrays, *PAGE_FILES)}
        earlier = int(manifest.parameters.get(_FORGOTTEN, 0))
        made = manifest.model_copy(
            update={
                "version": version,
                "parameters": {**manifest.parameters, FILES: facts, _FORGOTTEN: earlier + 1},
                "metrics": {**manifest.metrics, c.N_USERS: float(len(arrays["user.keys"]))},
            }
        )
        write_manifest(folder, made)
    remove_artifact(artifacts, SERVING_ARTIFACT, manifest.version)
    return made


def sealed_bundles(artifacts: Path) -> list[Manifest]:
    """Every bundle, of whatever release."""
    return sealed_versions(artifacts, SERVING_ARTIFACT)


def _read(artifacts: Path, manifest: Manifest) -> dict[str, NDArray[Any]]:
    folder = artifacts / SERVING_ARTIFACT / manifest.version  # looking into it is no use of it
    # Pages are made anew from the rest: there are gigabytes of them.
    files: dict[str, dict[str, Any]] = manifest.parameters[FILES]
    names = [name for name in files if name not in PAGE_FILES]
    # What is damaged must not be sealed anew as if it were whole.
    return {name: load_as_sealed(folder / f"{name}.npy", files[name]) for name in names}
