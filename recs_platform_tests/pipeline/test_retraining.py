"""Episodes of drift: one training each, and another only after a quiet stretch."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recs_platform.contracts.tables import ACTIVITY_DRIFT, VERDICTS
from recs_platform.pipeline.partition_writer import write_frames
from recs_platform.pipeline.retraining import DriftVerdict, Episode, drift_verdicts, follow, of_what_is_kept
from recs_platform.stages.reports.verdicts import Judgement, contract_frame, verdict_rows
from recs_platform_tests.homes import platform_at

FIRST = datetime(2020, 1, 1, tzinfo=UTC)
WORDS = {".": ("pass", False), "w": ("warn", True), "b": ("warn", False), "?": ("no_data", False)}


def verdicts(history: str) -> list[DriftVerdict]:
    """A verdict a day: . quiet, w drift, b drift that proposes no training, ? nothing to compare."""
    return [
        DriftVerdict(FIRST + timedelta(days=day), WORDS[sign][0], proposes_training=WORDS[sign][1])
        for day, sign in enumerate(history)
    ]


def trained(history: str, quiet_as_ofs: int = 3) -> list[int]:
    """Days on which a ranker is trained, where each day's verdict is read on that day and each run succeeds."""
    state, days = Episode(), list[int]()
    for day, verdict in enumerate(verdicts(history)):
        state = Episode.of_cursor(follow(state, [verdict], quiet_as_ofs).to_cursor())
        if state.began is not None and not state.is_retrained:
            days.append(day)
            state = Episode.of_cursor(Episode(**{**vars(state), "is_retrained": True}).to_cursor())
    return days


@pytest.mark.parametrize(
    ("history", "days"),
    [
        ("........", []),
        ("..w.....", [2]),
        ("..wwwww.", [2]),
        ("w..w..w.", [0]),  # never three quiet ones in a row
        ("w...w...", [0, 4]),
        ("w.?..w..", [0, 5]),  # what cannot be compared is no alarm, and not quiet either
        ("w..?w...w", [0, 8]),
        ("b..b....", []),
        ("bbw.....", [2]),
        ("w..b..w..", [0]),
    ],
)
def test_a_ranker_is_trained_once_an_episode_and_again_only_after_a_quiet_stretch(
    history: str, days: list[int]
) -> None:
    assert trained(history) == days


def test_how_long_a_stretch_is_quiet_is_a_setting() -> None:
    assert trained("w..w", quiet_as_ofs=2) == [0, 3]
    assert trained("w.w.w", quiet_as_ofs=1) == [0, 2, 4]


def test_many_verdicts_at_once_and_old_ones_built_again_start_nothing_that_is_over() -> None:
    assert follow(Episode(), reversed(verdicts("..w....")), 3).began is None
    state = follow(Episode(), verdicts("....ww"), 3)
    assert (state.began, state.alarmed) == (FIRST + timedelta(days=4), FIRST + timedelta(days=5))
    assert follow(state, verdicts("wwwwww"), 3) == state


def test_a_day_that_proposes_no_training_moves_none_to_its_data() -> None:
    state = follow(Episode(), verdicts("wb"), 3)
    assert (state.alarmed, state.quiet) == (FIRST, 0)


def test_what_is_stored_is_read_back_by_as_of(tmp_path: Path) -> None:
    platform = platform_at(tmp_path / "home")
    assert drift_verdicts(platform) == []
    drifted = {"kind": "catalogue", "dimension": "category", "segment": "all", "source": "all"} | {
        "method": "jensenshannon", "is_drifted": True, "sample_size": 1, "n_periods": 4
    }  # fmt: skip
    days = [FIRST + timedelta(days=day) for day in range(3)]
    said = [
        [("activity_drift", "labels", "warn"), ("bias", "age", "block")],
        [("activity_drift", "catalogue", "warn"), ("activity_drift", "lists", "no_data")],
        [("drift", "t", "pass"), ("activity_drift", "lists", "no_data")],
    ]
    for at, judged in zip(days, said, strict=True):
        rows = [
            verdict_rows(report, [Judgement(subject, verdict, "moved")], as_of=at)
            for report, subject, verdict in judged
        ]
        frames = [frame.drop("as_of") for frame in rows]
        write_frames(platform, VERDICTS, frames, at)
    for at, proposed in ((days[0], ["retrain"]), (days[1], ["retrain", "quarantine"])):
        rows = [{"as_of": at, **drifted, "segment": text, "proposal": text} for text in proposed]
        write_frames(platform, ACTIVITY_DRIFT, [contract_frame(rows, ACTIVITY_DRIFT).drop("as_of")], at)
    found = drift_verdicts(platform)
    assert [(each.as_of, each.verdict, each.proposes_training) for each in found] == [
        (days[0], "warn", True),
        (days[1], "warn", False),
        (days[2], "pass", False),
    ]
    assert found[1].said == "catalogue: moved"


def test_an_as_of_that_was_removed_neither_silences_later_ones_nor_is_trained_on() -> None:
    def days(*numbers: int) -> list[datetime]:
        return [FIRST + timedelta(days=number) for number in numbers]

    far = DriftVerdict(FIRST + timedelta(days=900), "warn", proposes_training=True)
    state = follow(Episode(), [*verdicts(".."), far], 3)
    assert state.began == far.as_of
    assert of_what_is_kept(state, [*days(0, 1), far.as_of]) == state
    state = of_what_is_kept(state, days(0, 1))
    assert state == Episode(seen=days(1)[0])
    assert follow(state, verdicts("..w"), 3).began == days(2)[0]
    open_one = follow(Episode(), verdicts(".w."), 3)
    assert of_what_is_kept(open_one, days(0, 2)) == replace(open_one, alarmed=None)
    assert follow(of_what_is_kept(open_one, days(0, 2)), verdicts(".w.w"), 3).alarmed == days(3)[0]
    trained_for = replace(open_one, is_retrained=True)
    assert of_what_is_kept(trained_for, days(0, 2)) == trained_for
    assert of_what_is_kept(open_one, []) == open_one
