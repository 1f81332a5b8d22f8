"""Keys of artifacts: a hash of all that made the content, so that nothing is reused after any of it changed."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import recs_platform
from recs_platform.contracts.features import FeatureSet
from recs_platform.contracts.manifests import content_key
from recs_platform.contracts.shapes import First, Shapes
from recs_platform.lake.artifacts import library_versions
from recs_platform.settings import Settings

PACKAGE = Path(recs_platform.__file__).parent
# Rooms that every artifact is read and written through.
_GROUND = ("contracts", "evaluation", "lake", "warehouse", "pipeline")
_NOT_IN_A_BUILD = ("cli", "serving", "world")
_SUFFIXES = (".py", ".html", ".css")


@dataclass(frozen=True)
class Kind:
    """A kind of artifact: which code and libraries make its content, and which settings decide it.

    `rooms`: folders of the package, `but` those below them that take no part. `settings`: marks of the settings that
    decide it themselves, not by way of SQL models or of the retrieval config, whose hashes are inputs.
    """

    name: str
    rooms: tuple[str, ...]
    libraries: tuple[str, ...]
    settings: tuple[First, ...]
    but: tuple[str, ...] = ()


RETRIEVAL = Kind(
    "retrieval",
    rooms=(*_GROUND, "stages/retrieval"),
    but=(
        *("pipeline/candidates", "pipeline/ingestion", "pipeline/lists", "pipeline/questions"),
        *("pipeline/training", "pipeline/tuning"),
        *("stages/retrieval/benchmark", "stages/retrieval/tuning"),
    ),
    libraries=(
        *("deltalake", "duckdb", "faiss-cpu", "implicit", "numba", "numpy", "polars", "pyarrow"),
        *("scikit-learn", "scipy"),
    ),
    settings=("retrieval",),
)
WINDOWS = Kind(
    "windows",
    rooms=(*_GROUND, "stages/features", "stages/ranking", "stages/retrieval"),
    but=tuple(room for room in RETRIEVAL.but if room not in ("pipeline/candidates", "pipeline/training")),
    libraries=RETRIEVAL.libraries,
    settings=("retrieval", "windows"),
)
RANKER = Kind(
    "ranker",
    rooms=WINDOWS.rooms,
    but=WINDOWS.but,
    libraries=(*RETRIEVAL.libraries, "lightgbm"),
    settings=("retrieval", "windows", "ranker"),
)
BUILD = Kind(
    "build",
    rooms=("",),
    but=_NOT_IN_A_BUILD,
    libraries=(*RANKER.libraries, "evidently", "jinja2", "matplotlib"),
    settings=("sql", "retrieval_config", "retrieval", "windows", "ranker", "build"),
)
KINDS = (RETRIEVAL, WINDOWS, RANKER, BUILD)


def artifact_key(
    kind: Kind, inputs: Mapping[str, Any], settings: Settings, *, feature_set: FeatureSet | None = None
) -> str:
    """Hash of the kind, its inputs, the settings that decide it (the seed is one), the feature set, code and libraries.

    `inputs` are JSON-like: versions of data and of other artifacts, hashes of SQL models, configs.
    """
    return content_key(
        {
            "kind": kind.name,
            "inputs": dict(inputs),
            "settings": deciding_settings(settings, kind),
            "feature_set": None if feature_set is None else feature_set.hash,
            "code": code_hash(PACKAGE, kind),
            "libraries": library_versions(*kind.libraries),
        }
    )


def deciding_settings(settings: Settings, kind: Kind) -> dict[str, Any]:
    """Settings that decide an artifact of the kind, by dotted name, as JSON-like values."""
    return {name: value for name, value, mark in marked_settings(settings) if mark and mark.first in kind.settings}


def marked_settings(settings: BaseModel, prefix: str = "", above: Shapes | None = None) -> Iterator[Any]:
    """Each setting's dotted name, JSON-like value and mark: its own, else that of the group it is in, else None."""
    values = settings.model_dump(mode="json")
    for name, field in type(settings).model_fields.items():
        mark = next((part for part in field.metadata if isinstance(part, Shapes)), above)
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            yield from marked_settings(value, f"{prefix}{name}.", mark)
        else:
            yield f"{prefix}{name}", values[name], mark


@cache
def code_hash(package: Path, kind: Kind) -> str:
    """Hash of the source files of a kind's rooms below `package`; a changed line changes the hash."""
    digest = hashlib.sha256()
    for path in source_files(package, kind):
        digest.update(f"{path.relative_to(package).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def source_files(package: Path, kind: Kind) -> list[Path]:
    """Source files of a kind's rooms, ascending."""
    inside = (package / room for room in kind.rooms)
    files = {file for room in inside for suffix in _SUFFIXES for file in room.rglob(f"*{suffix}")}
    return sorted(file for file in files if not _is_below(file, (package / room for room in kind.but)))


def _is_below(file: Path, folders: Iterable[Path]) -> bool:
    return any(folder in file.parents for folder in folders)
