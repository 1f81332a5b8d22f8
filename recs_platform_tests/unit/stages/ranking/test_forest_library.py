"""The C library of LightGBM explains scores as its Python package does, without importing it."""

import subprocess
import sys

import lightgbm
import numpy as np
import pytest

from recs_platform.contracts.errors import ContractError
from recs_platform.stages.ranking.forest import ForestRows, grow_forest
from recs_platform.stages.ranking.forest_library import forest_contributions

ROWS, FEATURES = 400, 4


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    values = np.random.default_rng(3).normal(size=(ROWS, FEATURES)).astype(np.float32)
    values[::7, 1] = np.nan
    return values


@pytest.fixture(scope="module")
def text(matrix: np.ndarray) -> str:
    grades = (matrix[:, 0] + np.nan_to_num(matrix[:, 1]) > 0.5).astype(np.int8)
    rows = ForestRows(matrix, grades, np.full(ROWS // 20, 20, dtype=np.int64))
    names = [f"f{column}" for column in range(FEATURES)]
    return grow_forest(rows, names=names, parameters={"num_leaves": 7}, trees=12, seed=5, threads=1)


def test_the_package_gives_the_same_bytes(text: str, matrix: np.ndarray) -> None:
    expected = lightgbm.Booster(model_str=text).predict(matrix, pred_contrib=True)
    for threads in (1, 2):
        assert forest_contributions(text, matrix, threads=threads).tobytes() == np.asarray(expected).tobytes()
    # Columns apart in memory are rows all the same.
    assert forest_contributions(text, np.asfortranarray(matrix)[3:9], threads=1).tobytes() == expected[3:9].tobytes()


def test_they_sum_to_the_raw_score(text: str, matrix: np.ndarray) -> None:
    raw = lightgbm.Booster(model_str=text).predict(matrix, raw_score=True)
    np.testing.assert_allclose(forest_contributions(text, matrix, threads=1).sum(axis=1), raw, atol=1e-12)


def test_what_does_not_fit_is_refused(text: str, matrix: np.ndarray) -> None:
    with pytest.raises(ContractError, match="grown on 4 features, the rows have 3"):
        forest_contributions(text, matrix[:, :3], threads=1)
    with pytest.raises(ContractError, match="LightGBM: "):
        forest_contributions("no forest", matrix, threads=1)


def test_the_package_is_not_imported(text: str) -> None:
    code = (
        "import sys, numpy as np\n"
        "from recs_platform.stages.ranking.forest_library import forest_contributions\n"
        "forest_contributions(sys.stdin.read(), np.zeros((1, 4), dtype=np.float32), threads=1)\n"
        "assert 'lightgbm' not in sys.modules and 'sklearn' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], input=text, text=True, check=True)
