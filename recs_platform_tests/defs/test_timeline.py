"""Runs of the command line show in the UI as its own do: asked as the UI's pages ask, through GraphQL."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.tags import REPOSITORY_LABEL_TAG

from recs_platform.defs import launch
from recs_platform.defs.instance import open_instance
from recs_platform.defs.workspace import DEFINITIONS, job_origin
from recs_platform_tests.homes import ignore, land_contract, platform_at

CLICK = {"user_id": "u1", "item_id": "i1", "event_type": "click", "occurred_at": "2024-01-15T00:00:00Z"}
TIMELINE = """query timeline($filter: RunsFilter!) { runsOrError(filter: $filter, limit: 10) { ... on Runs { results {
    id pipelineName repositoryOrigin { id repositoryName repositoryLocationName } startTime endTime } } } }"""
JOB = f"__repository__@{DEFINITIONS}"


def _asked(instance: dg.DagsterInstance, variables: dict[str, Any]) -> list[dict[str, Any]]:
    """The answer of the webserver's schema, without a workspace: runs are read from the instance alone."""
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import EmptyWorkspaceTarget
    from dagster_graphql.schema import create_schema

    with WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as process:
        context = process.create_request_context()
        result = create_schema().execute(TIMELINE, variables=variables, context=context)
    assert result.errors is None
    return result.data["runsOrError"]["results"]


@pytest.mark.filterwarnings("ignore")  # of Dagster's own schema
def test_a_run_of_the_command_line_stands_on_the_timeline_and_under_its_job(tmp_path: Path) -> None:
    platform = platform_at(tmp_path / "home")
    land_contract(platform, "events.jsonl", [CLICK])
    began = datetime.now(UTC).timestamp()
    with open_instance(platform.home) as instance:
        run_id = launch.ingest(platform, instance, ignore).run_id
        for asked in (
            {"statuses": ["SUCCESS"], "updatedAfter": began},
            {"pipelineName": "ingest", "tags": [{"key": REPOSITORY_LABEL_TAG, "value": JOB}]},
        ):
            (run,) = _asked(instance, {"filter": asked})
            assert (run["id"], run["pipelineName"]) == (run_id, "ingest")
            assert run["repositoryOrigin"]["repositoryName"] == "__repository__"
            assert run["repositoryOrigin"]["repositoryLocationName"] == DEFINITIONS


def test_the_location_is_that_of_the_workspace_file() -> None:
    workspace = (Path(__file__).parents[2] / "workspace.yaml").read_text()
    assert f"module_name: {DEFINITIONS}" in workspace
    assert job_origin("build").location_name == DEFINITIONS
