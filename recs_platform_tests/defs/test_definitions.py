"""What Dagster shows before anything ran: eight groups, every asset speaking to its reader, nothing read to load it."""

from pathlib import Path

import dagster as dg
import pytest

from recs_platform.defs.assembly import build_definitions
from recs_platform.defs.in_force import IN_FORCE_KEY
from recs_platform.pipeline.platform import Platform
from recs_platform_tests.homes import platform_at

GROUPS = {"events", "features", "segments", "retrieval", "ranking", "reranking", "reports", "releases"}
# Folders of landing are files, not tables.
WITHOUT_TABLE = {
    "retrieval/embeddings", "retrieval/item_index", "ranking/training_set", "ranking/ranker",
    "releases/release", "releases/in_force", "releases/analytics",
}  # fmt: skip


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return platform_at(tmp_path_factory.mktemp("definitions") / "home", data_tests=True)


@pytest.fixture(scope="module")
def definitions(platform: Platform) -> dg.Definitions:
    return build_definitions(platform)


@pytest.fixture(scope="module")
def specs(definitions: dg.Definitions) -> list[dg.AssetSpec]:
    return list(definitions.resolve_all_asset_specs())


def test_they_load_without_a_home_and_create_nothing(platform: Platform, definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)
    assert not platform.home.root.exists()


def test_the_groups_are_the_eight_stages(specs: list[dg.AssetSpec]) -> None:
    assert {spec.group_name for spec in specs} == GROUPS


def test_every_asset_says_what_it_is_and_whose(specs: list[dg.AssetSpec]) -> None:
    for spec in specs:
        name = spec.key.to_user_string()
        assert spec.description, f"{name} has no description"
        assert len(spec.description) > len("One row a user"), f"{name} says too little"
        assert spec.owners, f"{name} has no owner"
        assert spec.kinds, f"{name} has no kind"


def test_every_table_shows_its_name_and_its_described_columns(specs: list[dg.AssetSpec]) -> None:
    tables = [spec for spec in specs if spec.key.to_user_string() not in WITHOUT_TABLE and not _is_landing(spec)]
    for spec in tables:
        name = spec.key.to_user_string()
        assert spec.metadata.get("dagster/table_name"), f"{name} has no table name"
        schema = spec.metadata.get("dagster/column_schema")
        assert isinstance(schema, dg.TableSchema), f"{name} has no column schema"
        assert schema.columns
        assert all(column.description for column in schema.columns), f"{name} has columns without a description"


def test_what_has_no_table_claims_none(specs: list[dg.AssetSpec]) -> None:
    silent = {spec.key.to_user_string() for spec in specs if "dagster/table_name" not in spec.metadata}
    landed = {spec.key.to_user_string() for spec in specs if _is_landing(spec)}
    assert silent == WITHOUT_TABLE | landed


def _is_landing(spec: dg.AssetSpec) -> bool:
    return spec.key.path[0] == "landing"


def test_folders_of_landing_are_what_the_events_come_from(platform: Platform, definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    landed = {dg.AssetKey(["landing", source]) for source in platform.sources}
    assert landed <= graph.external_asset_keys
    assert graph.get(dg.AssetKey(["raw", "events"])).parent_keys == landed


def test_every_asset_links_its_code_and_shows_its_sql(platform: Platform, specs: list[dg.AssetSpec]) -> None:
    models = {model.name: model for model in platform.models if model.materialized == "table"}
    for spec in specs:
        name = ".".join(spec.key.path)
        if _is_landing(spec) or spec.key == IN_FORCE_KEY:
            continue  # no step makes them
        linked = spec.metadata["dagster/code_references"].value.code_references
        files = {reference.label: Path(reference.file_path) for reference in linked}
        assert all(file.is_file() for file in files.values()), name
        assert "defs" in files["Python"].parts, name
        if name in models:
            assert files["SQL"] == models[name].path.absolute()
            assert models[name].path.read_text().strip() in str(spec.metadata["sql"].value)


def test_tags_say_what_a_release_needs_and_what_is_about_people(specs: list[dg.AssetSpec]) -> None:
    tags = {spec.key.to_user_string(): (spec.tags["tier"], spec.tags["personal_data"]) for spec in specs}
    assert tags["raw/events"] == tags["recommendations/lists"] == tags["releases/release"] == ("release", "yes")
    assert tags["retrieval/item_index"] == tags["reports/verdicts"] == ("release", "no")
    assert tags["marts/bot_like_users"] == ("insight", "yes")
    assert tags["marts/daily_engagement"] == ("insight", "no")
    # A rejected record holds the ids that it came with.
    assert tags["raw/quarantine"][1] == tags["landing/contract"][1] == "yes"


def test_only_the_events_and_what_is_in_force_have_no_as_of(specs: list[dg.AssetSpec]) -> None:
    for spec in specs:
        partitions = spec.partitions_def
        if spec.group_name == "events" or spec.key == IN_FORCE_KEY:
            assert partitions is None
        else:
            assert isinstance(partitions, dg.DynamicPartitionsDefinition)
            assert partitions.name == "as_of"


def test_every_dependency_is_an_asset_of_the_graph(specs: list[dg.AssetSpec]) -> None:
    keys = {spec.key for spec in specs}
    for spec in specs:
        assert {dep.asset_key for dep in spec.deps} <= keys, spec.key.to_user_string()


def test_lists_are_guarded_by_blocking_checks(definitions: dg.Definitions) -> None:
    checks = {
        spec.name: spec.blocking
        for asset in definitions.assets or ()
        if isinstance(asset, dg.AssetsDefinition)
        for spec in asset.check_specs
        if spec.asset_key == dg.AssetKey(["recommendations", "lists"])
    }
    promises = (
        *("lists_are_complete", "nothing_consumed", "only_available", "only_where_offered"),
        *("nothing_dismissed", "nothing_shown_too_often"),
    )
    assert checks == dict.fromkeys(promises, True)


def test_every_sql_table_has_blocking_checks(platform: Platform, definitions: dg.Definitions) -> None:
    checked = {
        spec.asset_key
        for asset in definitions.assets or ()
        if isinstance(asset, dg.AssetsDefinition)
        for spec in asset.check_specs
        if spec.blocking
    }
    tables = {dg.AssetKey(model.name.split(".")) for model in platform.models if model.materialized == "table"}
    assert tables <= checked


def test_there_are_jobs_sensors_and_schedules_all_off(definitions: dg.Definitions) -> None:
    assert {job.name for job in definitions.jobs or ()} == {
        "ingest", "build", "daily_release", "rebuild_features", "retrain_ranker", "replay_quarantine",
        "evaluate", "tune",
        "rollback_release", "withdraw_release", "publish", "forget_user", "forget_waiting", "prune",
    }  # fmt: skip
    assert {sensor.name for sensor in definitions.sensors or ()} == {
        "landing_sensor",
        "new_events_sensor",
        "drift_sensor",
        "failure_sensor",
        "forget_sensor",
    }
    assert {schedule.name for schedule in definitions.schedules or ()} == {
        "daily_build",
        "weekly_retraining",
        "weekly_prune",
    }
    assert definitions.resolve_sensor_def("landing_sensor").default_status is dg.DefaultSensorStatus.STOPPED
    assert definitions.resolve_schedule_def("daily_build").default_status is dg.DefaultScheduleStatus.STOPPED


def test_jobs_of_parts_make_just_these_parts(definitions: dg.Definitions) -> None:
    def made(job: str) -> set[str]:
        return {key.to_user_string() for key in definitions.resolve_job_def(job).asset_layer.executable_asset_keys}

    assert made("retrain_ranker") == {
        "ranking/training_set", "ranking/ranker", "ranking/champion", "reports/promotions"
    }  # fmt: skip
    assert {name.split("/")[0] for name in made("rebuild_features")} == {"events", "features", "segments"}
    assert made("replay_quarantine") == made("ingest")
