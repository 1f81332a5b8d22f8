"""`recs experiments`: from what was recorded while serving to what it says, and errors in one line."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recs_platform.contracts.experiments import ExperimentSettings
from recs_platform.contracts.exposures import list_id
from recs_platform.evaluation.experiments.assignment import Experiment
from recs_platform_tests.homes import CommandLine

USAGE = 2
AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
SETTINGS = """
[experiments.variety]
starts_on = 2026-01-05
ends_on = 2026-02-01
user_days_planned = 500

[experiments.variety.variants]
control = { weight = 0.5 }
varied = { weight = 0.5, diversity = 0.3 }
"""
VARIETY = Experiment.of(
    "variety",
    ExperimentSettings.model_validate({"variants": {"control": {"weight": 0.5}, "varied": {"weight": 0.5}}}),
)


def events_of(n: int) -> list[dict[str, Any]]:
    """A user is shown four items and clicks one, everybody of `varied` and a third of the others."""
    user = f"u{n}"
    variant = VARIETY.variant_of(user) or ""
    shown = {
        "user_id": user, "event_type": "impression", "request_id": list_id(f"{n:032x}", {"variety": variant}),
        "occurred_at": AT.isoformat(),
    }  # fmt: skip
    rows = [shown | {"event_id": f"{n}:{rank}", "item_id": f"i{rank}", "position": rank} for rank in range(1, 5)]
    if variant == "varied" or n % 3 == 0:
        at = (AT + timedelta(minutes=1 + n % 9)).isoformat()
        rows.append({"user_id": user, "event_type": "click", "event_id": f"{n}:c", "item_id": "i2", "occurred_at": at})
    return rows


@pytest.fixture
def home(new_home: Path) -> Path:
    (new_home / "recs.toml").write_text(SETTINGS)
    return new_home


def test_what_was_recorded_is_reported(recs: CommandLine, home: Path) -> None:
    code, out, _ = recs(home, "experiments", "list", "--json")
    assert (code, json.loads(out)["experiments"][0]["experiment"]) == (0, "variety")
    rows = [event for n in range(400) for event in events_of(n)]
    (home / "landing" / "http").mkdir(parents=True)
    (home / "landing" / "http" / "events-1.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert recs(home, "ingest")[0] == 0
    code, out, _ = recs(home, "experiments", "report", "variety", "--json", "--metric", "click_through_rate")
    assert code == 0
    said = json.loads(out)
    counts = [sum(VARIETY.variant_of(f"u{n}") == variant for n in range(400)) for variant in ("control", "varied")]
    assert said["users"] == dict(zip(("control", "varied"), counts, strict=True))
    assert not said["is_split_broken"]
    rate = next(row for row in said["rows"] if (row["segment"], row["metric"]) == ("all", "click_through_rate"))
    clicks = sum(VARIETY.variant_of(f"u{n}") == "control" for n in range(0, 400, 3))
    assert rate["value"] == pytest.approx(1 / 4)
    assert rate["control_value"] == pytest.approx(clicks / counts[0] / 4)
    assert rate["is_found"]
    page = (home / said["page"]).read_text()
    assert "click_through_rate" in page
    assert "<script" not in page
    code, out, err = recs(home, "experiments", "report", "variety")
    assert code == 0
    assert "The split holds" in err
    assert "conversions_per_user" in out
    code, _, err = recs(home, "experiments", "report", "variety", "--from", "2026-01-06")
    assert (code, err.strip().count("\n")) == (1, 0)
    assert "nobody was exposed from 2026-01-06 on" in err


def test_errors_are_one_line(recs: CommandLine, home: Path) -> None:
    for arguments, said in (
        (("varety",), "no experiment 'varety'; did you mean 'variety'"),
        (("variety", "--metric", "ctr"), "no metric 'ctr'; there are: click_through_rate"),
        (("variety", "--from", "soon"), "soon"),
    ):
        code, out, err = recs(home, "experiments", "report", *arguments)
        assert (code, out) == (USAGE, "")
        assert said in err
        assert err.startswith("recs: ")
    code, _, err = recs(home, "experiments", "report", "variety")
    assert code == 1
    assert "the lake holds no event" in err
