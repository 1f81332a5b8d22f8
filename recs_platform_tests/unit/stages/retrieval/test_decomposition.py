"""Leading directions are those of the full decomposition, whichever side is shorter and however many threads run."""

import numpy as np
import pytest

from recs_platform.stages.retrieval.decomposition import right_directions
from recs_platform.stages.retrieval.sparse import from_sorted_pairs, sum_pairs


def random_matrix(n_rows, n_columns):
    generator = np.random.default_rng(3)
    dense = (generator.random((n_rows, n_columns)) < 0.2) * generator.random(n_columns) ** 3
    rows, columns = np.nonzero(dense)
    return sum_pairs(rows, columns, dense[rows, columns], dense.shape), dense


@pytest.mark.parametrize("shape", [(70, 40), (40, 70)], ids=["few_columns", "few_rows"])
def test_iterated_directions_are_nearly_the_exact_ones(shape):
    matrix, dense = random_matrix(*shape)
    values, vectors = right_directions(matrix, 8, iterations=20, seed=1, threads=1)
    _, exact, right = np.linalg.svd(dense)
    np.testing.assert_allclose(values, exact[:8], rtol=1e-5)
    np.testing.assert_allclose(np.abs((vectors * right[:8].T).sum(axis=0)), 1, atol=1e-3)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(8), atol=1e-5)
    assert (vectors[np.abs(vectors).argmax(axis=0), np.arange(8)] > 0).all()


def test_a_matrix_of_low_rank_has_no_more_directions():
    tastes = np.arange(60) % 3
    rows, columns = np.nonzero(tastes[:, None] == tastes[None, :])
    matrix = sum_pairs(rows, columns, np.ones(len(rows)), (60, 60))
    values, _ = right_directions(matrix, 20, iterations=2, seed=1, threads=1)
    np.testing.assert_allclose(values, [20, 20, 20], rtol=1e-6)


@pytest.mark.parametrize("shape", [(9, 5), (5, 9)], ids=["few_columns", "few_rows"])
def test_as_many_directions_as_there_are_hold_everything(shape):
    matrix, dense = random_matrix(*shape)
    _, vectors = right_directions(matrix, 50, iterations=1, seed=1, threads=1)
    assert vectors.shape[1] <= 5
    np.testing.assert_allclose(dense @ vectors @ vectors.T, dense, atol=1e-3)


def test_a_matrix_of_nothing_has_one_direction_of_zero():
    nothing = np.empty(0, dtype=np.int32)
    for shape in ((3, 2), (0, 2), (3, 0), (0, 0)):
        matrix = from_sorted_pairs(nothing, nothing, nothing.astype(np.float32), shape)
        values, vectors = right_directions(matrix, 4, iterations=1, seed=1, threads=1)
        assert (values.tolist(), vectors.tolist()) == ([1.0], [[0.0]] * shape[1])


def test_threads_do_not_change_a_byte_and_another_seed_does():
    matrix, _ = random_matrix(90, 60)
    first, *others = (
        right_directions(matrix, 4, iterations=1, seed=seed, threads=threads)[1].tobytes()
        for seed, threads in ((1, 1), (1, 2), (2, 1))
    )
    assert [first == other for other in others] == [True, False]
