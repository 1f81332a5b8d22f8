"""Lineage names the columns that a column is computed from."""

from collections.abc import Callable
from pathlib import Path

import pytest

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.tables import EVENTS
from recs_platform.warehouse.lineage import ColumnEdge, column_lineage, find_column, lineage_tree, stored_lineage
from recs_platform.warehouse.meta import META, meta_frames
from recs_platform.warehouse.models import load_models


@pytest.mark.usefixtures("activity")
def test_a_column_comes_from_the_columns_in_its_expression(folder: Path) -> None:
    edges = column_lineage(load_models(folder, (EVENTS,)))
    assert [edge for edge in edges if edge.table == "features.activity"] == [
        ColumnEdge("features.activity", "user_id", "staging.stg_events", "user_id"),
        ColumnEdge("features.activity", "value_sum", "staging.stg_events", "value"),
        ColumnEdge("features.activity", "event_ids", "staging.stg_events", "event_id"),
    ]
    assert ColumnEdge("staging.stg_events", "value", "raw.events", "value") in edges


@pytest.mark.usefixtures("activity")
def test_meta_tables_describe_every_table_and_themselves(folder: Path) -> None:
    models = load_models(folder, (EVENTS,))
    frames = meta_frames(models, (EVENTS,), column_lineage(models))
    for contract in META:
        assert frames[contract.name].columns == list(contract.column_names)
        assert frames[contract.name].select(contract.grain).is_duplicated().sum() == 0
    tables = {row["table_name"]: row for row in frames["meta.tables"].to_dicts()}
    assert set(tables) == {"raw.events", *(contract.name for contract in META), *(model.name for model in models)}
    assert (tables["features.activity"]["kind"], tables["features.activity"]["grain"]) == ("model", "as_of, user_id")
    assert tables["staging.stg_events"]["kind"] == "view"
    columns = frames["meta.columns"].to_dicts()
    assert sum(row["table_name"] == "raw.events" for row in columns) == len(EVENTS.columns)


SHAPES = {
    "select event_id as x from raw.events union all select user_id from raw.events": {"event_id", "user_id"},
    "with parts as (select unnest([event_id, user_id]) as part from raw.events) select part as x from parts": {
        "event_id",
        "user_id",
    },
    "select part as x from raw.events, unnest([event_id]) as parts(part)": {"event_id"},
    "select parts.part as x from raw.events, lateral (select unnest([item_id]) as part) as parts": {"item_id"},
    "select list(value order by event_id) as x from raw.events": {"value", "event_id"},
    "select sum(value) over (partition by user_id order by event_id) as x from raw.events": {
        "value",
        "user_id",
        "event_id",
    },
    "select (select max(value) from raw.events) as x from raw.events": {"value"},
    "select count(*) as x from raw.events": set[str](),
}


@pytest.mark.parametrize(("sql", "expected"), SHAPES.items())
def test_lineage_sees_through_each_shape_of_query(
    folder: Path, write_model: Callable[..., None], sql: str, expected: set[str]
) -> None:
    write_model("marts.a", sql, {"x": "varchar"})
    assert {edge.upstream_column for edge in column_lineage(load_models(folder, (EVENTS,)))} == expected


@pytest.mark.usefixtures("activity")
def test_a_tree_goes_down_to_what_python_writes_and_shows_a_column_once(folder: Path) -> None:
    models = load_models(folder, (EVENTS,))
    edges = column_lineage(models)
    root = lineage_tree(models, edges, "features.activity", "value_sum")
    (view,) = root.upstream
    (raw,) = view.upstream
    assert [(node.name, node.kind) for node in (root, view, raw)] == [
        ("features.activity.value_sum", "table"),
        ("staging.stg_events.value", "view"),
        ("raw.events.value", "contract"),
    ]
    doubled = [*edges, ColumnEdge("features.activity", "as_of", "staging.stg_events", "value")]
    whole = lineage_tree(models, doubled, "features.activity")
    shown = [below for column in whole.upstream for below in column.upstream if below.name == view.name]
    assert [(bool(node.upstream), node.is_above) for node in shown] == [(True, False), (False, True)]


@pytest.mark.usefixtures("activity")
def test_stored_lineage_looks_through_views(folder: Path) -> None:
    models = load_models(folder, (EVENTS,))
    assert stored_lineage(models, column_lineage(models), "features.activity") == [
        ColumnEdge("features.activity", "user_id", "raw.events", "user_id"),
        ColumnEdge("features.activity", "value_sum", "raw.events", "value"),
        ColumnEdge("features.activity", "event_ids", "raw.events", "event_id"),
    ]


@pytest.mark.usefixtures("activity")
def test_a_name_that_is_none_is_answered_with_those_like_it(folder: Path) -> None:
    models = load_models(folder, (EVENTS,))
    assert find_column(models, "features.activity.value_sum") == ("features.activity", "value_sum")
    assert find_column(models, "features.activity.vs") == ("features.activity", "value_sum")
    with pytest.raises(UsageError, match=r"did you mean features\.activity"):
        find_column(models, "features.activty")
    with pytest.raises(UsageError, match="did you mean value_sum"):
        find_column(models, "features.activity.value_sun")
    with pytest.raises(UsageError, match=r"no column 'qqq'; there are: (\w+, ){14}\w+ and \d+ more") as refused:
        find_column(models, "raw.events.qqq")
    assert len(str(refused.value)) < 300
