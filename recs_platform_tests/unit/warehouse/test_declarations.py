"""What the ranker reads must say what it measures; the rest may."""

from pathlib import Path

import pytest

from recs_platform.contracts.errors import ModelError
from recs_platform.warehouse.declarations import check_columns, check_features
from recs_platform.warehouse.model_files import read_model_file

WHOLE = {
    "unit": "days",
    "scope": "user",
    "missing": "never",
    "data_tests": "[not_null, {range: {min: 0}}]",
}


@pytest.mark.parametrize(
    ("changed", "lacking"),
    [
        ({"unit": None}, "unit"),
        ({"scope": None}, "scope"),
        ({"missing": None}, "missing"),
        ({"data_tests": "[not_null]"}, "a range or accepted_values test"),
        ({"data_tests": "[{range: {min: 0}}]"}, "a not_null test"),
        ({"missing": "constant", "data_tests": "[{range: {min: 0}}]"}, "a not_null test"),
        ({}, None),
        ({"missing": "left", "data_tests": "[{accepted_values: [0, 1]}]"}, None),
    ],
)
def test_a_feature_states_unit_scope_missing_and_range(
    tmp_path: Path, changed: dict[str, str | None], lacking: str | None
) -> None:
    keys = ", ".join(f"{key}: {value}" for key, value in {**WHOLE, **changed}.items() if value is not None)
    path = tmp_path / "users.yml"
    path.write_text(
        "name: users\ndescription: Rows\ngrain: [user_id]\ncolumns:\n"
        "  - {name: user_id, data_type: varchar, description: The user}\n"
        f"  - {{name: age, data_type: bigint, description: It, feature: true, {keys}}}\n"
    )
    if lacking is None:
        check_features(path, read_model_file(path))
    else:
        with pytest.raises(ModelError, match=rf"users\.yml: the feature age lacks {lacking}$"):
            check_features(path, read_model_file(path))


@pytest.mark.parametrize("dtype", ["timestamp", "timestamp[]"])
def test_a_table_keeps_no_time_without_a_zone(tmp_path: Path, dtype: str) -> None:
    for materialized in ("table", "view"):
        path = tmp_path / "users.yml"
        path.write_text(
            f"name: users\ndescription: Rows\nmaterialized: {materialized}\ngrain: [seen_at]\ncolumns:\n"
            f"  - {{name: seen_at, data_type: '{dtype}', description: When}}\n"
        )
        file = read_model_file(path)
        if materialized == "view":
            check_columns(path, file, ["seen_at"])
        else:
            with pytest.raises(ModelError, match=r"users\.yml: \['seen_at'\] are TIMESTAMP.*use TIMESTAMPTZ"):
                check_columns(path, file, ["seen_at"])
