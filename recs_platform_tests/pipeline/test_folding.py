"""Vectors between full fits: the same bytes whatever was sealed before, bases made once, an index that is refreshed."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from recs_platform.lake.artifacts import artifact, sealed_versions
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval import embeddings as embedding
from recs_platform.pipeline.retrieval import item_index as retrieving
from recs_platform.pipeline.retrieval.embeddings import (
    EMBEDDINGS,
    seal_embeddings,
    sealed_embeddings,
    window_embeddings,
)
from recs_platform.pipeline.retrieval.inputs import history_problem, retrieval_config
from recs_platform.pipeline.retrieval.item_index import ITEM_INDEX, index_reports, seal_index
from recs_platform.pipeline.training.splits import LAST_FOLD, Protocol, Split
from recs_platform.pipeline.training.windows import build_window
from recs_platform.stages import retrieval
from recs_platform.stages.retrieval.index import IndexConfig
from recs_platform_tests.homes import copy_home

NOW = datetime.fromisoformat("2030-01-01T00:00:00+00:00")
# 2024-01-18 is a multiple of 7 days after 1970-01-01; the world starts on 2024-01-01.
GRID, AT = datetime.fromisoformat("2024-01-18T00:00:00+00:00"), datetime.fromisoformat("2024-01-22T00:00:00+00:00")
FOLDING = {
    "refit_every_days": 7,
    "sources": {
        **{name: {"enabled": False} for name in ("user_knn", "vs_knn", "trending_1d", "item_knn", "profiles")},
        "als": {"factors": 8},
        "spectral": {"factors": 8},
        "popularity": {"half_life_days": 7},  # else each run would try several first
    },
}


def home(taken_in: Platform, root: Path) -> Platform:
    return copy_home(taken_in, root, without=[EMBEDDINGS, ITEM_INDEX], retrieval=FOLDING)


def files(platform: Platform, name: str, version: str) -> dict[str, bytes]:
    """What is sealed, less what tells of time."""
    folder = artifact(platform.home.artifacts, name, version)
    told = {"manifest.json", "report.json"}
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in told
    }


@pytest.fixture
def approximate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Search as if the catalogue were large: settings have no say in it."""
    few = IndexConfig(kind="ivf", lists=4, rebuild_share=1.0)

    def configured(run: AsOfRun) -> retrieval.RetrievalConfig:
        return retrieval_config(run.platform).model_copy(update={"index": few})

    for module in (embedding, retrieving):
        monkeypatch.setattr(module, "run_config", configured)


def test_folded_artifacts_are_the_same_bytes_in_a_fresh_home_and_in_one_with_a_past(
    taken_in: Platform, tmp_path: Path
) -> None:
    fresh, used = home(taken_in, tmp_path / "fresh"), home(taken_in, tmp_path / "used")
    seal_embeddings(AsOfRun(used, AT + timedelta(days=1), NOW))
    version, reused = seal_embeddings(AsOfRun(fresh, AT, NOW))
    assert not reused
    assert seal_embeddings(AsOfRun(fresh, AT, NOW)) == (version, True)
    assert seal_embeddings(AsOfRun(used, AT, NOW)) == (version, False)
    assert files(fresh, EMBEDDINGS, version) == files(used, EMBEDDINGS, version)
    assert [manifest.as_of for manifest in sealed_versions(fresh.home.artifacts, EMBEDDINGS)] == [GRID, AT]
    base, made = sealed_versions(fresh.home.artifacts, EMBEDDINGS)
    assert made.parameters["folded_from"] == {"version": base.version, "as_of": GRID.isoformat()}
    assert "folded_from" not in base.parameters
    older, newer = (sealed_embeddings(fresh, manifest.version) for manifest in (base, made))
    for name in ("als", "spectral"):
        positions = retrieval.positions_of(older[name].item_ids, newer[name].item_ids)
        kept = older[name].item_factors
        assert kept.any()
        np.testing.assert_array_equal(newer[name].item_factors[positions][kept.any(axis=1)], kept[kept.any(axis=1)])
        assert newer[name].item_factors.any(axis=1).sum() > kept.any(axis=1).sum()
    seal_index(AsOfRun(fresh, AT, NOW))
    # Search is exact here: an older index would be of no use.
    assert [manifest.as_of for manifest in sealed_versions(fresh.home.artifacts, ITEM_INDEX)] == [AT]


def test_the_index_of_folded_vectors_is_the_older_one_brought_up_to_date(
    taken_in: Platform, tmp_path: Path, approximate: None
) -> None:
    platform = home(taken_in, tmp_path / "home")
    version, _ = seal_embeddings(AsOfRun(platform, AT, NOW))
    assert seal_index(AsOfRun(platform, AT, NOW)) == (version, False)
    older, newer = sealed_versions(platform.home.artifacts, ITEM_INDEX)
    assert (older.as_of, newer.as_of) == (GRID, AT)
    assert newer.inputs == {EMBEDDINGS: version}
    before, after = (index_reports(platform, manifest.version) for manifest in (older, newer))
    for name in ("als", "spectral"):
        assert (before[name].kind, before[name].changed) == ("ivf", 0)
        assert after[name].changed >= after[name].items - before[name].items > 0
        assert len(after[name].recall) == 3
        assert retrieval.audit_failures(after[name].recall) == []
    sealed = files(platform, ITEM_INDEX, version)
    shutil.rmtree(artifact(platform.home.artifacts, ITEM_INDEX, version))
    seal_index(AsOfRun(platform, AT, NOW))
    assert files(platform, ITEM_INDEX, version) == sealed


def test_what_passes_is_what_would_be_sealed_and_several_at_once_make_the_full_fit_once(
    taken_in: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = home(taken_in, tmp_path / "home")
    problem = history_problem(AsOfRun(platform, AT, NOW))
    fits: list[int] = []
    fit = retrieval.fit_embeddings
    monkeypatch.setattr(retrieval, "fit_embeddings", lambda *given, **named: fits.append(1) or fit(*given, **named))
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda _: window_embeddings(AsOfRun(platform, AT, NOW), problem), range(3)))
    assert len(fits) == 1
    assert [manifest.as_of for manifest in sealed_versions(platform.home.artifacts, EMBEDDINGS)] == [GRID]
    sealed = sealed_embeddings(platform, seal_embeddings(AsOfRun(platform, AT, NOW))[0])
    for each in made:
        assert each.keys() == sealed.keys()
        assert all(each[name].user_factors.tobytes() == sealed[name].user_factors.tobytes() for name in sealed)


@pytest.mark.parametrize(("protocol", "bases"), [("global", [GRID]), ("per_user", [])])
def test_a_window_folds_from_a_full_fit_that_has_not_seen_what_it_holds_out(
    taken_in: Platform, tmp_path: Path, protocol: Protocol, bases: list[datetime]
) -> None:
    platform = home(taken_in, tmp_path / "home")
    built = build_window(AsOfRun(platform, AT, NOW), Split(AT, LAST_FOLD, protocol, AT + timedelta(days=5)))
    assert built.rows["als_rank"].count() > 0
    assert [manifest.as_of for manifest in sealed_versions(platform.home.artifacts, EMBEDDINGS)] == bases


def test_before_the_first_event_there_is_nothing_to_fold_from(taken_in: Platform, tmp_path: Path) -> None:
    platform = home(taken_in, tmp_path / "home")
    at = datetime.fromisoformat("2024-01-03T00:00:00+00:00")  # two days of events; the last full fit is in December
    version, _ = seal_embeddings(AsOfRun(platform, at, NOW))
    full = retrieval.fit_embeddings(
        history_problem(AsOfRun(platform, at, NOW)), retrieval_config(platform), seed=platform.settings.seed, threads=1
    )
    made = sealed_embeddings(platform, version)
    assert made["als"].user_factors.any()
    assert all(made[name].user_factors.tobytes() == full[name].user_factors.tobytes() for name in full)
