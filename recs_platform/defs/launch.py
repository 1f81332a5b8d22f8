"""Starts runs in this process, from the command line, and returns their outcome, or what they would do.

Jobs are in `jobs`, the decision to build is in `pipeline.plans`.
"""
# Dagster leaves parts of its metadata untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import dagster as dg

from recs_platform.defs.assembly import definitions_of
from recs_platform.defs.assets.events import replay_config
from recs_platform.defs.jobs import BUILD, INGEST
from recs_platform.defs.running import Outcome, run_build, run_job
from recs_platform.pipeline.ingestion.quarantine import REPLAY_TAG, QuarantineFilter
from recs_platform.pipeline.plans import MODELS_CHANGED, BuildPlan
from recs_platform.pipeline.platform import Platform


@dataclass(frozen=True)
class PlannedAsset:
    """An asset that a build would make: why, and its rows when it was last made, where that is known."""

    name: str
    why: str
    rows: int | None


def ingest(platform: Platform, instance: dg.DagsterInstance, watch: Callable[[str, str], None]) -> Outcome:
    """Run `ingest`. Raises RunFailed."""
    return run_job(instance, definitions_of(platform), INGEST, {}, None, watch)


def replay(
    platform: Platform, instance: dg.DagsterInstance, which: QuarantineFilter, watch: Callable[[str, str], None]
) -> Outcome:
    """Run `ingest` on the chosen files with rejected rows instead of on new files. Raises RunFailed."""
    tags, chosen = {REPLAY_TAG: which.to_tag()}, replay_config(which)
    return run_job(instance, definitions_of(platform), INGEST, tags, None, watch, chosen)


def planned_assets(platform: Platform, instance: dg.DagsterInstance, plan: BuildPlan) -> list[PlannedAsset]:
    """What `build` would make, in an order in which it can be made; nothing where it is up to date."""
    if not plan.runs:
        return []
    made = definitions_of(platform).resolve_job_def(BUILD).asset_layer.executable_asset_keys
    order = definitions_of(platform).resolve_asset_graph().toposorted_asset_keys
    return [
        PlannedAsset(".".join(key.path), _why(".".join(key.path), plan), _last_rows(instance, key))
        for key in order
        if key in made
    ]


def _why(name: str, plan: BuildPlan) -> str:
    """What concerns an asset: its own SQL, or else what all of them are made from."""
    if name in plan.changed_models:
        return "its SQL, or that of a model it reads, changed"
    heads = [reason.partition(":")[0] for reason in plan.reasons]
    return ", ".join(head for head in heads if head != MODELS_CHANGED) or "rebuilt with the changed SQL models"


def _last_rows(instance: dg.DagsterInstance, key: dg.AssetKey) -> int | None:
    event = instance.get_latest_materialization_event(key)
    if event is None or event.asset_materialization is None:
        return None
    rows = event.asset_materialization.metadata.get("dagster/row_count")
    return None if rows is None else int(str(rows.value))


def build(
    platform: Platform,
    instance: dg.DagsterInstance,
    as_of: datetime,
    watch: Callable[[str, str], None],
    known_at: datetime | None = None,
    *,
    forced: bool = False,
    plan: BuildPlan | None = None,
) -> Outcome:
    """Register the as-of, then run `build` for it; raises as `run_build` does."""
    return run_build(platform, definitions_of(platform), instance, as_of, watch, known_at, forced=forced, plan=plan)
