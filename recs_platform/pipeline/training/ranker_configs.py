"""Tuned ranker configs: sealed, listed, and the one that is adopted. `pipeline.tuning.tune_ranker` makes them.

Those of retrieval are in `pipeline.retrieval.tuned_configs`.
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
from recs_platform.stages import ranking

CONFIGS = "ranker_config"
CONFIG_FILE, TRIALS_FILE = "config.json", "trials.parquet"
Changes = dict[str, Any]


def config_version(changes: Mapping[str, Any]) -> str:
    """Hash of the changes: the same ones have the same version, whatever they were tuned on."""
    return content_key({"ranker": dict(changes)})


def seal_config(root: Path, manifest: Manifest, changes: Changes, trials: pl.DataFrame) -> None:
    """Seal what was tuned under `manifest.version`; the same changes sealed before stay."""
    if is_sealed(root, CONFIGS, manifest.version):
        return
    with write_artifact(root, CONFIGS, manifest.version) as folder:
        (folder / CONFIG_FILE).write_text(json.dumps(changes, indent=2) + "\n", encoding="utf-8")
        trials.write_parquet(folder / TRIALS_FILE)
        write_manifest(folder, manifest)


def list_configs(root: Path) -> list[Manifest]:
    """Manifests of all tuned ranker configs, ascending by as_of."""
    return sealed_versions(root, CONFIGS)


def find_config(root: Path, version: str) -> tuple[Manifest, Changes, pl.DataFrame]:
    """A tuned config: manifest, changes, and a row a trial. Raises NotReady where there is none, or it is unusable."""
    if not version or not is_sealed(root, CONFIGS, version):
        raise NotReady(f"no tuned ranker config {version!r}; `recs tune list` names those there are")
    folder = artifact(root, CONFIGS, version)
    return read_manifest(folder), _read_changes(folder), pl.read_parquet(folder / TRIALS_FILE)


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


def adopted_changes(root: Path) -> Changes:
    """Changes in force, none where nothing is adopted. Raises NotReady where they cannot be used."""
    version = adopted_version(root)
    return {} if version is None else find_config(root, version)[1]


def _read_changes(folder: Path) -> Changes:
    """Changes that today's rankers understand."""
    try:
        changes: Changes = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        ranking.RankerConfig(**changes)
    except (OSError, ValueError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise NotReady(
            f"the ranker config in {folder} cannot be used: {reason}; `recs tune ranker` makes another, "
            "`recs tune reset` goes back to the defaults"
        ) from error
    return changes
