"""What an alarm of drift says a feature is computed from: columns that were ingested, whatever lies between."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from recs_platform.pipeline.report_inputs import RunInputs
from recs_platform_tests.homes import platform_at


def test_behind_a_feature_stand_columns_that_nothing_computed(tmp_path: Path) -> None:
    platform = platform_at(tmp_path / "home")
    inputs = RunInputs(cast("Any", SimpleNamespace(platform=platform)))
    models = {model.name for model in platform.models}
    found = {table: inputs.origins(table) for table in ("features.user_features", "features.item_features")}
    computed = {
        f"{table}.{column}": [name for name in names if name.rpartition(".")[0] in models]
        for table, columns in found.items()
        for column, names in columns.items()
    }
    assert {column: names for column, names in computed.items() if names} == {}
    # It is read of another feature table, which is made of the log.
    assert "raw.events.occurred_at" in found["features.user_features"]["recency_days"]
