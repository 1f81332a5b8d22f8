"""A folder of models is read whole or refused with the file's name."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recs_platform.contracts.errors import ModelError, UsageError
from recs_platform.contracts.tables import CANDIDATES, EVENTS
from recs_platform.warehouse.model_files import read_model_file
from recs_platform.warehouse.models import load_models
from recs_platform.warehouse.parameters import DEFAULT_PARAMETERS

CONTRACTS = (EVENTS, CANDIDATES)
WriteModel = Callable[..., None]
NOBODY = "given: [{input: \"source('raw', 'no')\", rows: []}]"


@pytest.mark.usefixtures("activity")
def test_models_come_after_what_they_read(folder: Path) -> None:
    models = load_models(folder, CONTRACTS)
    assert [model.name for model in models.all()] == ["staging.stg_events", "features.activity", "marts.busiest"]
    assert models.upstreams("marts.busiest") == ("raw.events", "staging.stg_events", "features.activity")
    assert models.upstreams("marts.busiest", transitive=False) == ("features.activity",)
    assert [model.name for model in models.of("features")] == ["features.activity"]
    assert models.types("features.activity")["event_ids"] == "VARCHAR[]"


def test_a_model_differs_by_as_of_when_anything_it_reads_does(folder: Path, write_model: WriteModel) -> None:
    write_model("staging.weights", "select 1 as weight", {"weight": "double"}, more="config: {materialized: view}")
    write_model("staging.pairs", "select user_id from retrieval.candidates", {"user_id": "varchar"},
                more="config: {materialized: view}")  # fmt: skip
    write_model(
        "staging.users",
        "select user_id from staging.pairs",
        {"user_id": "varchar"},
        more="config: {materialized: view}",
    )
    models = load_models(folder, CONTRACTS)
    assert not models.is_as_of("staging.weights")
    assert models.is_as_of("staging.users")
    assert models.is_as_of("retrieval.candidates")
    assert not models.is_as_of("raw.events")


def test_a_setting_is_part_of_the_identity_of_models_that_name_it(folder: Path, write_model: WriteModel) -> None:
    view = "config: {materialized: view}"
    write_model("staging.gaps", "select $session_gap_minutes as gap", {"gap": "bigint"}, more=view)
    write_model("staging.bounds", "select $outlier_z_max as z", {"z": "double"}, more=view)
    write_model("staging.above", "select gap from staging.gaps", {"gap": "bigint"}, more=view)
    usual = load_models(folder, CONTRACTS)
    same = load_models(folder, CONTRACTS, {**DEFAULT_PARAMETERS, "session_gap_minutes": 30})
    other = load_models(folder, CONTRACTS, {**DEFAULT_PARAMETERS, "session_gap_minutes": 31})
    assert usual.get("staging.gaps").sql == "select 30 as gap"
    assert other.get("staging.gaps").sql == "select 31 as gap"
    assert not usual.is_as_of("staging.gaps")
    assert {model.name: model.hash for model in same} == {model.name: model.hash for model in usual}
    assert {model.name for model in other if model.hash != usual.get(model.name).hash} == {
        "staging.gaps", "staging.above",
    }  # fmt: skip


def test_a_setting_nobody_knows_is_refused_by_file(folder: Path, write_model: WriteModel) -> None:
    write_model("staging.gaps", "select $coffee_breaks as gap", {"gap": "bigint"}, more="config: {materialized: view}")
    with pytest.raises(ModelError, match=r"gaps\.sql: placeholder \$coffee_breaks"):
        load_models(folder, CONTRACTS)


@pytest.mark.usefixtures("activity")
def test_identity_follows_the_sql_of_all_upstream_models_only(folder: Path) -> None:
    before = {model.name: model.hash for model in load_models(folder, CONTRACTS)}
    staging = folder / "staging" / "stg_events.sql"
    staging.write_text("-- a remark\n" + staging.read_text().replace("where", "\n  where"))
    assert {model.name: model.hash for model in load_models(folder, CONTRACTS)} == before
    mart = folder / "marts" / "busiest.sql"
    mart.write_text(mart.read_text().replace("max(", "min("))
    changed = {model.name: model.hash for model in load_models(folder, CONTRACTS)}
    assert [name for name in before if before[name] != changed[name]] == ["marts.busiest"]
    staging.write_text(staging.read_text().replace("<=", "<"))
    changed = {model.name: model.hash for model in load_models(folder, CONTRACTS)}
    assert [name for name in before if before[name] == changed[name]] == []


@pytest.mark.usefixtures("activity")
def test_an_unknown_model_is_the_callers_mistake(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"features\.activity"):
        load_models(folder, CONTRACTS).get("features.nothing")


def test_a_model_without_a_yml_is_refused(folder: Path, write_model: WriteModel) -> None:
    write_model("marts.a", "select 1 as n", {"n": "bigint"})
    (folder / "marts" / "a.yml").unlink()
    with pytest.raises(ModelError, match=r"a\.yml is missing"):
        load_models(folder, CONTRACTS)


def test_a_yml_without_a_model_is_refused(folder: Path, write_model: WriteModel) -> None:
    write_model("marts.a", "select 1 as n", {"n": "bigint"})
    (folder / "marts" / "a.sql").unlink()
    with pytest.raises(ModelError, match=r"no a\.sql"):
        load_models(folder, CONTRACTS)


@pytest.mark.parametrize(
    ("sql", "columns", "more", "reason"),
    [
        ("select 1 as n, 2 as m", {"n": "bigint"}, "", r"a\.yml: .*a\.sql selects, it lacks \['m'\]"),
        ("select 1 as n", {"n": "bigint", "m": "bigint"}, "", r"has \['m'\] too many"),
        ("select 1 as n, 2 as m", {"m": "bigint", "n": "bigint"}, "", "another order"),
        ("select 1 as n", {"n": "hugeint"}, "", "unknown data type"),
        ("select 1 as n", {"n": "bigint"}, "color: red", "color"),
        ("select 1 as n", {"n": "bigint"}, "data_tests: [pretty]", "pretty"),
        ("select 1 as n", {"n": "bigint"}, "data_tests: [{accepted_range: {least: 0}}]", "accepted_range"),
        ("select 1 as n", {"n": "bigint"}, "name: b", "name is 'b'"),
        ("select n from raw.nothing", {"n": "bigint"}, "", r"a\.sql: no table raw\.nothing"),
        ("select n from marts.a", {"n": "bigint"}, "", "marts.a <- marts.a"),
        ("select now() as n", {"n": "timestamptz"}, "", r"a\.sql: .*another result"),
        ("select user_id as n from raw.events where occurred_at < $as_of", {"n": "varchar"}, "", "as as_of"),
        (
            "select 1 as n",
            {"n": "bigint"},
            "unit_tests: [{name: x, model: a, overrides: {vars: {as_of: soon}}, expect: {rows: []}}]",
            "soon",
        ),
        (
            "select 1 as n",
            {"n": "bigint"},
            f"unit_tests: [{{name: x, model: a, {NOBODY}, expect: {{rows: []}}}}]",
            r"contract table raw\.no",
        ),
    ],
)
def test_a_wrong_model_is_refused_by_name(
    folder: Path, write_model: WriteModel, *, sql: str, columns: dict[str, str], more: str, reason: str
) -> None:
    write_model("marts.a", sql, columns, more=more)
    if more.startswith("name"):
        path = folder / "marts" / "a.yml"
        path.write_text(path.read_text().replace("name: a\n    ", "", 1))
    with pytest.raises(ModelError, match=reason):
        load_models(folder, CONTRACTS)


def test_the_example_of_the_readme_is_a_model(folder: Path) -> None:
    readme = Path(__file__).parents[3] / "dbt_like_sql" / "README.md"
    path = folder / "user_example.yml"
    path.write_text(readme.read_text().split("```yml\n")[1].split("```")[0])
    file = read_model_file(path)
    (condition,) = file.model.data_tests
    assert (condition.kind, condition.severity, condition.where) == ("expression_is_true", "warn", "recency_days < 30")
    assert file.unit_tests[0].as_of == datetime(2020, 1, 10, tzinfo=UTC)


def test_keys_of_an_earlier_version_are_refused_with_what_to_write(folder: Path) -> None:
    path = folder / "a.yml"
    path.write_text("name: a\ndescription: Rows\ngrain: [n]\ncolumns: []\n")
    with pytest.raises(ModelError, match=r"a\.yml: 'name' is written models: \[\{name: …, columns: …\}\] now; see "):
        read_model_file(path)


def test_a_grain_names_columns(folder: Path, write_model: WriteModel) -> None:
    write_model("marts.a", "select 1 as n", {"n": "bigint"}, grain="m")
    with pytest.raises(ModelError, match=r"grain \['m'\]"):
        load_models(folder, CONTRACTS)


def test_a_model_cannot_take_the_place_of_a_contract_table(folder: Path, write_model: WriteModel) -> None:
    write_model("raw.events", "select 1 as n", {"n": "bigint"})
    with pytest.raises(ModelError, match="contract table"):
        load_models(folder, CONTRACTS)


def test_models_that_read_each_other_are_refused(folder: Path, write_model: WriteModel) -> None:
    write_model("marts.a", "select n from marts.b", {"n": "bigint"})
    write_model("marts.b", "select n from marts.a", {"n": "bigint"})
    with pytest.raises(ModelError, match=r"marts/a\.sql, .*marts/b\.sql: models read each other"):
        load_models(folder, CONTRACTS)
