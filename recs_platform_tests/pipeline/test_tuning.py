"""Tuning sees nothing of what is tested, and runs use what was tuned once it is adopted."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.shared_settings import Protocol
from recs_platform.contracts.tables import EVENTS
from recs_platform.evaluation.cutoffs import CutoffPlan
from recs_platform.evaluation.splits import per_user_holdout
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.inputs import retrieval_config
from recs_platform.pipeline.retrieval.tuned_configs import (
    CONFIG_FILE,
    CONFIGS,
    adopt_config,
    adopted_version,
    config_version,
    find_config,
    list_configs,
    reset_config,
    seal_config,
)
from recs_platform.pipeline.training.evaluation import tuned_on_tests
from recs_platform.pipeline.training.schedule import TrainingSchedule, training_schedule
from recs_platform.pipeline.training.splits import INTERACTIONS, LAST_FOLD, Split, per_user_splits
from recs_platform.pipeline.tuning.validation_sets import validation_set, validation_splits
from recs_platform.stages.retrieval.tuning.source_variants import ValidationSet
from recs_platform_tests.homes import CommandLine, copy_home, platform_at
from recs_platform_tests.worlds import TINY

AS_OF = TINY.start + timedelta(days=TINY.days)
KNOWN_AT = datetime(2100, 1, 1, tzinfo=UTC)


def test_nothing_from_the_first_test_on_matters(taken_in: Platform, tmp_path: Path) -> None:
    schedule = training_schedule(AsOfRun(taken_in, AS_OF, KNOWN_AT))
    split = validation_splits(schedule, TINY.start)[-1]
    assert split.labels_end == schedule.tests()[0].cutoff

    def validation_set_without_events_from(instant: datetime) -> ValidationSet:
        cut = copy_home(taken_in, tmp_path / instant.strftime("%d"))
        cut.lake.delete(EVENTS.name, f"occurred_at >= '{instant:%Y-%m-%d %H:%M}:00+00:00'")
        return validation_set(AsOfRun(cut, AS_OF, KNOWN_AT), split, users_max=1000)

    whole = validation_set(AsOfRun(taken_in, AS_OF, KNOWN_AT), split, users_max=1000)
    assert len(whole.held_out.users) > 10
    later, earlier = (validation_set_without_events_from(split.labels_end - timedelta(days=days)) for days in (0, 2))
    assert content(later) == content(whole)
    assert content(earlier) != content(whole)


def content(validation: ValidationSet) -> list[object]:
    """Everything that a search may look at."""
    parts = [
        getattr(part, field)
        for part in (validation.problem, validation.held_out)
        for field in part.__dataclass_fields__
    ]
    return [part.tolist() if isinstance(part, np.ndarray) else _rows(part) for part in parts]


def _rows(part: object) -> object:
    return part.rows() if isinstance(part, pl.DataFrame) else part


def test_windows_end_by_the_first_test_and_have_a_week_before_them() -> None:
    @dataclass(frozen=True)
    class Planned:
        plan: CutoffPlan
        as_of: datetime = AS_OF
        protocol: str = "global"

        def tests(self) -> list[Split]:
            return [Split(cutoff, LAST_FOLD, "global", cutoff + self.plan.horizon) for cutoff in self.plan.tests]

    day = timedelta(days=1)
    planned: Any = Planned(CutoffPlan(5 * day, 7, (), (AS_OF - 12 * day, AS_OF - 5 * day)))
    cut = AS_OF - 12 * day
    spans = {days: validation_splits(planned, AS_OF - days * day) for days in (100, 24)}
    assert [(split.cutoff, split.labels_end) for split in spans[24]] == [(cut - 5 * day, cut)]
    assert [split.cutoff for split in spans[100]] == [cut - 15 * day, cut - 10 * day, cut - 5 * day]
    with pytest.raises(NotReady, match="nothing to tune on"):
        validation_splits(planned, AS_OF - 23 * day)
    without: Any = Planned(CutoffPlan(5 * day, 7, (), ()))
    with pytest.raises(NotReady, match="nothing to tune on"):
        validation_splits(without, AS_OF - 100 * day)


def test_where_last_fifths_are_tested_the_fifth_before_is_tuned_on(taken_in: Platform) -> None:
    validation = validation_set(AsOfRun(taken_in, AS_OF, KNOWN_AT), per_user_splits(AS_OF)[1], users_max=1000)
    with taken_in.model_run(AS_OF, KNOWN_AT, scratch=True) as run:
        kept, last = per_user_holdout(run.frame(INTERACTIONS), 0.2)
    known, before = per_user_holdout(kept, 0.2)
    problem, held = validation.problem, validation.held_out
    pair = pl.DataFrame({"user_id": problem.user_ids[problem.users], "item_id": problem.item_ids[problem.items]})
    assert sorted(pair.unique().rows()) == sorted(known.select("user_id", "item_id").unique().rows())
    wanted = {
        (problem.user_ids[key // problem.n_items], problem.item_ids[key % problem.n_items])
        for key in held.pairs.tolist()
    }
    assert wanted
    assert wanted <= set(before.select("user_id", "item_id").rows())
    assert not wanted & set(last.select("user_id", "item_id").rows())


def sealed(platform: Platform, changes: dict[str, dict[str, Any]]) -> str:
    version = config_version(changes)
    manifest = Manifest(
        name=CONFIGS,
        version=version,
        as_of=AS_OF,
        known_at=AS_OF,
        data_version="1",
        seed=7,
        parameters={"tuned_until": AS_OF.isoformat(), "sources": sorted(changes)},
        metrics={"default_value": 0.5, "tuned_value": 0.6, "gain_low": 0.05},
        sealed_at=AS_OF,
    )
    seal_config(
        platform.home.artifacts, manifest, changes, pl.DataFrame({"trial": [0]}), pl.DataFrame({"source": ["als"]})
    )
    return version


def test_the_adopted_config_is_used_and_recs_toml_goes_before_it(tmp_path: Path) -> None:
    mine = {"sources": {"als": {"factors": 8}}}
    platform = platform_at(tmp_path, retrieval=mine)
    root, default = platform.home.artifacts, retrieval_config(platform)
    version = sealed(platform, {"als": {"factors": 32, "alpha": 5.0}, "ngrams": {"enabled": True}})
    assert retrieval_config(platform) == default
    adopt_config(root, version)
    config = retrieval_config(platform)
    als: Any = config.sources["als"]
    assert (als.factors, als.alpha, config.sources["ngrams"].enabled) == (8, 5.0, True)
    assert config.sources["item_knn"] == default.sources["item_knn"]
    assert (adopted_version(root), reset_config(root), adopted_version(root)) == (version, version, None)
    assert retrieval_config(platform) == default


def test_an_adopted_config_that_is_gone_or_not_understood_is_an_error(tmp_path: Path) -> None:
    platform = platform_at(tmp_path)
    root = platform.home.artifacts
    with pytest.raises(NotReady, match="there is none"):
        adopt_config(root, "0123456789abcdef")
    version = sealed(platform, {"als": {"alpha": 5.0}})
    adopt_config(root, version)
    file = root / CONFIGS / version / CONFIG_FILE
    for text in (json.dumps({"als": {"no_such_field": 1}}), json.dumps({"oracle": {}}), "{", "[1]"):
        file.write_text(text)
        with pytest.raises(NotReady, match="cannot be used"):
            retrieval_config(platform)
    (root / CONFIGS / version).rename(root / CONFIGS / "elsewhere")
    with pytest.raises(NotReady, match=r"`recs tune reset`"):
        retrieval_config(platform)
    reset_config(root)
    assert not retrieval_config(platform).sources["ngrams"].enabled


@pytest.mark.parametrize(
    ("protocol", "test_days", "as_of_days", "says"),
    [
        ("global", (-12, -5), 0, True),  # tuned until AS_OF, both windows of five days begin before
        ("global", (-3, 0), 5, True),
        ("global", (0, 5), 10, False),
        ("per_user", (), 0, False),  # what is held out of AS_OF stayed unseen
        ("per_user", (), -1, True),
    ],
)
def test_an_evaluation_on_what_was_tuned_on_says_so(
    tmp_path: Path, protocol: Protocol, test_days: tuple[int, ...], as_of_days: int, says: bool
) -> None:
    platform, day = platform_at(tmp_path), timedelta(days=1)
    plan = CutoffPlan(5 * day, 7, (), tuple(AS_OF + days * day for days in test_days))
    schedule = TrainingSchedule(protocol, AS_OF + as_of_days * day, plan, windows_min=1, tests_min=1, trials_max=0)
    assert tuned_on_tests(platform, schedule) is None
    version = sealed(platform, {"als": {"alpha": 5.0}})
    adopt_config(platform.home.artifacts, version)
    warning = tuned_on_tests(platform, schedule)
    assert (warning is not None) == says
    assert warning is None or version in warning


def test_the_commands_show_adopt_and_reset(recs: CommandLine, new_home: Path) -> None:
    home = new_home
    assert recs(home, "tune", "list")[::2] == (
        0,
        "no tuned config yet: `recs tune retrieval` and `recs tune ranker` make one\n",
    )
    for command in ("show", "adopt"):
        code, out, err = recs(home, "tune", command, "abc")
        assert (code, out) == (1, "")
        assert "no tuned retrieval config 'abc'; there is none" in err
    for arguments, code, says in (
        (("--sources", "als,oracle"), 2, "no source ['oracle']"),
        (("--as-of", "someday"), 2, "someday"),
        (("--trials", "0"), 2, "trials"),
        ((), 1, "recs land"),
    ):
        found, out, err = recs(home, "tune", "retrieval", *arguments)
        assert (found, out) == (code, ""), err
        assert says in err
    version = sealed(platform_at(home), {"als": {"alpha": 5.0}})
    assert recs(home, "tune", "adopt", version)[0] == 0
    listed = json.loads(recs(home, "tune", "list", "--json")[1])
    assert (listed["adopted"], listed["configs"][0]["adopted"]) == (version, "*")
    assert json.loads(recs(home, "tune", "show", version, "--json")[1])["changes"] == {"als": {"alpha": 5.0}}
    assert "alpha" in recs(home, "tune", "show", version)[1]
    assert recs(home, "tune", "reset")[0] == 0
    assert json.loads(recs(home, "tune", "list", "--json")[1])["adopted"] is None


def test_the_command_tunes_seals_and_says_what_came_of_it(
    recs: CommandLine, taken_in: Platform, tmp_path: Path
) -> None:
    platform = copy_home(taken_in, tmp_path / "home")
    code, out, err = recs(
        platform.home.root,
        "tune",
        "retrieval",
        "--trials",
        "2",
        "--sources",
        "trending",
        "--adopt",
        "--json",
        "--as-of",
        "2024-01-21",
    )
    assert code == 0, err
    answer = json.loads(out)
    manifest, changes, by_source = find_config(platform.home.artifacts, answer["version"])
    assert [manifest] == list_configs(platform.home.artifacts)
    assert (answer["changes"], manifest.as_of) == (changes, TINY.start + timedelta(days=20))
    rows = pl.read_parquet(platform.home.artifacts / CONFIGS / manifest.version / "trials.parquet")
    assert rows.filter(pl.col("source") == "trending")["trial"].to_list() == [0, 1]
    assert (
        by_source.filter(pl.col("source") == "trending")["default_value"][0]
        == rows["value"][rows["source"].to_list().index("trending")]
    )
    assert answer["adopted"] == answer["gained"] == (adopted_version(platform.home.artifacts) is not None)
    assert "trending trial 0: " in err
