"""How much past a ranker learns from, and that its version is that of what it learned from."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.setting_groups import TrainingSettings
from recs_platform.evaluation.cutoffs import plan_cutoffs
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.training import rankers
from recs_platform.pipeline.training.rankers import ranker_key
from recs_platform.pipeline.training.schedule import TrainingSchedule, training_schedule
from recs_platform.pipeline.training.splits import Split, global_splits
from recs_platform.pipeline.training.window_cache import WindowCache
from recs_platform_tests.worlds import TINY

AT = datetime(2024, 1, 1, tzinfo=UTC)
SPLITS = global_splits([AT - timedelta(days=days) for days in range(1, 20)], timedelta(days=1))


def run_of(platform: Platform) -> AsOfRun:
    return AsOfRun(platform, AT, AT)


def window(version: str) -> Manifest:
    return Manifest(name="windows", version=version, as_of=AT, known_at=AT, data_version="1", seed=7, sealed_at=AT)


def test_a_ranker_version_follows_windows_and_seed_and_not_their_order(taken_in: Platform) -> None:
    version = ranker_key(run_of(taken_in), [window("a"), window("b")])
    assert ranker_key(run_of(taken_in), [window("b"), window("a")]) == version
    reseeded, easier = (
        replace(taken_in, settings=taken_in.settings.model_copy(update=update))
        for update in ({"seed": 8}, {"training": TrainingSettings(windows_min=1)})
    )
    others = {
        ranker_key(run_of(taken_in), [window("a")]),
        ranker_key(run_of(taken_in), [window("a"), window("c")]),
        ranker_key(run_of(reseeded), [window("a"), window("b")]),
        ranker_key(run_of(easier), [window("a"), window("b")]),
    }
    assert len(others | {version}) == 5


def test_rankers_are_sealed_once_each_in_the_order_they_are_asked_for(
    taken_in: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, trained = run_of(taken_in), list[datetime]()

    def seal(run: AsOfRun, as_of: datetime, windows: Sequence[Manifest]) -> tuple[Manifest, bool]:
        trained.append(as_of)
        return window(rankers.ranker_key(run, windows)).model_copy(update={"as_of": as_of}), False

    monkeypatch.setattr(rankers, "seal_ranker", seal)
    later, last, a, b = AT + timedelta(days=1), AT + timedelta(days=2), [window("a")], [window("b")]
    sealed = rankers.seal_rankers(run, [(AT, a), (later, b), (last, a)], lambda _: None)
    assert [(manifest.version, manifest.as_of) for manifest, _ in sealed] == [
        (ranker_key(run, a), last),
        (ranker_key(run, b), later),
        (ranker_key(run, a), last),
    ]
    assert sorted(trained) == [later, last]


@pytest.mark.parametrize(
    ("least", "taken"),
    [
        ({}, 10),  # 10 windows of 50 positives are 500
        ({"positives_min": 100}, 8),
        ({"windows_min": 3, "positives_min": 100}, 3),
        ({"windows_min": 1, "positives_min": 100}, 2),
        ({"windows_min": 2, "users_min": 20}, 2),
        ({"positives_min": 10**9}, len(SPLITS)),
    ],
)
def test_windows_are_added_until_they_hold_what_the_settings_ask_for(
    taken_in: Platform, monkeypatch: pytest.MonkeyPatch, least: dict[str, int], taken: int
) -> None:
    settings = taken_in.settings.model_copy(update={"training": TrainingSettings(**least)})
    windows = WindowCache(run_of(replace(taken_in, settings=settings)), lambda _: None)
    held = window("a").model_copy(update={"metrics": {"positives": 50, "users": 20}})
    monkeypatch.setattr(windows, "take", lambda _: held)
    assert len(windows.to_learn_from(SPLITS)) == taken


def test_what_is_surely_needed_follows_the_least_number_of_windows(taken_in: Platform) -> None:
    as_of = TINY.start + timedelta(days=TINY.days)

    def needed(least: int, trials: int = 0) -> list[Split]:
        training = TrainingSettings(windows_min=least, trials=trials)
        settings = taken_in.settings.model_copy(update={"training": training})
        return training_schedule(
            AsOfRun(replace(taken_in, settings=settings), as_of, datetime.now(UTC))
        ).surely_needed()

    assert set(needed(1)) < set(needed(3)) <= set(needed(8))
    assert set(needed(1)) < set(needed(1, trials=3))


@pytest.mark.parametrize(("days", "horizon"), [(11, 1), (40, 3), (200, 14)])
def test_what_is_tried_before_an_instant_has_all_its_labels_by_then(days: int, horizon: int) -> None:
    as_of = TINY.start + timedelta(days=days)
    plan = plan_cutoffs(TINY.start, as_of, horizon_days=horizon, every_days=min(horizon, 7), windows=12)
    schedule = TrainingSchedule("global", as_of, plan, windows_min=3, tests_min=2, trials_max=5)
    for instant in (as_of, schedule.first_tests()[0].cutoff):
        trials = schedule.trials_before(instant)
        assert trials
        assert all(split.labels_end <= instant for split in trials)
        for split in trials:
            assert all(learned.labels_end <= split.cutoff for learned in schedule.trial_training(split))


def test_nothing_is_tried_before_users_last_events() -> None:
    plan = plan_cutoffs(TINY.start, TINY.start + timedelta(days=30), horizon_days=3, every_days=3, windows=12)
    as_of = TINY.start + timedelta(days=30)
    schedule = TrainingSchedule("per_user", as_of, plan, windows_min=3, tests_min=2, trials_max=5)
    assert schedule.trials_before(None) == []
    assert schedule.trials_before(as_of) == schedule.tests()
