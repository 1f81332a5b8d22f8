"""Searching finds what multiplying everything finds, never what may not be offered, and always as many as there are."""

import json
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.contracts.errors import ContractError
from recs_platform.stages.retrieval.ann import faiss_adapter
from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.embeddings import Embeddings, VectorSpace, index_embeddings
from recs_platform.stages.retrieval.fit import RetrievalFit
from recs_platform.stages.retrieval.index import IndexConfig, build_index, load_index, refresh_index, save_index
from recs_platform.stages.retrieval.sources.nearest_items import nearest_items

# Efforts so small that searches do miss and fall short.
IVF = IndexConfig(kind="ivf", exact_max_share=0, target_recall=0.5, target_n=5, lists=24)
HNSW = IndexConfig(kind="hnsw", exact_max_share=0, target_recall=0.5, target_n=5, links=4)
CONFIGS = {"exact": IndexConfig(), "ivf": IVF, "hnsw": HNSW}
every_kind = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
approximate_kinds = pytest.mark.parametrize("config", [IVF, HNSW], ids=["ivf", "hnsw"])


def drawn(n_items, n_queries=30, dimensions=6, seed=3):
    """Clusters of uneven norms."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((12, dimensions))
    vectors = centres[generator.integers(12, size=n_items)] + generator.standard_normal((n_items, dimensions)) / 3
    vectors *= generator.lognormal(0, 0.5, (n_items, 1))
    queries = centres[generator.integers(12, size=n_queries)] + generator.standard_normal((n_queries, dimensions)) / 3
    return vectors.astype(np.float32), queries.astype(np.float32)


def everything(vectors):
    return np.ones(len(vectors), dtype=np.bool_)


def plain(queries, vectors, n, eligible=True):
    scores = np.where(eligible & vectors.any(axis=1), queries @ vectors.T, -np.inf)
    return np.argsort(-scores, axis=1, kind="stable")[:, :n]


def overlap(found, expected):
    pairs = zip(found, expected, strict=True)
    return np.mean([len(np.intersect1d(one, other)) / max(1, len(other)) for one, other in pairs])


def stored(index, folder):
    folder.mkdir()
    save_index(index, folder)
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "report.json"}


class TestSearch:
    def test_exact_search_is_what_multiplying_everything_finds(self):
        vectors, queries = drawn(300)
        items, scores = build_index(everything(vectors), vectors).search(queries, 10)
        assert np.array_equal(items, plain(queries, vectors, 10))
        assert (items.dtype, scores.dtype) == (np.int32, np.float32)
        np.testing.assert_allclose(scores, np.take_along_axis(queries @ vectors.T, items, axis=1), atol=1e-5)

    @pytest.mark.parametrize("company", [1, 50])
    @pytest.mark.parametrize("n", [10, 150])
    def test_among_items_of_one_vector_those_of_the_least_codes_are_found(self, n, company):
        vectors, queries = drawn(400)
        vectors[np.arange(400) % 5 > 0] = vectors[0]
        queries = np.repeat(vectors[:1] + queries[:1] / 9, company, axis=0)
        items, _ = build_index(everything(vectors), vectors).search(queries, n)
        assert np.array_equal(items, np.tile(plain(queries[:1], vectors, n), (company, 1)))

    def test_negative_products_and_ties_keep_one_order(self):
        vectors = np.array([[-2.0], [1.0], [-1.0], [1.0]], dtype=np.float32)
        items, scores = build_index(everything(vectors), vectors).search(np.array([[2.0]], dtype=np.float32), 4)
        assert items.tolist() == [[1, 3, 2, 0]]
        assert scores.tolist() == [[2.0, 2.0, -2.0, -4.0]]

    @every_kind
    def test_an_answer_depends_neither_on_company_nor_on_threads(self, config):
        vectors, queries = drawn(600)
        index = build_index(everything(vectors), vectors, config=config, queries=queries)
        items, scores = index.search(queries, 7)
        alone = [index.search(queries[position : position + 1], 7, threads=2) for position in range(len(queries))]
        assert np.array_equal(np.concatenate([row for row, _ in alone]), items)
        assert np.concatenate([row for _, row in alone]).tobytes() == scores.tobytes()

    def test_lists_as_near_as_each_other_are_chosen_alike_alone_and_in_company(self, monkeypatch):
        """Queries half-way between two centres: rounding says which list is probed, so it must not vary."""
        import faiss

        # From so many queries on they would be multiplied in blocks; releases of faiss differ in it.
        monkeypatch.setattr(faiss.cvar, "distance_compute_blas_threshold", 20)
        vectors, queries = drawn(600, dimensions=32)
        one_list = IVF.model_copy(update={"target_n": 50})
        index = build_index(everything(vectors), vectors, config=one_list, queries=queries)
        centres = index.structure.faiss.quantizer.reconstruct_n(0, index.structure.lists)
        pairs = np.triu_indices(len(centres), 1)
        between = (centres[pairs[0]] + centres[pairs[1]]).astype(np.float32)
        hurried = replace(index, structure=replace(index.structure, effort=1))
        alone = [hurried.search(query[None], 3)[0] for query in between]
        assert np.array_equal(hurried.search(between, 3)[0], np.concatenate(alone))

    @approximate_kinds
    def test_approximate_search_reaches_the_recall_it_was_built_for(self, config):
        vectors, queries = drawn(2000, 200, dimensions=16)
        wanted = config.model_copy(update={"target_recall": 0.9, "target_n": 20})
        index = build_index(everything(vectors), vectors, config=wanted, queries=queries[:100])
        assert index.structure is not None
        assert 0 < index.report.effort < index.structure.most
        found, _ = index.search(queries[100:], 20)
        # 100 other queries than those it was tuned on: two points are left to chance
        assert overlap(found, plain(queries[100:], vectors, 20)) >= 0.9 - 0.02

    def test_auto_turns_approximate_beyond_the_size_and_stays_exact_where_that_gains_nothing(self):
        vectors, queries = drawn(2000, dimensions=16)
        auto = IndexConfig(exact_max_items=1000, target_n=10, target_recall=0.9)
        assert build_index(everything(vectors), vectors, config=auto, queries=queries).report.kind == "ivf"
        assert build_index(everything(vectors)[:900], vectors[:900], config=auto).report.kind == "exact"
        noise = np.random.default_rng(1).standard_normal((1200, 40)).astype(np.float32)
        assert build_index(everything(noise), noise, config=auto, queries=noise[::7][::-1]).report.kind == "exact"

    @every_kind
    def test_groups_of_queries_each_have_their_own_eligible_items(self, config):
        vectors, queries = drawn(400)
        index = build_index(everything(vectors), vectors, config=config, queries=queries)
        eligible = np.arange(400) % 3 == np.arange(3)[:, None]
        eligible[2] &= np.arange(400) < 9
        groups = (np.arange(len(queries)) % 3).astype(np.int32)
        items, scores = index.search(queries, 5, eligible=eligible, groups=groups)
        for group in range(3):
            mine = index.search(queries[groups == group], 5, eligible=eligible[group])
            width = mine[0].shape[1]
            assert width == (3 if group == 2 else 5)  # items 2, 5, 8
            assert np.array_equal(items[groups == group][:, :width], mine[0])
            assert (items[groups == group][:, width:] == -1).all()
            assert (scores[groups == group][:, width:] == -np.inf).all()


@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from(["exact", "ivf", "hnsw"]), n=st.integers(1, 40))
def test_always_as_many_as_are_eligible_and_never_another(seed, kind, n):
    generator = np.random.default_rng(seed)
    vectors, queries = drawn(int(generator.integers(1, 200)), 5, int(generator.integers(1, 9)), seed)
    vectors[generator.random(len(vectors)) < 0.1] = 0
    indexed, eligible = (generator.random(len(vectors)) < generator.random() ** 2 * 1.5 for _ in range(2))
    index = build_index(indexed, vectors, config=CONFIGS[kind], queries=queries, seed=seed)
    items, scores = index.search(queries, n, eligible=eligible)
    allowed = indexed & eligible & vectors.any(axis=1)
    assert items.shape == scores.shape == (5, min(n, allowed.sum()))
    assert allowed[items].all()
    assert all(len(set(row)) == len(row) for row in items.tolist())
    assert (np.diff(scores, axis=1) <= 0).all()


class TestBuild:
    @approximate_kinds
    def test_the_same_bytes_twice_and_at_two_threads(self, config, tmp_path):
        vectors, queries = drawn(1500, 50)
        built = [
            build_index(everything(vectors), vectors, config=config, queries=queries, seed=5, threads=threads)
            for threads in (1, 1, 2)
        ]
        files = [stored(index, tmp_path / str(position)) for position, index in enumerate(built)]
        assert files[0] == files[1] == files[2]
        assert len({index.report.model_copy(update={"build_seconds": 0}).model_dump_json() for index in built}) == 1

    def test_a_small_world_is_built_and_refreshed_by_one_thread(self, monkeypatch):
        """Several would link items in the order that they come to them, which is chance."""
        held, threads = [], {}

        @contextmanager
        def holding(count):
            held.append(count)
            yield
            held.pop()

        monkeypatch.setattr(faiss_adapter, "held", holding)
        for name in ("into_links", "with_changes"):
            action = getattr(faiss_adapter, name)

            def watched(*given, name=name, action=action, **named):
                threads[name] = held[-1]
                return action(*given, **named)

            monkeypatch.setattr(faiss_adapter, name, watched)
        vectors, _ = drawn(300)
        vectors[295:] /= 9
        index = build_index(everything(vectors)[:295], vectors[:295], config=HNSW, threads=2)
        refresh_index(index, vectors, everything(vectors), threads=2)
        assert threads == {"into_links": 1, "with_changes": 1}

    @every_kind
    def test_zero_vectors_are_never_returned(self, config):
        vectors, queries = drawn(100)
        vectors[::2] = 0
        items, _ = build_index(everything(vectors), vectors, config=config).search(-queries, 100)
        assert items.shape == (30, 50)
        assert (items % 2 == 1).all()

    @every_kind
    def test_few_or_no_items(self, config):
        vectors, queries = drawn(1)
        one = build_index(everything(vectors), vectors, config=config)
        assert one.search(queries, 5)[0].tolist() == [[0]] * 30
        assert one.search(queries, 5, eligible=np.array([False]))[0].shape == (30, 0)
        assert one.search(queries[:0], 5)[0].shape == (0, 1)
        nobody = build_index(np.array([False]), vectors, config=config)
        assert nobody.search(queries, 5)[0].shape == (30, 0)
        assert nobody.report.kind == "exact"
        for shape in ((0, 6), (3, 0)):
            empty = np.zeros(shape, dtype=np.float32)
            found, _ = build_index(everything(empty), empty, config=config).search(queries[:, : shape[1]], 5)
            assert found.shape == (30, 0)

    def test_what_is_not_finite_or_does_not_fit_is_refused(self):
        vectors, queries = drawn(10)
        index = build_index(everything(vectors), vectors)
        vectors[4, 1] = np.nan
        with pytest.raises(ContractError, match=r"1 of 10 item vectors .* \[4\]"):
            build_index(everything(vectors), vectors)
        with pytest.raises(ContractError, match="1 of 10 query vectors"):
            index.search(vectors, 3)
        with pytest.raises(ContractError, match="vectors of 6 values"):
            index.search(queries[:, :5], 3)
        with pytest.raises(ContractError, match="covers 5 items"):
            index.search(queries, 3, eligible=np.ones(5, dtype=np.bool_))
        with pytest.raises(ContractError, match="covers 9 items"):
            build_index(np.ones(9, dtype=np.bool_), vectors)


class TestFiles:
    @every_kind
    def test_an_index_comes_back_as_it_was(self, config, tmp_path):
        vectors, queries = drawn(500)
        index = build_index(everything(vectors), vectors, config=config, queries=queries, seed=5)
        stored(index, tmp_path / "index")
        again = load_index(tmp_path / "index", vectors)
        assert again.report == index.report
        for one, other in zip(again.search(queries, 9), index.search(queries, 9), strict=True):
            assert one.tobytes() == other.tobytes()

    def test_an_index_older_than_its_items_is_refused(self, tmp_path):
        vectors, _ = drawn(20)
        ids = np.array([f"i{code}" for code in range(20)], dtype=np.object_)
        stored(build_index(everything(vectors), vectors, ids=ids), tmp_path / "index")
        assert load_index(tmp_path / "index", vectors, ids).report.items == 20
        moved = vectors.copy()
        moved[3, 0] += 1
        for others, names in ((vectors[:19], ids), (np.vstack([vectors, vectors[:1]]), ids), (moved, ids)):
            with pytest.raises(ContractError, match="an index older than its items"):
                load_index(tmp_path / "index", others, names)
        with pytest.raises(ContractError, match="with other ids"):
            load_index(tmp_path / "index", vectors, ids[::-1])

    def test_files_that_do_not_belong_together_are_refused(self, tmp_path):
        vectors, queries = drawn(200)
        folder = tmp_path / "index"
        stored(build_index(everything(vectors), vectors, config=IVF, queries=queries), folder)
        np.save(folder / "items.npy", np.arange(199, dtype=np.int32))
        with pytest.raises(ContractError, match="holds 199 items"):
            load_index(folder)
        (folder / "index.faiss").write_bytes((folder / "index.faiss").read_bytes()[:300])
        with pytest.raises(ContractError, match=r"index.faiss in index cannot be read"):
            load_index(folder)
        (folder / "report.json").write_text(json.dumps({"kind": "exact"}))
        with pytest.raises(ContractError, match=r"no report.json that can be read"):
            load_index(folder)


class TestRefresh:
    def changed(self, vectors):
        """Item 0 is gone, 1 moves, 2 loses its vector, three are new."""
        new, _ = drawn(3, seed=9)
        later = np.vstack([vectors, new[:, : vectors.shape[1]]])
        later[1] = later[5] / 2
        later[2] = 0
        eligible = everything(later)
        eligible[0] = False
        return later, eligible

    @every_kind
    def test_few_changes_are_put_in_and_taken_out(self, config):
        vectors, queries = drawn(600, 100)
        sharp = config.model_copy(update={"target_recall": 0.95})
        old = build_index(everything(vectors), vectors, config=sharp, queries=queries)
        before = old.search(queries, 10)[0]
        later, eligible = self.changed(vectors)
        index = refresh_index(old, later, eligible, queries=queries)
        assert index.items.tolist() == [1, *range(3, 603)]
        assert index.vectors.tobytes() == later[index.items].tobytes()
        # item 0 gone, 1 gone and new, 2 gone, three new
        assert index.report.changed == (0 if old.structure is None else 1 + 2 + 1 + 3)
        index.report.check_same(later)
        assert set(index.search(later[600:], 600)[0].ravel()) <= set(index.items.tolist())
        assert overlap(index.search(queries, 10)[0], plain(queries, later, 10, eligible)) >= 0.93
        assert np.array_equal(old.search(queries, 10)[0], before)

    @approximate_kinds
    def test_items_may_have_other_codes_than_before_and_the_disk_keeps_them(self, config, tmp_path):
        vectors, queries = drawn(400)
        old = build_index(everything(vectors), vectors, config=config, queries=queries)
        codes = (np.arange(400) + 1).astype(np.int32)
        codes[399] = -1
        later = np.vstack([vectors[:1] / 2, vectors[:399]])
        index = refresh_index(old, later, everything(later), codes=codes)
        assert index.report.changed == 2
        stored(index, tmp_path / "index")
        for found in (index, load_index(tmp_path / "index", later)):
            items, scores = found.search(queries, 6)
            exact = np.take_along_axis(queries @ later.T, items, axis=1)
            np.testing.assert_allclose(scores, exact, atol=1e-5)
            assert overlap(items, plain(queries, later, 6)) > 0.4

    @approximate_kinds
    def test_beyond_a_share_of_changes_in_all_it_is_built_anew(self, config):
        vectors, queries = drawn(300)
        index = build_index(everything(vectors), vectors, config=config, queries=queries)
        for step, expected in ((0, 20), (1, 0)):
            vectors = vectors.copy()
            vectors[step * 10 : step * 10 + 10] *= np.float32(0.9)
            index = refresh_index(index, vectors, everything(vectors), queries=queries)
            assert index.report.changed == expected  # 10 gone and 10 new; then 40 of 300 are more than a tenth

    def test_a_vector_longer_than_all_before_builds_a_small_world_anew(self):
        vectors, _ = drawn(300)
        index = build_index(everything(vectors), vectors, config=HNSW)
        vectors[7] *= 100
        assert refresh_index(index, vectors, everything(vectors)).report.changed == 0


@approximate_kinds
def test_lists_are_full_where_enough_items_are_eligible_and_score_above_0(config, problem_of):
    """Users have consumed what scores best with them: nearly all of it, so that little is left to find."""
    vectors, queries = drawn(300, 20)
    names = [f"i{code:03d}" for code in range(300)]
    order = plain(queries, vectors, 300)
    counts = ((queries @ vectors.T) > 0).sum(axis=1)
    rows = [
        (f"u{user:02d}", names[item], 1, 1.0) for user in range(20) for item in order[user, : counts[user] - 4 - user]
    ]
    gone = np.arange(300) % 10 == 3
    problem = problem_of(rows, items=names, gone=[name for name, out in zip(names, gone, strict=True) if out])
    embeddings = Embeddings(problem.user_ids, problem.item_ids, queries, vectors)
    for index in (
        index_embeddings(problem, embeddings, config=config).index,
        build_index(everything(vectors), vectors),
    ):
        fit = RetrievalFit(problem, {"als": VectorSpace(embeddings, index)}, RetrievalConfig())
        lists = nearest_items(fit, "als", np.arange(20, dtype=np.int32), 10)
        offered = [lists.items[lists.users == user].tolist() for user in range(20)]
        free = [[item for item in order[u, counts[u] - 4 - u : counts[u]] if not gone[item]] for u in range(20)]
        assert [len(row) for row in offered] == [min(10, len(row)) for row in free]
        assert all(set(row) <= set(some) for row, some in zip(offered, free, strict=True))


def test_a_full_answer_of_items_that_match_nobody_is_searched_again(problem_of):
    """Two lists of forty items, half of each above 0 for the user: one list alone has 20 of the 30 asked for."""
    halves = np.tile([[0.3], [-0.3]], (40, 1)) + np.linspace(0, 0.01, 80)[:, None]
    vectors = np.column_stack([np.repeat([[1, 0], [0, 1]], 40, axis=0), halves]).astype(np.float32)
    query = np.array([[0.01, 0, 1]], dtype=np.float32)
    two_lists = IVF.model_copy(update={"lists": 2, "target_n": 80})
    # Of two k-means, one at least starts with an item of each list.
    built = [build_index(everything(vectors), vectors, config=two_lists, queries=query, seed=seed) for seed in range(9)]
    hurried = [replace(one, structure=replace(one.structure, effort=1)) for one in built]
    index = next(one for one in hurried if (one.search(query, 30)[1] > 0).sum() == 20)
    names = [f"i{code:02d}" for code in range(80)]
    problem = problem_of([], users="u", items=names)
    space = VectorSpace(Embeddings(problem.user_ids, problem.item_ids, query, vectors), index)
    lists = nearest_items(RetrievalFit(problem, {"als": space}), "als", np.zeros(1, dtype=np.int32), 30)
    assert lists.items.tolist() == plain(query, vectors, 30)[0].tolist()
