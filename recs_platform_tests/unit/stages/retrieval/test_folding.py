"""New events folded into old vectors: users by the closed form, new items found, old ones untouched, byte for byte."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.embeddings import Embeddings, index_embeddings, positions_of, refresh_vector_space
from recs_platform.stages.retrieval.fit import RetrievalFit, fit_embeddings
from recs_platform.stages.retrieval.folding import fold_embeddings, last_full_fit
from recs_platform.stages.retrieval.index import IndexConfig
from recs_platform.stages.retrieval.sources import SOURCES
from recs_platform.stages.retrieval.sources.als import ALS, ALSConfig
from recs_platform.stages.retrieval.sources.base import FoldingSource
from recs_platform.stages.retrieval.sources.spectral import Spectral, SpectralConfig

FACTORS, REGULARIZATION, ALPHA = 4, 0.5, 2.0
ALS4 = ALS(config=ALSConfig(factors=FACTORS, regularization=REGULARIZATION, alpha=ALPHA, iterations=6))
SPECTRAL4 = Spectral(config=SpectralConfig(factors=FACTORS, sharpening=0.3, user_exponent=0.4, item_exponent=0.3))
SOURCES4 = (ALS4, SPECTRAL4)
by_source = pytest.mark.parametrize("source", SOURCES4, ids=lambda source: source.name)
# Four of the even taste and a newcomer among them, whose ids and items come before the old ones.
NEWS = [(user, "i-new", 0, 1.0) for user in ("u02", "u04", "u06", "u08")]
NEWCOMER = [("a-newcomer", item, 0, 1.0) for item in ("i02", "i04", "i-new")]


@pytest.fixture
def then(problem_of, two_tastes):
    return problem_of(two_tastes[0])


@pytest.fixture
def now(problem_of, two_tastes):
    """The same, with an item that four users like and a user more; ids of all others are shifted by one."""
    return problem_of([*two_tastes[0], *NEWS, *NEWCOMER], users="z", items="y")


def embedded(source, problem):
    return source.embed(problem, seed=7, threads=1)


def folded(source, problem, base, threads=1):
    return source.fold_in(problem, base, seed=7, threads=threads)


def ridge(problem, items, user):
    """(Y' C Y + r I)^-1 Y' c of one user, as in the paper, in float64."""
    preferences = problem.preferences.take(np.array([user]))
    confidence = np.ones(problem.n_items)
    confidence[preferences.columns] = 1 + ALPHA * np.log1p(preferences.values)
    liked = np.zeros(problem.n_items)
    liked[preferences.columns] = confidence[preferences.columns]
    y = items.astype(np.float64)
    return np.linalg.solve(y.T * confidence @ y + REGULARIZATION * np.eye(y.shape[1]), y.T @ liked)


def test_full_fits_lie_on_a_fixed_grid():
    monday, sunday = datetime(2024, 1, 1, 15, tzinfo=UTC), datetime(2024, 1, 3, 23, 59, tzinfo=UTC)
    # 2024-01-01 is day 19,723 = 7 x 2,817 + 4; 2024-01-04 is the next with no rest.
    assert last_full_fit(monday, 7) == last_full_fit(sunday, 7) == datetime(2023, 12, 28, tzinfo=UTC)
    assert last_full_fit(datetime(2024, 1, 4, tzinfo=UTC), 7) == datetime(2024, 1, 4, tzinfo=UTC)
    assert last_full_fit(monday, 1) == datetime(2024, 1, 1, tzinfo=UTC)


def test_with_nothing_new_als_is_half_a_sweep_on_and_spectral_what_it_was(then):
    base = embedded(ALS4, then)
    made = folded(ALS4, then, base)
    assert made.item_factors.tobytes() == base.item_factors.tobytes()
    expected = np.array([ridge(then, base.item_factors, user) for user in range(then.n_users)])
    np.testing.assert_allclose(made.user_factors, expected, rtol=1e-3, atol=1e-4)
    base = embedded(SPECTRAL4, then)
    made = folded(SPECTRAL4, then, base)
    assert made.item_factors.tobytes() == base.item_factors.tobytes()
    np.testing.assert_allclose(made.user_factors, base.user_factors, atol=1e-6)


def test_a_new_users_als_vector_is_the_ridge_solution(now, then):
    made = folded(ALS4, now, embedded(ALS4, then))
    newcomer = now.user_ids.tolist().index("a-newcomer")
    expected = ridge(now, made.item_factors, newcomer)
    np.testing.assert_allclose(made.user_factors[newcomer], expected, rtol=1e-3, atol=1e-4)


def test_new_spectral_users_and_items_are_those_of_the_formulas(now, then):
    base, config = embedded(SPECTRAL4, then), SPECTRAL4.config
    made = folded(SPECTRAL4, now, base)
    preferences = now.preferences
    liked = np.zeros(now.shape)
    liked[preferences.rows, preferences.columns] = 1
    users = np.maximum(liked.sum(axis=1), 1) ** -config.user_exponent
    degrees = np.maximum(liked.sum(axis=0), 1) ** config.item_exponent
    new = now.item_ids.tolist().index("i-new")
    old = positions_of(base.item_ids, now.item_ids)
    degrees[old] = base.kept["item_scales"]
    directions = np.zeros((now.n_items, FACTORS))
    directions[old] = base.item_factors / degrees[old, None]
    values = base.kept["values"]
    left = (users[:, None] * liked / degrees) @ directions / values
    directions[new] = (users[:, None] * liked / degrees)[:, new] @ left / values
    np.testing.assert_allclose(made.item_factors[new], degrees[new] * directions[new], atol=1e-5)
    shares = values / values[0]
    gains = shares**config.filter_power * (1 - config.sharpening * shares**2)
    np.testing.assert_allclose(made.user_factors, liked / degrees @ directions * gains, atol=1e-5)


@by_source
def test_old_items_keep_their_bytes_wherever_their_codes_move(source, now, then):
    base = embedded(source, then)
    made = folded(source, now, base)
    positions = positions_of(then.item_ids, now.item_ids)
    assert (positions != np.arange(len(positions))).any()
    assert made.item_factors[positions].tobytes() == base.item_factors.tobytes()
    assert made.item_ids is now.item_ids
    assert made.user_ids is now.user_ids
    unknown = [now.item_ids.tolist().index("y"), now.user_ids.tolist().index("z")]
    assert not made.item_factors[unknown[0]].any()
    assert not made.user_factors[unknown[1]].any()


@by_source
def test_a_new_item_is_found_by_those_of_its_taste_and_a_newcomer_is_served(source, now, then):
    made = folded(source, now, embedded(source, then))
    space = index_embeddings(now, made)
    lists = source.retrieve(RetrievalFit(now, {source.name: space}), np.arange(now.n_users, dtype=np.int32), 2)
    offers: dict[str, list[str]] = {}
    for user, item in zip(now.user_ids[lists.users], now.item_ids[lists.items], strict=True):
        offers.setdefault(user, []).append(item)
    even = [f"u{user:02d}" for user in range(10, 40, 2)]
    assert all("i-new" in offers[user] for user in even)
    # Of their own taste one item is left: what comes second is neither here nor there.
    assert not any("i-new" in offers.get(f"u{user:02d}", [])[:1] for user in range(1, 40, 2))
    assert all(int(item[1:]) % 2 == 0 for item in offers["a-newcomer"])


@by_source
def test_one_and_two_threads_give_the_same_bytes(source, now, then):
    base = embedded(source, then)
    one, two = (folded(source, now, base, threads) for threads in (1, 2))
    assert one.user_factors.tobytes() == two.user_factors.tobytes()
    assert one.item_factors.tobytes() == two.item_factors.tobytes()


def loss(problem, made):
    """What alternating least squares lowers with each sweep (Hu, Koren & Volinsky 2008, formula 3)."""
    preferences = problem.preferences
    confidence, liked = np.ones(problem.shape), np.zeros(problem.shape)
    confidence[preferences.rows, preferences.columns] = 1 + ALPHA * np.log1p(preferences.values)
    liked[preferences.rows, preferences.columns] = 1
    sizes = np.square(made.user_factors).sum() + np.square(made.item_factors).sum()
    misses = np.square(liked - made.user_factors @ made.item_factors.T)
    return (confidence * misses).sum() + REGULARIZATION * sizes


def test_each_sweep_after_folding_in_lowers_the_loss(now, then):
    base = embedded(ALS4, then)
    made = [
        folded(replace(ALS4, config=ALS4.config.model_copy(update={"fold_sweeps": sweeps})), now, base)
        for sweeps in (0, 1, 3)
    ]
    losses = [loss(now, each) for each in made]
    assert losses == sorted(losses, reverse=True)
    positions = positions_of(then.item_ids, now.item_ids)
    assert [each.item_factors[positions].tobytes() == base.item_factors.tobytes() for each in made] == [
        True,
        False,
        False,
    ]


@by_source
def test_a_base_that_says_too_little_is_fitted_in_full(source, now, problem_of):
    shorter = replace(source, config=source.config.model_copy(update={"factors": 2}))
    nobody = problem_of([])
    bases = [
        embedded(source, nobody),
        embedded(source, problem_of([(user, item, 1, 1.0) for user in "abcdefgh" for item in f"kl{user}z"])),
        embedded(shorter, now),
        Embeddings(now.user_ids, now.item_ids, *(np.zeros((n, FACTORS), dtype=np.float32) for n in now.shape)),
    ]
    full = embedded(source, now)
    assert bases[1].item_factors.shape[1] == FACTORS
    for base in bases:
        assert folded(source, now, base).user_factors.tobytes() == full.user_factors.tobytes()
    made = folded(source, nobody, full)
    assert (made.user_factors.shape, made.item_factors.shape) == ((0, 1), (0, 1))


def test_without_regularization_the_equations_can_still_be_solved(problem_of):
    bare = ALS(config=ALSConfig(factors=3, regularization=0.0, iterations=2))
    rows = [(f"u{user}", item, 1, 1.0) for user in range(4) for item in "abcd"]
    problem = problem_of(rows)
    base = embedded(bare, problem)
    assert np.isfinite(folded(bare, problem, base).user_factors).all()


def test_sources_that_cannot_fold_in_and_those_without_a_base_embed_anew(now, then):
    assert [source.name for source in SOURCES if isinstance(source, FoldingSource)] == ["als", "spectral"]
    config = RetrievalConfig(sources={"als": {"factors": 3}, "spectral": {"factors": 3}})
    base, anew = (fit_embeddings(problem, config, seed=7, threads=1) for problem in (then, now))
    made = fold_embeddings(now, {"als": base["als"]}, config, seed=7, threads=1)
    assert made.keys() == anew.keys()
    for name in anew:
        same = made[name].item_factors.tobytes() == anew[name].item_factors.tobytes()
        assert same == (name != "als"), name


def test_an_index_is_refreshed_for_the_new_item_alone(now, then):
    base = embedded(ALS4, then)
    config = IndexConfig(kind="ivf", lists=2, rebuild_share=0.5)
    older = index_embeddings(then, base, config=config)
    made = folded(ALS4, now, base)
    space = refresh_vector_space(now, made, older)
    assert space.index.report.changed == 1
    assert space.index.items.tolist() == np.flatnonzero(made.item_factors.any(axis=1)).tolist()
    space.index.report.check_same(made.item_factors, now.item_ids)
