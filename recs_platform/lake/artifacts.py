"""Sealed artifacts: indexes, rankers and releases as folders with a manifest. Their contents are their makers' affair.

An artifact is written aside as `<name>/<version>.tmp-<process>-<thread>` and renamed to `<name>/<version>`: it is whole
or absent.
"""

import importlib.metadata
import os
import re
import shutil
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from recs_platform.contracts.errors import ContractError, NotReady
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.validation_errors import first_fault
from recs_platform.lake.disk import flush, seal
from recs_platform.lake.processes import is_abandoned, process_name

MANIFEST_FILE = "manifest.json"
_UNSEALED = re.compile(r"\.tmp-(\d+(?:-\w+)*)$")


@contextmanager
def write_artifact(root: Path, name: str, version: str) -> Generator[Path, None, None]:
    """Folder to write files and the manifest into; sealed on a clean exit, removed on an exception.

    If that version is sealed already, by then or by another process or thread meanwhile, the sealed one stays. What
    dead processes left of any version of `name` is removed first. One writer of a version per thread at a time.
    Raises ContractError when the manifest is absent or names another artifact.
    """
    aside = f"{version}.tmp-{process_name()}-{threading.get_ident()}"
    folder, sealed = root / name / aside, root / name / version
    _remove_abandoned(root / name, mine=folder)
    folder.mkdir(parents=True)
    try:
        yield folder
        _require_manifest(folder, name, version)
        if not is_sealed(root, name, version):
            _seal_unless_taken(folder, sealed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json` into an artifact that is being written."""
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Manifest of an artifact. Raises NotReady when the folder has none, ContractError for one that is damaged."""
    file = folder / MANIFEST_FILE
    if not file.exists():
        raise NotReady(f"no artifact in {folder}: {MANIFEST_FILE} is missing; run `recs run` to build it")
    try:
        return Manifest.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise ContractError(
            f"{file} is damaged: {first_fault(error, Manifest)[1]}; restore it from a copy of the home, or move its "
            "folder out of artifacts: `recs run --force` makes again what is missing"
        ) from None


def artifact(root: Path, name: str, version: str) -> Path:
    """Folder of a sealed artifact, which counts as used now. Raises NotReady when that version is not sealed."""
    if not is_sealed(root, name, version):
        raise NotReady(f"{name} {version} is not among the artifacts in {root}; run `recs run` to build it")
    _mark_used(root / name / version / MANIFEST_FILE)
    return root / name / version


def last_used(root: Path, name: str, version: str) -> datetime:
    """When the sealed artifact was asked for last."""
    return datetime.fromtimestamp((root / name / version / MANIFEST_FILE).stat().st_mtime, UTC)


def _mark_used(manifest: Path) -> None:
    """The time of its manifest says it; not written where the home may only be read."""
    with suppress(OSError):
        os.utime(manifest)


def is_sealed(root: Path, name: str, version: str) -> bool:
    """Whether that version is there, whole."""
    return (root / name / version / MANIFEST_FILE).exists()


def sealed_versions(root: Path, name: str) -> list[Manifest]:
    """Manifests of all sealed versions, ascending by as_of, then by when they were sealed."""
    sealed = [
        file.parent for file in (root / name).glob(f"*/{MANIFEST_FILE}") if not _UNSEALED.search(file.parent.name)
    ]
    return sorted(map(read_manifest, sealed), key=lambda found: (found.as_of, found.sealed_at, found.version))


def move_artifact(root: Path, name: str, version: str, to: str) -> Path:
    """Move a sealed artifact to another name, over one of that version there; whole or not at all.

    Raises NotReady when that version is not sealed.
    """
    folder, target = artifact(root, name, version), root / to / version
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    folder.rename(target)
    flush((target.parent, folder.parent))
    return target


def remove_artifact(root: Path, name: str, version: str) -> None:
    """Remove a sealed artifact; its manifest goes first, so that it is never half there. An absent one is no error."""
    (root / name / version / MANIFEST_FILE).unlink(missing_ok=True)
    shutil.rmtree(root / name / version, ignore_errors=True)


def library_versions(*names: str) -> dict[str, str]:
    """Installed version of each distribution, for a manifest."""
    return {name: _installed(name) for name in names}


@cache
def _installed(name: str) -> str:
    """Of a process: what is imported stays, whatever is installed meanwhile."""
    return importlib.metadata.version(name)


def _remove_abandoned(artifacts: Path, *, mine: Path) -> None:
    """Remove unsealed folders of dead processes, and the one about to be written: its earlier write is over.

    Others of this process are left alone: another thread may be writing them.
    """
    for unsealed in artifacts.glob("*.tmp-*"):
        mark = _UNSEALED.search(unsealed.name)
        if unsealed == mine or (mark is not None and is_abandoned(mark[1])):
            shutil.rmtree(unsealed, ignore_errors=True)


def _require_manifest(folder: Path, name: str, version: str) -> None:
    if not (folder / MANIFEST_FILE).exists():
        raise ContractError(f"{name} {version} cannot be sealed without a {MANIFEST_FILE}; call write_manifest")
    manifest = read_manifest(folder)
    if (manifest.name, manifest.version) != (name, version):
        found = f"{manifest.name} {manifest.version}"
        raise ContractError(f"the manifest in the folder of {name} {version} is that of {found}; write its own")


def _seal_unless_taken(folder: Path, sealed: Path) -> None:
    try:
        seal(folder, sealed)
    except OSError:
        if not (sealed / MANIFEST_FILE).exists():
            raise
