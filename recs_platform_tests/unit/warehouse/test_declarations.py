"""What the ranker reads must say what it measures; the rest may."""

from pathlib import Path

import pytest

from recs_platform.contracts.errors import ModelError
from recs_platform.warehouse.declarations import check_columns, check_features
from recs_platform.warehouse.model_files import read_model_file

META = {"unit": "days", "scope": "user", "missing": "never"}
RANGE = "{accepted_range: {min_value: 0}}"
TESTS = f"[not_null, {RANGE}]"


@pytest.mark.parametrize(
    ("changed", "tests", "lacking"),
    [
        ({"unit": None}, TESTS, "unit"),
        ({"scope": None}, TESTS, "scope"),
        ({"missing": None}, TESTS, "missing"),
        ({}, "[not_null]", "an accepted_range or accepted_values test"),
        ({}, f"[{RANGE}]", "a not_null test"),
        ({"missing": "constant"}, f"[{RANGE}]", "a not_null test"),
        ({}, TESTS, None),
        ({"missing": "left"}, "[{accepted_values: {values: [0, 1]}}]", None),
    ],
)
def test_a_feature_states_unit_scope_missing_and_range(
    tmp_path: Path, changed: dict[str, str | None], tests: str, lacking: str | None
) -> None:
    keys = ", ".join(f"{key}: {value}" for key, value in {**META, **changed}.items() if value is not None)
    path = tmp_path / "users.yml"
    path.write_text(
        "models:\n  - name: users\n    description: Rows\n    meta: {grain: [user_id]}\n    columns:\n"
        "      - {name: user_id, data_type: varchar, description: The user}\n"
        "      - {name: age, data_type: bigint, description: It, "
        f"meta: {{feature: true, {keys}}}, data_tests: {tests}}}\n"
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
            f"models:\n  - name: users\n    description: Rows\n    config: {{materialized: {materialized}}}\n"
            "    meta: {grain: [seen_at]}\n    columns:\n"
            f"      - {{name: seen_at, data_type: '{dtype}', description: When}}\n"
        )
        file = read_model_file(path)
        if materialized == "view":
            check_columns(path, file, ["seen_at"])
        else:
            with pytest.raises(ModelError, match=r"users\.yml: \['seen_at'\] are TIMESTAMP.*use TIMESTAMPTZ"):
                check_columns(path, file, ["seen_at"])
