"""Lineage names the columns that a column is computed from."""

from pathlib import Path

import pytest

from recs_platform.contracts.tables import EVENTS
from recs_platform.warehouse.lineage import ColumnEdge, column_lineage
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
    frames = meta_frames(models, (EVENTS,))
    for contract in META:
        assert frames[contract.name].columns == list(contract.column_names)
        assert frames[contract.name].select(contract.grain).is_duplicated().sum() == 0
    tables = {row["table_name"]: row for row in frames["meta.tables"].to_dicts()}
    assert set(tables) == {"raw.events", *(contract.name for contract in META), *(model.name for model in models)}
    assert (tables["features.activity"]["kind"], tables["features.activity"]["grain"]) == ("model", "as_of, user_id")
    assert tables["staging.stg_events"]["kind"] == "view"
    columns = frames["meta.columns"].to_dicts()
    assert sum(row["table_name"] == "raw.events" for row in columns) == len(EVENTS.columns)
