"""Tuned retrieval configs: sealed, listed, and the one that is adopted. `pipeline.tuning` makes them.

`artifacts/retrieval_config/<version>/` holds one, `artifacts/retrieval_config/adopted` the version in force, if any.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.manifests import Manifest, content_key
from recs_platform.lake.artifacts import (
    artifact,
    is_sealed,
    read_manifest,
    sealed_versions,
    write_artifact,
    write_manifest,
)
from recs_platform.pipeline.adopted_configs import adopted, put_in_force, put_out_of_force
from recs_platform.stages import retrieval

CONFIGS = "retrieval_config"
CONFIG_FILE, TRIALS_FILE, SOURCES_FILE = "config.json", "trials.parquet", "sources.parquet"
Changes = dict[str, dict[str, Any]]


def config_version(changes: Mapping[str, Mapping[str, Any]]) -> str:
    """Hash of the changes: the same ones have the same version, whatever they were tuned on."""
    return content_key({"sources": dict(changes)})


def seal_config(root: Path, manifest: Manifest, changes: Changes, trials: pl.DataFrame, sources: pl.DataFrame) -> bool:
    """Seal what was tuned under `manifest.version`; whether the same changes were sealed before, which then stay."""
    if is_sealed(root, CONFIGS, manifest.version):
        return True
    with write_artifact(root, CONFIGS, manifest.version) as folder:
        (folder / CONFIG_FILE).write_text(json.dumps(changes, indent=2) + "\n", encoding="utf-8")
        trials.write_parquet(folder / TRIALS_FILE)
        sources.write_parquet(folder / SOURCES_FILE)
        write_manifest(folder, manifest)
    return False


def list_configs(root: Path) -> list[Manifest]:
    """Manifests of all tuned configs, ascending by as_of."""
    return sealed_versions(root, CONFIGS)


def find_config(root: Path, version: str) -> tuple[Manifest, Changes, pl.DataFrame]:
    """A tuned config: its manifest, its changes, and a row a source. Raises NotReady naming those there are."""
    if not version or not is_sealed(root, CONFIGS, version):
        known = [manifest.version for manifest in list_configs(root)]
        there = f"there are {known}" if known else "there is none: `recs tune retrieval` makes one"
        raise NotReady(f"no tuned retrieval config {version!r}; {there}")
    folder = artifact(root, CONFIGS, version)
    return read_manifest(folder), _read_changes(folder), pl.read_parquet(folder / SOURCES_FILE)


def adopt_config(root: Path, version: str) -> None:
    """Put a tuned config in force. Raises NotReady where there is none of that version, or it cannot be used."""
    find_config(root, version)
    put_in_force(root, CONFIGS, version)


def reset_config(root: Path) -> str | None:
    """Put the defaults in force again; the version that was in force."""
    return put_out_of_force(root, CONFIGS)


def adopted_version(root: Path) -> str | None:
    """Version of the config in force, None where it is the defaults."""
    return adopted(root, CONFIGS)


def adopted_manifest(root: Path) -> Manifest | None:
    """Manifest of the config in force, None where it is the defaults. Raises NotReady where it is missing."""
    version = adopted_version(root)
    return None if version is None else find_config(root, version)[0]


def adopted_changes(root: Path) -> Changes:
    """Changes in force by source, none where nothing is adopted. Raises NotReady where they cannot be used."""
    version = adopted_version(root)
    if version is None:
        return {}
    if not version or not is_sealed(root, CONFIGS, version):
        raise NotReady(
            f"the adopted retrieval config {version!r} is not among the artifacts in {root / CONFIGS}; bring it back, "
            "`recs tune adopt` another or `recs tune reset`"
        )
    return _read_changes(root / CONFIGS / version)


def _read_changes(folder: Path) -> Changes:
    """Changes that today's sources understand."""
    try:
        changes: Changes = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        retrieval.RetrievalConfig(sources=changes)  # pyright: ignore[reportArgumentType] - it fills in the rest
    except (OSError, ValueError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise NotReady(
            f"the retrieval config in {folder} cannot be used: {reason}; `recs tune retrieval` makes another, "
            "`recs tune reset` goes back to the defaults"
        ) from error
    return changes
