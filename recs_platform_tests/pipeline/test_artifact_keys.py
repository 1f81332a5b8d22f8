"""Truths about keys: whatever makes an artifact's content is in its key, and what does not, is not."""

import ast
import importlib.metadata
import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recs_platform.contracts.features import Feature, FeatureSet
from recs_platform.contracts.shapes import Shapes
from recs_platform.lake import artifacts
from recs_platform.pipeline import artifact_keys
from recs_platform.pipeline.artifact_keys import (
    BUILD,
    KINDS,
    PACKAGE,
    RANKER,
    RETRIEVAL,
    WINDOWS,
    Kind,
    artifact_key,
    code_hash,
    deciding_settings,
    marked_settings,
    source_files,
)
from recs_platform.settings import Settings

SETTINGS = Settings.model_construct()
DISTRIBUTIONS = {"faiss": "faiss-cpu", "sklearn": "scikit-learn"}
# Types and metadata alone, the pipeline's own Dagster-free helpers, or part of another library of the list.
OF_NO_ARTIFACT = {"pydantic", "pydantic_core", "pydantic_settings", "sqlglot", "yaml", "threadpoolctl", "pandas"}


def key(kind: Kind = WINDOWS, inputs: dict[str, Any] | None = None, **settings: Any) -> str:
    changed = SETTINGS.model_copy(update=settings)
    return artifact_key(kind, {"data": "1"} if inputs is None else inputs, changed)


def test_every_setting_says_what_it_shapes() -> None:
    assert [name for name, _, mark in marked_settings(SETTINGS) if not isinstance(mark, Shapes)] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_key_changes_with_just_the_settings_that_decide_it(kind: Kind) -> None:
    other: dict[str, Any] = {"seed": 8, "k": 11, "train_every_days": 3, "threads": 77, "allow_repeats": True}
    changing = {name for name, value in other.items() if key(kind, **{name: value}) != key(kind)}
    assert changing == {name for name in other if name in deciding_settings(SETTINGS, kind)}
    assert "threads" not in changing
    assert "seed" in changing


def test_later_artifacts_follow_all_that_decides_earlier_ones() -> None:
    decided = [set(deciding_settings(SETTINGS, kind)) for kind in (RETRIEVAL, WINDOWS, RANKER, BUILD)]
    assert all(earlier <= later for earlier, later in itertools.pairwise(decided))


def test_a_key_names_kind_inputs_and_features() -> None:
    features = FeatureSet((Feature("taste", "DOUBLE", "t"),))
    keys = {
        key(),
        key(RANKER),
        key(inputs={"data": "2"}),
        artifact_key(WINDOWS, {"data": "1"}, SETTINGS, feature_set=features),
    }
    assert len(keys) == 4


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_an_edited_module_of_its_rooms_is_another_key_and_one_of_others_is_not(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "package"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(artifact_keys, "PACKAGE", copy)
    before = key(kind)
    (copy / "cli" / "__init__.py").write_text("# another command\n")
    code_hash.cache_clear()
    assert key(kind) == before
    edited = copy / "stages" / "retrieval" / "merge.py"
    edited.write_text(edited.read_text() + "\n# mended\n")
    code_hash.cache_clear()
    assert key(kind) != before


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_another_version_of_a_library_is_another_key(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    before, installed = key(kind), importlib.metadata.version
    monkeypatch.setattr(artifacts, "_installed", lambda name: "99" if name == "implicit" else installed(name))
    assert key(kind) != before


@pytest.mark.parametrize("kind", [RETRIEVAL, WINDOWS, RANKER], ids=lambda kind: kind.name)
def test_rooms_and_libraries_hold_all_that_the_stages_code_imports(kind: Kind) -> None:
    """A module that a kind's stages import lies in its rooms, and a third-party library is among its libraries."""
    files = source_files(PACKAGE, kind)
    stages = [file for file in files if "stages" in file.parts]
    ours = {name for file in stages for name in imported(file) if name.startswith("recs_platform.")}
    outside = {name for name in ours if not {module_file(name), module_file(name.rpartition(".")[0])} & set(files)}
    assert outside == set()
    roots = {name.split(".")[0] for file in stages for name in imported(file)}
    used = {DISTRIBUTIONS.get(root, root) for root in roots} & {
        *BUILD.libraries,
        *kind.libraries,
        "lightgbm",
        "optuna",
        "scipy",
        "pandas",
        "evidently",
    }
    assert used - OF_NO_ARTIFACT - {"lightgbm"} <= set(kind.libraries)
    assert "lightgbm" in RANKER.libraries


SEALED_BY = {
    RETRIEVAL: ("pipeline.retrieval.embeddings", "pipeline.retrieval.item_index"),
    WINDOWS: ("pipeline.training.windows",),
    RANKER: ("pipeline.training.rankers",),
}


@pytest.mark.parametrize("kind", SEALED_BY, ids=lambda kind: kind.name)
def test_whatever_the_makers_of_an_artifact_import_is_in_its_key(kind: Kind) -> None:
    """Of the pipeline: the platform of a home, which every module imports, reads files and makes no content."""
    files, todo = set(source_files(PACKAGE, kind)), [f"recs_platform.{name}" for name in SEALED_BY[kind]]
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        if name in seen or not name.startswith("recs_platform.pipeline") or name.endswith(".platform"):
            continue
        seen.add(name)
        if module_file(name).exists():
            assert module_file(name) in files, name
            todo += imported(module_file(name))
    assert len(seen) > 5


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def module_file(name: str) -> Path:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
