"""Vectors find what was withheld, do not depend on threads or bystanders, and survive the disk."""

import numpy as np

from recs_platform.stages.retrieval.embeddings import index_embeddings, load_embeddings, save_embeddings
from recs_platform.stages.retrieval.index import load_index, save_index
from recs_platform.stages.retrieval.sources.als import ALSConfig, fit_factors

SMALL = ALSConfig(factors=6, iterations=8)


def test_the_withheld_item_of_the_users_taste_comes_first(problem_of, two_tastes):
    rows, withheld = two_tastes
    problem = problem_of(rows)
    embeddings = fit_factors(problem, ALSConfig(factors=2), seed=7, threads=1)
    scores = embeddings.user_factors @ embeddings.item_factors.T
    scores[problem.consumed.rows, problem.consumed.columns] = -np.inf
    best = problem.item_ids[scores.argmax(axis=1)]
    assert dict(zip(problem.user_ids, best, strict=True)) == withheld


def test_one_and_two_threads_give_the_same_bytes(problem_of, two_tastes):
    problem = problem_of(two_tastes[0])
    one, two = (fit_factors(problem, SMALL, seed=7, threads=threads) for threads in (1, 2))
    assert one.user_factors.tobytes() == two.user_factors.tobytes()
    assert one.item_factors.tobytes() == two.item_factors.tobytes()


def test_users_and_items_without_positives_change_nobody(problem_of, two_tastes):
    rows, _ = two_tastes
    alone = fit_factors(problem_of(rows), SMALL, seed=7, threads=1)
    crowded = problem_of([*rows, ("a-visitor", "i00", 1, 0.0)], users="bz", items="xyz")
    embeddings = fit_factors(crowded, SMALL, seed=7, threads=1)
    same = np.isin(crowded.user_ids, alone.user_ids)
    assert embeddings.user_factors[same].tobytes() == alone.user_factors.tobytes()
    assert not embeddings.user_factors[~same].any()
    assert not embeddings.item_factors[~np.isin(crowded.item_ids, alone.item_ids)].any()


def test_vectors_are_no_longer_than_the_data_allows(problem_of):
    one_pair = problem_of([("u", "a", 1, 1.0), ("v", "a", 1, 0.0)])
    assert fit_factors(one_pair, ALSConfig(), seed=0, threads=1).user_factors.shape == (2, 1)
    nobody = fit_factors(problem_of([]), ALSConfig(), seed=0, threads=1)
    assert nobody.item_factors.shape == (0, 1)


def test_the_index_finds_what_multiplying_everything_finds(problem_of, two_tastes):
    problem = problem_of(two_tastes[0], items="z", gone="z")
    embeddings = fit_factors(problem, SMALL, seed=7, threads=1)
    index = index_embeddings(problem, embeddings).index
    assert problem.item_ids[index.items].tolist() == [f"i{item:02d}" for item in range(24)]
    items, scores = index.search(embeddings.user_factors, 5)
    exact = embeddings.user_factors @ embeddings.item_factors.T
    np.testing.assert_allclose(scores, -np.sort(-exact, axis=1)[:, :5], atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(exact, items.astype(int), axis=1), scores, atol=1e-5)


def test_embeddings_and_index_come_back_from_disk_as_they_were(problem_of, two_tastes, tmp_path):
    problem = problem_of(two_tastes[0])
    embeddings = fit_factors(problem, SMALL, seed=7, threads=1)
    index = index_embeddings(problem, embeddings).index
    for part, save in ((embeddings, save_embeddings), (index, save_index)):
        folder = tmp_path / save.__name__
        folder.mkdir()
        save(part, folder)
    again = load_embeddings(tmp_path / "save_embeddings")
    assert np.array_equal(again.user_ids, embeddings.user_ids)
    assert again.item_factors.tobytes() == embeddings.item_factors.tobytes()
    found, expected = (found.search(again.user_factors, 3) for found in (load_index(tmp_path / "save_index"), index))
    assert np.array_equal(found[0], expected[0])
    assert np.array_equal(found[1], expected[1])


def test_nothing_to_search_gives_empty_answers(problem_of):
    problem = problem_of([("u", "a", 1, 1.0)], gone="a")
    embeddings = fit_factors(problem, ALSConfig(), seed=0, threads=1)
    items, scores = index_embeddings(problem, embeddings).index.search(embeddings.user_factors, 4)
    assert items.shape == scores.shape == (1, 0)
