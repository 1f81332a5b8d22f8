"""The command that shows what `recs run` would do. Both use the decision of `pipeline.plans`."""
# typer leaves the callbacks of its options untyped.
# pyright: reportUnknownMemberType=false

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recs_platform.cli.graph import read_as_of
from recs_platform.cli.house import find_dagster, find_platform
from recs_platform.cli.show import put_json, put_table, say
from recs_platform.contracts import columns as c
from recs_platform.contracts.time import as_of_key

if TYPE_CHECKING:
    from recs_platform.defs.launch import PlannedAsset
    from recs_platform.pipeline.plans import BuildPlan
    from recs_platform.pipeline.platform import Platform
    from recs_platform.stages.events import IngestReport

COUNTED = [
    c.SOURCE_FILE, c.CONTRACT_TABLE, c.RAW_RECORDS, c.ROWS_READ, c.ROWS_ACCEPTED, c.ROWS_QUARANTINED, c.ROWS_DUPLICATE,
]  # fmt: skip


def plan(
    as_of: Annotated[str | None, typer.Option("--as-of", help="A date (midnight UTC) or 2017-02-20T15.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also after now, or long after the last event.")] = False,
) -> None:
    """What `recs run` would ingest and build, why, and how many rows; nothing is changed.

    New files are read and every row is validated, so it takes as long as ingesting them. Example: recs plan
    """
    instant = None if as_of is None else read_as_of(as_of, force=force)
    platform = find_platform()
    from recs_platform.defs import launch
    from recs_platform.pipeline.event_gap import far_events
    from recs_platform.pipeline.ingestion import ingest as ingestion
    from recs_platform.pipeline.plans import plan_build

    now = datetime.now(UTC)
    with platform.connection() as con:
        arriving = ingestion.dry_run_ingest(platform, con, now=now, progress=say)
    at = _planned(platform, arriving, instant, now, force=force)
    build = plan_build(platform, at, now, arriving)
    caution = far_events(platform, now, at, arriving.event_days) if instant is None else None
    with find_dagster(platform) as instance:
        assets = launch.planned_assets(platform, instance, build)
    if caution is not None:
        say(caution)
    for name, fault in platform.models.broken.items():
        say(f"model left out: {name}: {fault}")
    for fault in platform.own_rules.broken.values():
        say(f"rule that cannot be used, so that no list can be made: {fault}")
    if as_json:
        put_json(_as_json(arriving, build, assets))
    else:
        _show(arriving, build, assets)


def _planned(
    platform: "Platform", arriving: "IngestReport", instant: datetime | None, now: datetime, *, force: bool
) -> datetime:
    """The as-of to plan for: the one given, rejected where `recs run` rejects it, or the default."""
    from recs_platform.pipeline.event_span import require_not_late
    from recs_platform.pipeline.plans import planned_as_of

    if instant is not None and force:
        return instant
    default = planned_as_of(platform, arriving, now)
    if instant is None:
        return default
    require_not_late(instant, default)
    return instant


def _as_json(arriving: "IngestReport", build: "BuildPlan", assets: "Sequence[PlannedAsset]") -> dict[str, Any]:
    return {
        "as_of": as_of_key(build.as_of),
        "ingest": {
            "runs": bool(arriving.files),
            "files": [{name: getattr(file, name) for name in COUNTED} for file in arriving.files],
            "settling": arriving.settling,
            "refused": dict(arriving.rejected),
            "unknown": arriving.unknown_files,
        },
        "build": {
            "runs": build.runs,
            "reasons": build.reasons,
            "release": build.release,
            "new_rows": [asdict(row) for row in build.new_rows],
            "changed_models": build.changed_models,
            "built_since": build.built_since,
            "assets": [asdict(asset) for asset in assets],
        },
    }


def _show(arriving: "IngestReport", build: "BuildPlan", assets: "Sequence[PlannedAsset]") -> None:
    if arriving.files:
        typer.echo(f"ingest: {len({file.source_file for file in arriving.files})} new files")
        put_table(COUNTED, [[getattr(file, name) for name in COUNTED] for file in arriving.files])
    else:
        typer.echo("ingest: nothing new in landing")
    for name in arriving.settling:
        typer.echo(f"still being written, ingested next time: {name}")
    for name, reason in arriving.rejected:
        typer.echo(f"not ingested: {name}: {reason}")
    if build.built_since:
        typer.echo(f"built separately, since the last whole build if there is one: {', '.join(build.built_since)}")
    if not build.runs:
        typer.echo(f"build {as_of_key(build.as_of)}: {build.verdict}")
        return
    typer.echo(f"build {as_of_key(build.as_of)}: {'; '.join(build.reasons)}")
    put_table(["asset", "why", "rows_last_time"], [[asset.name, asset.why, asset.rows] for asset in assets])


def add_commands(app: typer.Typer) -> None:
    """Put this module's command on the app."""
    app.command()(plan)
