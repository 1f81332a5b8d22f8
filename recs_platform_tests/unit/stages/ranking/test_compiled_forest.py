"""Truths about compiled forests: the bits are LightGBM's, and whatever stands in the way, LightGBM scores.

Where no C compiler is installed nothing can be compiled: the same tests then hold that this is said.
"""

import shutil
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.features import Feature, FeatureSet
from recs_platform.stages.ranking import compiled_forest
from recs_platform.stages.ranking.c_compiler import NO_COMPILER, find_compiler
from recs_platform.stages.ranking.compiled_forest import CompiledForest, CompileReport, compile_forest, load_compiled
from recs_platform.stages.ranking.forest import forest_dump, score_forest
from recs_platform.stages.ranking.forest_source import float_threshold, forest_source, split_nodes
from recs_platform.stages.ranking.ranker import Ranker, fusion_ranker
from recs_platform.stages.ranking.ranker_files import load_ranker, save_ranker

CAN_COMPILE = find_compiler() is not None
GROUP = 50
CATEGORY = 2


def matrix(rows: int = 600, *, categories: int = 5, missing: float = 0.1, seed: int = 0) -> np.ndarray:
    """Taste, numbers with many zeros, a category, a constant."""
    random = np.random.default_rng(seed)
    made = random.normal(size=(rows, 4)).astype(np.float32)
    made[random.random(rows) < 0.4, 1] = 0
    made[:, CATEGORY] = random.integers(categories, size=rows)
    made[:, 3] = 1
    made[random.random(made.shape) < missing] = np.nan
    return made


def labels(rows: np.ndarray, seed: int = 0) -> np.ndarray:
    odd = np.nan_to_num(rows[:, CATEGORY]) % 2
    noise = np.random.default_rng(seed).normal(size=len(rows))
    return (np.nan_to_num(rows[:, 0]) + odd + np.nan_to_num(rows[:, 1]) ** 2 + noise > 1.5).astype(np.int8)


def grow(rows: np.ndarray, *, trees: int = 8, answers: np.ndarray | None = None, **parameters: Any) -> str:
    data = lightgbm.Dataset(
        rows,
        label=labels(rows) if answers is None else answers,
        group=[GROUP] * (len(rows) // GROUP),
        categorical_feature=[CATEGORY] if parameters.pop("is_categorical", True) else [],
    )
    fixed = {"objective": "lambdarank", "label_gain": [0, 1], "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5}
    return lightgbm.train(
        {**fixed, "min_data_per_group": 5, **parameters}, data, num_boost_round=trees
    ).model_to_string()


def bits(scores: np.ndarray) -> list[int]:
    return scores.view(np.int64).tolist()


def compiled(folder: Path, model: str, training_rows: np.ndarray | None = None) -> CompiledForest | None:
    """The compiled forest; None where there is no compiler, once it is seen that this is the reason given."""
    folder.mkdir(exist_ok=True)
    report = compile_forest(folder, model, training_rows)
    found = load_compiled(folder, model)
    if not CAN_COMPILE:
        assert report.reason == found == NO_COMPILER
        return None
    assert (report.reason, report.verified_rows >= 10_000) == (None, True)
    assert isinstance(found, CompiledForest), found
    return found


def assert_same_bits(folder: Path, model: str, rows: np.ndarray) -> None:
    forest = compiled(folder, model)
    if forest is not None:
        assert bits(forest.score(rows, 1)) == bits(score_forest(model, rows, threads=1))


@pytest.fixture(scope="module")
def model() -> str:
    return grow(matrix())


@pytest.fixture(scope="module")
def sealed(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sealed")
    compiled(folder, model, matrix())
    return folder


@pytest.fixture
def ranker(model: str, tmp_path: Path) -> Ranker:
    features = FeatureSet(tuple(Feature(name, "DOUBLE", "t") for name in ("taste", "zeros", "category", "constant")))
    save_ranker(tmp_path, Ranker("lightgbm", features, model))
    return load_ranker(tmp_path)


@settings(max_examples=5, deadline=None)
@given(
    seed=st.integers(0, 99),
    missing=st.sampled_from([0.0, 0.3]),
    parameters=st.fixed_dictionaries(
        {
            "zero_as_missing": st.booleans(),
            "use_missing": st.booleans(),
            "is_categorical": st.booleans(),
            "num_leaves": st.sampled_from([2, 7, 40]),
        }
    ),
)
def test_any_forest_scores_with_the_bits_of_lightgbm(
    tmp_path_factory: pytest.TempPathFactory, seed: int, missing: float, parameters: dict[str, Any]
) -> None:
    rows = matrix(missing=missing, seed=seed)
    assert_same_bits(tmp_path_factory.mktemp("any"), grow(rows, trees=3, **parameters), rows)


def test_trees_of_many_leaves_and_categories_keep_the_bits(tmp_path: Path) -> None:
    rows = matrix(3_000, categories=90)
    deep = grow(rows, trees=2, num_leaves=120, max_cat_threshold=64, cat_smooth=1, cat_l2=0)
    trees = forest_dump(deep)["tree_info"]
    assert max(tree["num_leaves"] for tree in trees) > 64
    assert "in_set(x" in forest_source(trees)
    assert_same_bits(tmp_path, deep, rows)


def test_trees_of_one_leaf_keep_the_bits(tmp_path: Path) -> None:
    alone = grow(matrix(), trees=2, min_data_in_leaf=10_000)
    assert [tree["num_leaves"] for tree in forest_dump(alone)["tree_info"]] == [1]
    assert_same_bits(tmp_path, alone, matrix())


def test_infinity_is_no_missing_value(tmp_path: Path) -> None:
    """Whether a value is there is a split at infinity, which a dump of the model writes as 1e300."""
    rows = matrix(missing=0.3)
    there = grow(rows, trees=1, num_leaves=2, answers=np.isnan(rows[:, 0]).astype(np.int8))
    assert forest_dump(there)["tree_info"][0]["tree_structure"]["threshold"] == 1e300
    assert_same_bits(tmp_path, there, np.array([[np.inf] * 4, [-np.inf] * 4, [np.nan] * 4], np.float32))


def test_a_row_at_a_threshold_and_its_neighbours_go_where_lightgbm_sends_them(sealed: Path, model: str) -> None:
    nodes = [node for tree in forest_dump(model)["tree_info"] for node in split_nodes(tree["tree_structure"])]
    edges: list[np.ndarray] = []
    for node in (node for node in nodes if node["decision_type"] == "<="):
        at = float_threshold(node["threshold"])
        for value in (at, np.nextafter(at, np.float32(-np.inf)), np.nextafter(at, np.float32(np.inf))):
            edges.append(matrix(1, missing=0))
            edges[-1][0, node["split_feature"]] = value
    rows = np.vstack(edges)
    forest = load_compiled(sealed, model)
    assert len(rows) > 50
    assert isinstance(forest, CompiledForest) == CAN_COMPILE
    if isinstance(forest, CompiledForest):
        assert bits(forest.score(rows, 1)) == bits(score_forest(model, rows, threads=1))


def test_layout_threads_and_other_rows_change_no_score(sealed: Path, model: str) -> None:
    forest, rows = load_compiled(sealed, model), matrix(30_011, seed=3)
    if isinstance(forest, CompiledForest):
        expected = bits(forest.score(rows, 1))
        assert bits(forest.score(np.asfortranarray(rows), 3)) == expected
        assert bits(forest.score(rows[5:6], 1)) == expected[5:6]
        assert bits(forest.score(rows[::-7], 1)) == expected[::-7]
        assert forest.score(rows[:0], 2).shape == (0,)
    assert isinstance(forest, CompiledForest) == CAN_COMPILE


def test_a_matrix_of_another_width_or_type_is_refused(sealed: Path, model: str) -> None:
    forest = load_compiled(sealed, model)
    if isinstance(forest, CompiledForest):
        for wrong in (matrix()[:, :3], matrix().astype(np.float64), matrix()[0]):
            with pytest.raises(ContractError, match=r"float32 \(n, 4\)"):
                forest.score(wrong, 1)
    assert isinstance(forest, CompiledForest) == CAN_COMPILE


def test_the_same_forest_has_the_same_source(model: str) -> None:
    assert forest_source(forest_dump(model)["tree_info"]) == forest_source(forest_dump(model)["tree_info"])


def test_without_a_compiler_the_reason_is_sealed(tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compile_forest(tmp_path, model).reason == NO_COMPILER
    assert load_compiled(tmp_path, model) == NO_COMPILER
    assert not list(tmp_path.glob("*.so"))


@pytest.mark.parametrize(
    ("script", "message"),
    [("echo 'x.c:1: error: no such thing' >&2; exit 1", "exit code 1: x.c:1: error: no such thing"),
     ('while [ "$1" != -o ]; do shift; done; echo rubbish > "$2"', "cannot be loaded")],
)  # fmt: skip
def test_a_compiler_that_fails_is_a_reason(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    fake = tmp_path / "cc"
    fake.write_text(f'#!/bin/sh\nif [ "$1" = --version ]; then echo fake 1; exit 0; fi\n{script}\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    report = compile_forest(tmp_path, model)
    assert (report.compiler, report.library) == ("fake 1", None)
    assert message in str(report.reason)
    assert load_compiled(tmp_path, model) == report.reason


def test_a_library_that_scores_otherwise_is_not_kept(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(trees: Any) -> str:
        return forest_source(trees).replace("scores[start + i] = 0.0", "scores[start + i] = 1e-9")

    monkeypatch.setattr(compiled_forest, "forest_source", wrong)
    reason = str(compile_forest(tmp_path, model).reason)
    assert "differs from LightGBM in" in reason if CAN_COMPILE else reason == NO_COMPILER
    assert not list(tmp_path.glob("*.so"))


def test_a_ranker_scores_by_what_fits_it_and_by_lightgbm_otherwise(
    tmp_path: Path, sealed: Path, ranker: Ranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scored_by(folder: Path) -> str:
        return load_ranker(tmp_path, folder).scored_by

    assert ranker.scored_by == "LightGBM: no compiled forest was asked for"
    assert scored_by(tmp_path) == "LightGBM: its forest was not compiled on this machine"
    if not CAN_COMPILE:
        assert scored_by(sealed) == f"LightGBM: {NO_COMPILER}"
        return
    assert scored_by(sealed) == "compiled forest"
    assert load_ranker(tmp_path, sealed) == ranker
    changed = shutil.copytree(sealed, tmp_path / "changed")
    library = next(changed.glob("*.so"))
    library.write_bytes(library.read_bytes() + b"\0")
    assert scored_by(changed) == f"LightGBM: {library.name} is not the one that was sealed"
    other = CompileReport.model_validate_json((sealed / "seal.json").read_text()).model_copy(update={"model": "other"})
    (changed / "seal.json").write_text(other.model_dump_json())
    assert scored_by(changed) == "LightGBM: the compiled forest is of another model"
    (changed / "seal.json").write_text("{")
    assert scored_by(changed) == "LightGBM: its forest was not compiled on this machine"
    monkeypatch.setattr(compiled_forest, "machine_key", lambda: "another CPU")
    assert scored_by(sealed) == "LightGBM: its forest was compiled for another machine"


def test_a_ranker_without_a_forest_is_left_as_it_is(tmp_path: Path, sealed: Path, ranker: Ranker) -> None:
    save_ranker(tmp_path, fusion_ranker(ranker.feature_set))
    assert load_ranker(tmp_path, sealed).scored_by == "fused_score"


@pytest.mark.usefixtures("ranker")
@pytest.mark.parametrize("name", ["ranker.json", "forest.txt"])
def test_half_of_a_ranker_is_told_by_the_name_of_its_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text(file.read_text()[:-30])
    with pytest.raises(ContractError, match=rf"{name} is damaged: it is cut off; restore it from a copy of the home"):
        load_ranker(tmp_path)
    if name == "forest.txt":
        file.unlink()
        with pytest.raises(ContractError, match=r"forest\.txt is damaged: it is gone"):
            load_ranker(tmp_path)
