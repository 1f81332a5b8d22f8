from pathlib import Path

import pytest

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.home import Home
from recs_platform.stages.events import land, load_sources
from recs_platform.stages.events.profiling.fit_check import misfit
from recs_platform_tests.unit.stages.events.profiling.exports import write

CONTRACT = load_sources(Path(__file__).parents[5] / "dbt_like_sql" / "sources")["contract"]
GOOD = "user_id,item_id,event_type,occurred_at\nu1,i1,view,2024-01-01\n"


def test_files_of_other_columns_are_refused_with_the_mapping_and_the_way_out(tmp_path):
    folder = write(tmp_path / "mine", **{"events.csv": "timestamp,userId,sku,action\n1,u1,s1,view\n"})
    with pytest.raises(UsageError) as error:
        land(Home(tmp_path / "home"), CONTRACT, folder, dry_run=False, look=misfit)
    assert "it lacks user_id, item_id, event_type, occurred_at; it has timestamp, userId, sku, action" in str(
        error.value
    )
    assert "perhaps userId as user_id, sku as item_id" in str(error.value)
    assert f"recs source new NAME {folder}" in str(error.value)


def test_the_others_are_landed_and_the_odd_ones_named(tmp_path):
    folder = write(
        tmp_path / "mine",
        **{
            "events-1.csv": GOOD,
            "events-2.csv": GOOD.replace(",", ";"),
            "events-3.jsonl": '{"user": "u1", "item": "i1"}\n',
            "users.jsonl": '{"user_id": "u1"}\n',
        },
    )
    report = land(Home(tmp_path / "home"), CONTRACT, folder, dry_run=True, look=misfit)
    assert report.copied == ("contract/events-1.csv", "contract/users.jsonl")
    reasons = dict(report.ignored)
    assert reasons["events-2.csv"] == "its values are separated by ';', not by ','"
    assert "it lacks user_id" in reasons["events-3.jsonl"]
