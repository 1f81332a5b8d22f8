"""A champion is compiled once on a machine, scores the same, and goes on scoring where nothing could be compiled."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.contracts.features import Feature, FeatureSet
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.setting_groups import RankingSettings
from recs_platform.lake.artifacts import sealed_versions, write_artifact, write_manifest
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.training.compiled import COMPILED, compile_champion, open_scorer
from recs_platform.stages import ranking
from recs_platform.stages.ranking import c_compiler
from recs_platform_tests.homes import platform_at

AT = datetime(2024, 1, 1, tzinfo=UTC)
FEATURES = FeatureSet((Feature("taste", "DOUBLE", "t"), Feature(c.FUSED_SCORE, "FLOAT", "")))
CAN_COMPILE = c_compiler.find_compiler() is not None


def rows(users: int = 30, items: int = 20) -> pl.DataFrame:
    random = np.random.default_rng(0)
    labels = np.tile(np.arange(items) == 0, users).astype(np.int8)
    return pl.DataFrame({
        c.CUTOFF: [AT] * len(labels),
        c.FOLD: [1] * len(labels),
        c.USER_ID: np.repeat([f"u{user}" for user in range(users)], items),
        c.ITEM_ID: np.tile([f"i{item}" for item in range(items)], users),
        "taste": labels + random.normal(size=len(labels)),
        c.FUSED_SCORE: random.random(len(labels)),
        c.LABEL: labels,
    })  # fmt: skip


@pytest.fixture(scope="module")
def trained() -> ranking.Ranker:
    return ranking.train_ranker(rows(), FEATURES, ranking.RankerConfig(trees=3), seed=7, threads=1)


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return platform_at(tmp_path / "home", ranking={"compile": True})


def sealed(platform: Platform, ranker: ranking.Ranker, cutoffs: Sequence[str] = ()) -> Manifest:
    manifest = Manifest(
        name=ranking.RANKER, version="r1", as_of=AT, known_at=AT, data_version="1", seed=7, sealed_at=AT,
        parameters={"cutoffs": cutoffs},
    )  # fmt: skip
    with write_artifact(platform.home.artifacts, ranking.RANKER, "r1") as folder:
        ranking.save_ranker(folder, ranker)
        write_manifest(folder, manifest)
    return manifest


def made(platform: Platform) -> list[Manifest]:
    return sealed_versions(platform.home.artifacts, COMPILED)


def test_a_champion_is_compiled_once_beside_the_ranker_and_scores_the_same(
    platform: Platform, trained: ranking.Ranker
) -> None:
    champion = sealed(platform, trained)
    summary = compile_champion(platform, champion)
    assert summary.startswith("yes (" if CAN_COMPILE else "no: no C compiler")
    assert compile_champion(platform, champion) == summary
    assert [(each.version, each.inputs) for each in made(platform)] == [
        (f"r1-{ranking.machine_key()}", {ranking.RANKER: "r1"})
    ]
    scorer = open_scorer(platform, "r1")
    assert (scorer.scored_by == "compiled forest") == CAN_COMPILE
    assert scorer.score(rows(), 2).tolist() == trained.score(rows(), 1).tolist()


def test_the_setting_turns_it_off(platform: Platform, trained: ranking.Ranker) -> None:
    champion = sealed(platform, trained)
    compile_champion(platform, champion)
    changed = platform.settings.model_copy(update={"ranking": RankingSettings(compile=False)})
    off = replace(platform, settings=changed)
    assert compile_champion(off, champion) == "no: ranking.compile is off"
    assert open_scorer(off, "r1").scored_by == "LightGBM: ranking.compile is off"


def test_a_ranker_without_a_forest_is_not_compiled(platform: Platform) -> None:
    champion = sealed(platform, ranking.fusion_ranker(FEATURES))
    assert compile_champion(platform, champion) == "no: it has no forest, it ranks by fused score"
    assert made(platform) == []


def test_what_no_compiler_compiled_is_compiled_when_there_is_one(
    platform: Platform, trained: ranking.Ranker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion = sealed(platform, trained)
    with monkeypatch.context() as without:
        without.setenv("PATH", str(tmp_path))
        assert compile_champion(platform, champion) == f"no: {c_compiler.NO_COMPILER}"
        first = made(platform)
        assert compile_champion(platform, champion) == f"no: {c_compiler.NO_COMPILER}"
        assert made(platform) == first
        assert open_scorer(platform, "r1").score(rows(), 1).tolist() == trained.score(rows(), 1).tolist()
    assert compile_champion(platform, champion).startswith("yes (") == CAN_COMPILE
    assert (open_scorer(platform, "r1").scored_by == "compiled forest") == CAN_COMPILE


def test_what_does_not_fit_its_seal_is_made_again(platform: Platform, trained: ranking.Ranker) -> None:
    champion = sealed(platform, trained)
    compile_champion(platform, champion)
    first = made(platform)
    source = platform.home.artifacts / COMPILED / first[0].version / "forest.c"
    source.write_text("changed")
    assert open_scorer(platform, "r1").scored_by.startswith("LightGBM: ")
    compile_champion(platform, champion)
    assert (open_scorer(platform, "r1").scored_by == ranking.COMPILED_FOREST) == CAN_COMPILE
    assert (made(platform) != first) == CAN_COMPILE
