"""A model in the home has its asset, checks and place in the graph; a broken one is told and stops nothing."""

from datetime import timedelta
from pathlib import Path

import dagster as dg

from recs_platform.defs.assembly import build_definitions
from recs_platform.pipeline.platform import Platform
from recs_platform_tests.homes import CommandLine, copy_home
from recs_platform_tests.unit.warehouse.conftest import yml
from recs_platform_tests.worlds import TINY

SQL = """select $as_of as as_of, user_id, count(*) as event_count,
from staging.stg_interactions
group by user_id
"""
COLUMNS = {"as_of": "timestamptz", "user_id": "varchar", "event_count": "bigint"}


def test_a_home_model_is_built_and_checked_and_a_broken_one_is_named(
    taken_in: Platform, recs: CommandLine, tmp_path: Path
) -> None:
    platform = copy_home(taken_in, tmp_path / "home", data_tests=True)
    folder = platform.home.models / "features"
    folder.mkdir(parents=True)
    (folder / "mine.sql").write_text(SQL)
    (folder / "mine.yml").write_text(yml("mine", COLUMNS, grain="user_id"))
    (folder / "odd.sql").write_text("selec 1")
    graph = build_definitions(platform).resolve_asset_graph()
    key = dg.AssetKey(["features", "mine"])
    assert graph.has(key)
    assert "unique" in {check.name for check in graph.get_check_keys_for_assets({key})}
    assert dg.AssetKey(["features", "odd"]) not in graph.get_all_asset_keys()
    as_of = TINY.start + timedelta(days=TINY.days)
    with platform.model_run(as_of, as_of + timedelta(days=4000), scratch=True) as run:
        assert run.frame("features.mine").height > 0
    status = recs(platform.home.root, "status")[1]
    assert "features.odd" in status
