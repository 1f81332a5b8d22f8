"""Tuning of the ranker: parts that end before the tests, a search that goes on, a config that is adopted."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.time import parse_instant
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.build_records import build_settings
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.training import ranker_configs
from recs_platform.pipeline.training.rankers import ranker_basis, ranker_config
from recs_platform.pipeline.training.schedule import training_schedule
from recs_platform.pipeline.training.window_cache import WindowCache
from recs_platform.pipeline.training.windows import read_window
from recs_platform.pipeline.tuning import tune_ranker as tune_ranker_module
from recs_platform.pipeline.tuning.kept_trials import SEARCHES_KEPT
from recs_platform.pipeline.tuning.ranker_parts import validation_parts
from recs_platform.pipeline.tuning.ranker_space import Sampler, default_values
from recs_platform.pipeline.tuning.tune_ranker import RankerBudget, tune_ranker
from recs_platform.stages.ranking import RankerConfig
from recs_platform_tests.homes import Built, copy_home, platform_at


@pytest.fixture(scope="module")
def platform(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return copy_home(built.platform, tmp_path_factory.mktemp("tuned") / "home")


def run_of(platform: Platform, built: Built) -> AsOfRun:
    return AsOfRun(platform, built.as_of, built.known_at)


def test_parts_end_before_the_first_test_and_share_no_user(platform: Platform, built: Built):
    run = run_of(platform, built)
    schedule = training_schedule(run)
    parts = validation_parts(WindowCache(run, lambda _: None), schedule, lambda _: None)
    assert len(parts) >= 2
    assert max(part.labels_end for part in parts) <= schedule.tests()[0].cutoff
    folds = [part.users for part in parts if part.users is not None]
    together = [user for users in folds for user in users]
    assert len(together) == len(set(together))
    for part in parts:
        measured = [part.only(read_window(platform, each.version)).held_out[c.USER_ID] for each in part.tested]
        assert all(part.users is None or set(users) <= set(part.users) for users in measured)


@pytest.mark.trial
def test_a_search_is_sealed_goes_on_and_is_adopted(platform: Platform, built: Built):
    said: list[str] = []

    def tune(trials: int):
        budget = RankerBudget(lambda: 0.0, None, trials)
        return tune_ranker(platform, built.as_of, built.known_at, sampler="random", budget=budget, say=said.append)

    first = tune(2)
    assert first.manifest.metrics[c.TRIALS] == 2
    again = tune(3)
    assert "2 trials of an earlier search are known" in said
    assert again.manifest.metrics[c.TRIALS] == 3
    assert parse_instant(again.manifest.parameters["tuned_until"]) <= built.as_of
    basis, settings = ranker_basis(run_of(platform, built)), build_settings(platform)
    changed = {"leaves": 31, "trees": 45}
    manifest = again.manifest.model_copy(update={"version": ranker_configs.config_version(changed)})
    root = platform.home.artifacts
    ranker_configs.seal_config(root, manifest, changed, ranker_configs.find_config(root, again.manifest.version)[2])
    ranker_configs.adopt_config(root, manifest.version)
    assert ranker_config(platform).model_dump(include=set(changed)) == changed
    assert ranker_basis(run_of(platform, built)) != basis
    # What was adopted before stays part of what is tuned after it.
    assert set(changed) <= set(tune(3).changes)
    assert build_settings(platform) != settings
    assert ranker_configs.reset_config(root) == manifest.version
    assert ranker_basis(run_of(platform, built)) == basis


def test_a_config_that_is_not_understood_is_an_error_that_says_what_to_do(platform: Platform, built: Built):
    root = platform.home.artifacts
    with pytest.raises(NotReady, match="recs tune list"):
        ranker_configs.adopt_config(root, "0" * 16)
    some = ranker_configs.list_configs(root)
    broken = some[0].model_copy(update={"version": "b" * 16}) if some else None
    if broken is None:
        budget = RankerBudget(lambda: 0.0, None, 1)
        made = tune_ranker(platform, built.as_of, built.known_at, sampler="tpe", budget=budget, say=lambda _: None)
        broken = made.manifest.model_copy(update={"version": "b" * 16})
    trials = ranker_configs.find_config(root, ranker_configs.list_configs(root)[0].version)[2]
    ranker_configs.seal_config(root, broken, {"trees": "many"}, trials)
    with pytest.raises(NotReady, match="recs tune reset"):
        ranker_configs.adopt_config(root, "b" * 16)


def test_nothing_before_the_first_test_is_an_error(platform: Platform, built: Built):
    run = AsOfRun(platform, built.as_of.replace(day=12, month=1), built.known_at)
    with pytest.raises(NotReady, match="no window ends before the first test"):
        validation_parts(WindowCache(run, lambda _: None), training_schedule(run), lambda _: None)


def test_an_interrupted_trial_is_tried_again_counts_for_nothing_and_shows_no_traceback(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The first of all is the default: without it there is nothing that a gain could be held against."""
    begun: list[Mapping[str, Any]] = []
    said: list[str] = []

    def ndcg(_part: object, values: Mapping[str, Any]) -> NDArray[np.float64]:
        begun.append(values)
        if len(begun) == 1:
            raise KeyboardInterrupt
        return np.array([0.5])

    tried = tried_with(ndcg, tmp_path)

    def search() -> Any:
        return search_of(tried, 2, said.append)

    with pytest.raises(KeyboardInterrupt):
        search()
    found = search()
    assert [line.partition(":")[0] for line in said] == ["trial 1 of at most 2", "trial 2 of at most 2"]
    assert begun[0] == begun[1] == tried.default
    assert len(tune_ranker_module._trial_rows(found)) == 2  # pyright: ignore
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("sampler", ["random", "tpe", "grid"])
def test_a_search_that_goes_on_tries_nothing_twice(tmp_path: Path, sampler: Sampler) -> None:
    begun: list[Mapping[str, Any]] = []

    def ndcg(_part: object, values: Mapping[str, Any]) -> NDArray[np.float64]:
        begun.append(values)
        return np.array([0.5])

    tried = tried_with(ndcg, tmp_path)
    for trials in (3, 6, 9):
        search_of(tried, trials, sampler=sampler)
    assert len(begun) == len({str(sorted(values.items())) for values in begun}) == 9


def test_trials_of_the_searches_used_last_are_kept(tmp_path: Path) -> None:
    def ndcg(_part: object, _values: Mapping[str, Any]) -> NDArray[np.float64]:
        return np.array([0.5])

    for key in range(SEARCHES_KEPT + 2):
        search_of(tried_with(ndcg, tmp_path, key=f"key{key}"), 1)
    said: list[str] = []
    search_of(tried_with(ndcg, tmp_path, key="key2"), 2, said.append)
    assert said[0] == "1 trial of an earlier search is known"
    search_of(tried_with(ndcg, tmp_path, key="key0"), 1, said.append)
    assert said[-1].startswith("trial 1 of at most 1")
    assert len(list((tmp_path / "home" / "tmp" / "ranker_trials").glob("*.journal"))) == SEARCHES_KEPT


def tried_with(ndcg: object, folder: Path, *, key: str = "key") -> SimpleNamespace:
    """In the place of what trains rankers."""
    default = default_values(RankerConfig())
    return SimpleNamespace(platform=platform_at(folder / "home"), default=default, key=lambda _parts: key, ndcg=ndcg)


def search_of(
    tried: SimpleNamespace, trials: int, say: Callable[[str], None] = lambda _: None, *, sampler: Sampler = "random"
) -> Any:
    budget = RankerBudget(lambda: 0.0, None, trials)
    return tune_ranker_module._search(tried, [object()], sampler=sampler, budget=budget, say=say)  # pyright: ignore
