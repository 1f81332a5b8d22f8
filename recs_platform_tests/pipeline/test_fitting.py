"""What a home leaves to its data is chosen by it: a log whose regions differ gets popularity by region."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recs_platform.contracts import columns as c
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.data_profile import CHOICE, TRIAL, profile_rows
from recs_platform.pipeline.fitting import finer_trials
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.inputs import run_config
from recs_platform_tests.homes import land_contract, platform_at, take_in

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 14
SETTINGS: dict[str, Any] = {"horizon_days": 1, "retrieval": {}}


def _clicks(*, differ: bool) -> list[dict[str, Any]]:
    """Sixty new readers of each region a day, with a second visit on the next; each region has ten favourites."""
    rng = np.random.default_rng(4)
    rows: list[dict[str, Any]] = []
    for day in range(DAYS - 1):
        for n in range(120):
            region = ("north", "south")[n % 2]
            mine = [f"{region if differ else 'any'}-{item}" for item in rng.permutation(10)]
            for visit in range(2):
                at = START + timedelta(days=day + visit, minutes=n)
                rows.append(
                    {
                        c.EVENT_ID: f"{day}-{n}-{visit}",
                        c.USER_ID: f"u{day}-{n}",
                        c.ITEM_ID: mine[visit],
                        c.EVENT_TYPE: "click",
                        c.OCCURRED_AT: at.isoformat(),
                        c.REGION: region,
                    }
                )
    return rows


def _landed(home: Path, *, differ: bool) -> Platform:
    platform = platform_at(home, **SETTINGS)
    land_contract(platform, "events.jsonl", _clicks(differ=differ))
    take_in(platform)
    return platform


def _run(platform: Platform) -> AsOfRun:
    return AsOfRun(platform, START + timedelta(days=DAYS), datetime.now(UTC))


@pytest.fixture(scope="module")
def two_regions(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return _landed(tmp_path_factory.mktemp("regions"), differ=True)


def test_where_regions_differ_the_baseline_goes_by_region(two_regions: Platform) -> None:
    run = _run(two_regions)
    popularity = run_config(run).sources["popularity"].model_dump()
    rows = profile_rows(run)
    run.close()
    assert popularity["within"] == c.REGION
    choice = rows.filter((rows[c.KIND] == CHOICE) & (rows[c.NAME] == "popularity.within"))
    assert choice[c.MESSAGE].item().startswith("by region, half-life ")
    trial = rows.filter((rows[c.KIND] == TRIAL) & (rows[c.NAME] == "popularity, by region"))
    assert trial[c.VALUE].item() > rows.filter(rows[c.NAME] == "popularity, half-life for ever")[c.VALUE].item()


def test_every_instant_of_a_run_has_the_choice_of_its_as_of(two_regions: Platform) -> None:
    run = _run(two_regions)
    earlier = run.at(run.as_of - timedelta(days=5))
    assert run_config(earlier) == run_config(run)
    assert finer_trials(earlier) is finer_trials(run)
    run.close()
    again = _run(two_regions)
    assert finer_trials(again) == finer_trials(run)
    again.close()


def test_what_the_settings_say_of_popularity_is_not_chosen(two_regions: Platform) -> None:
    named = {"sources": {"popularity": {"half_life_days": 2.0}}}
    run = _run(platform_at(two_regions.home.root, **{**SETTINGS, "retrieval": named}))
    popularity = run_config(run).sources["popularity"].model_dump()
    run.close()
    assert (popularity["half_life_days"], popularity["within"]) == (2.0, None)


def test_where_regions_are_alike_there_is_one_order_for_everybody(tmp_path: Path) -> None:
    run = _run(_landed(tmp_path, differ=False))
    assert [trial.by for trial in finer_trials(run)] == [c.REGION]
    assert run_config(run).sources["popularity"].model_dump()["within"] is None
    rows = profile_rows(run)
    choice = rows.filter(rows[c.NAME] == "popularity.within")
    run.close()
    assert choice[c.MESSAGE].item() == "one order for everybody"
