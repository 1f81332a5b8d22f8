"""Spectral scores are the filter's formula on the full decomposition, and point to the user's taste."""

from dataclasses import replace

import numpy as np
import pytest

from recs_platform.contracts.errors import ContractError
from recs_platform.stages.retrieval.embeddings import index_embeddings
from recs_platform.stages.retrieval.fit import RetrievalFit
from recs_platform.stages.retrieval.sources.base import VectorSource
from recs_platform.stages.retrieval.sources.spectral import (
    Spectral,
    SpectralConfig,
    fit_spectrum,
)

# Users by items; nobody likes item 4, and user 4 likes nothing.
LIKED = np.array([[1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [0, 0, 1, 1, 0], [1, 0, 0, 1, 0], [0, 0, 0, 0, 0]])


def small(problem_of):
    """The latest item of a user is the one with the lowest letter; some likes are repeated, some views are no likes."""
    rows = [(f"u{u}", "abcde"[i], 1 + int(i), 0.5) for u, i in zip(*np.nonzero(LIKED), strict=True)]
    return problem_of([*rows, ("u0", "b", 9, 1.0), ("u4", "a", 3, 0.0), ("u4", "e", 3, 0.0)])


def by_formula(config):
    """The docstring's formula through numpy's full decomposition; user 4 and item 4 count as one, not as zero."""
    users, items = (np.maximum(LIKED.sum(axis=axis), 1.0) for axis in (1, 0))
    weighed = users[:, None] ** -config.user_exponent * LIKED * items**-config.item_exponent
    _, values, right = np.linalg.svd(weighed)
    values, right = values[: config.factors], right[: config.factors]
    shares = values / values[0]
    gains = shares**config.filter_power * (1 - config.sharpening * shares**2) * (values > 1e-6)
    history = LIKED * config.decay ** (np.cumsum(LIKED, axis=1) - 1)
    return history * items**-config.item_exponent @ right.T * gains @ right * items**config.item_exponent


def scores_of(embeddings):
    return embeddings.user_factors @ embeddings.item_factors.T


@pytest.mark.parametrize(
    "config",
    [
        SpectralConfig(factors=2, filter_power=0.0, sharpening=0.0),
        SpectralConfig(factors=3, user_exponent=0.3, item_exponent=0.2, filter_power=2.0, sharpening=0.0),
        SpectralConfig(factors=2, filter_power=0.5, sharpening=0.6, decay=0.5),
        SpectralConfig(factors=1000),
    ],
    ids=["ideal", "linear", "sharpened", "all"],
)
def test_scores_are_those_of_the_full_decomposition(problem_of, config):
    embeddings = Spectral(config=config).embed(small(problem_of), seed=7, threads=1)
    np.testing.assert_allclose(scores_of(embeddings), by_formula(config), atol=2e-6)


def test_variants_of_one_spectrum_need_no_other(problem_of):
    spectrum = fit_spectrum(small(problem_of), SpectralConfig(factors=4), seed=7, threads=1)
    for changes in ({"factors": 1}, {"filter_power": 1.5}, {"sharpening": 0.9}, {"factors": 3, "decay": 0.3}):
        variant = spectrum.config.model_copy(update=changes)
        np.testing.assert_allclose(scores_of(spectrum.embeddings(variant)), by_formula(variant), atol=2e-6)


@pytest.mark.parametrize("changes", [{"factors": 3}, {"item_exponent": 0.3}, {"user_exponent": 0.4}])
def test_what_another_spectrum_would_take_is_refused(problem_of, changes):
    spectrum = fit_spectrum(small(problem_of), SpectralConfig(factors=2), seed=7, threads=1)
    with pytest.raises(ContractError, match="holds 2 factors"):
        spectrum.embeddings(spectrum.config.model_copy(update=changes))


def test_the_withheld_item_of_the_users_taste_comes_first(problem_of, two_tastes):
    rows, withheld = two_tastes
    problem = problem_of(rows)
    source = Spectral(config=SpectralConfig(factors=2))
    space = index_embeddings(problem, source.embed(problem, seed=7, threads=1))
    lists = source.retrieve(RetrievalFit(problem, {source.name: space}), np.arange(40, dtype=np.int32), 1)
    assert dict(zip(problem.user_ids[lists.users], problem.item_ids[lists.items], strict=True)) == withheld


def test_later_items_of_the_history_weigh_more(problem_of):
    crowd = [(f"x{i}", item, 5, 1.0) for i in range(4) for item in ("ab" if i % 2 else "cd")]
    problem = problem_of([*crowd, ("u", "a", 9, 1.0), ("u", "c", 2, 1.0)])
    config = SpectralConfig(factors=4, filter_power=2, decay=0.25)
    _, b, _, d = scores_of(Spectral(config=config).embed(problem, seed=7, threads=1))[0]
    assert b < d
    _, b, _, d = scores_of(Spectral(config=config.model_copy(update={"decay": 1.0})).embed(problem, seed=7, threads=1))[
        0
    ]
    assert b == pytest.approx(d, abs=1e-6)


def test_one_and_two_threads_give_the_same_bytes(problem_of, two_tastes):
    problem = problem_of(two_tastes[0])
    config = SpectralConfig(factors=3)  # with those beyond, fewer than the items: the iteration runs
    one, two = (Spectral(config=config).embed(problem, seed=7, threads=threads) for threads in (1, 2))
    assert one.user_factors.tobytes() == two.user_factors.tobytes()
    assert one.item_factors.tobytes() == two.item_factors.tobytes()


def test_users_and_items_without_positives_are_zero_and_change_nobody(problem_of, two_tastes):
    rows, _ = two_tastes
    source = Spectral(config=SpectralConfig(factors=3))
    alone = source.embed(problem_of(rows), seed=7, threads=1)
    crowded = problem_of([*rows, ("a-visitor", "i00", 1, 0.0)], users="bz", items="xyz")
    embeddings = source.embed(crowded, seed=7, threads=1)
    same = np.isin(crowded.user_ids, alone.user_ids)
    assert embeddings.user_factors[same].tobytes() == alone.user_factors.tobytes()
    assert not embeddings.user_factors[~same].any()
    assert not embeddings.item_factors[~np.isin(crowded.item_ids, alone.item_ids)].any()


def test_vectors_are_no_longer_than_the_data_allow(problem_of):
    source = Spectral(config=SpectralConfig(sharpening=0.0))
    one_pair = problem_of([("u", "a", 1, 1.0), ("v", "a", 1, 0.0)])
    np.testing.assert_allclose(scores_of(source.embed(one_pair, seed=0, threads=1)), [[1.0], [0.0]])
    for rows, shape in (([("u", "a", 1, 0.0)], (1, 1)), ([], (0, 1))):
        assert source.embed(problem_of(rows), seed=0, threads=1).item_factors.shape == shape


def test_it_is_a_vector_source_whose_type_is_float32(problem_of):
    embeddings = Spectral().embed(small(problem_of), seed=0, threads=1)
    assert isinstance(Spectral(), VectorSource)
    assert embeddings.user_factors.dtype == embeddings.item_factors.dtype == np.float32


def with_tail_by_formula(config):
    """f(s) on the directions kept and tail * s² on all others, through numpy's full decomposition."""
    users, items = (np.maximum(LIKED.sum(axis=axis), 1.0) for axis in (1, 0))
    weighed = users[:, None] ** -config.user_exponent * LIKED * items**-config.item_exponent
    _, values, right = np.linalg.svd(weighed)
    shares, right = values / values[0], right[: len(values)]
    gains = shares**config.filter_power * (1 - config.sharpening * shares**2)
    gains[config.factors :] = config.tail * shares[config.factors :] ** 2
    history = LIKED * config.decay ** (np.cumsum(LIKED, axis=1) - 1)
    return history * items**-config.item_exponent @ right.T * gains @ right * items**config.item_exponent


@pytest.mark.parametrize(
    "config",
    [
        SpectralConfig(factors=1, tail=1.0, filter_power=0.5, item_exponent=0.3, user_exponent=0.4),
        SpectralConfig(factors=2, tail=0.5, decay=0.5),
        SpectralConfig(factors=2, tail=1.0, filter_power=2.0, sharpening=0.0),
        SpectralConfig(factors=1000, tail=1.0),
    ],
    ids=["one", "half", "linear", "all"],
)
def test_with_a_tail_every_direction_counts(problem_of, config):
    problem, source = small(problem_of), Spectral(config=config)
    problem = replace(problem, allow_repeats=True)
    space = index_embeddings(problem, source.embed(problem, seed=7, threads=1))
    lists = source.retrieve(RetrievalFit(problem, {source.name: space}), np.arange(5, dtype=np.int32), 5)
    expected = with_tail_by_formula(config)
    found = np.zeros((5, 5))
    found[lists.users, lists.items] = lists.scores
    np.testing.assert_allclose(found, np.where(expected > 1e-6, expected, 0), atol=2e-6)


def test_folded_in_vectors_have_the_tail_of_a_full_fit_where_nothing_is_new(problem_of, two_tastes):
    problem, source = problem_of(two_tastes[0]), Spectral(config=SpectralConfig(factors=3, tail=0.7))
    base, targets = source.embed(problem, seed=7, threads=1), np.arange(40, dtype=np.int32)
    spaces = [base, source.fold_in(problem, base, seed=7, threads=1)]
    full, folded = (
        source.retrieve(RetrievalFit(problem, {source.name: index_embeddings(problem, each)}), targets, 4)
        for each in spaces
    )
    # What is nearer to 0 is rounding.
    full, folded = (lists.take(lists.scores > 1e-6) for lists in (full, folded))
    assert np.array_equal(full.items, folded.items)
    np.testing.assert_allclose(full.scores, folded.scores, rtol=1e-4)
