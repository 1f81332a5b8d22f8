"""The two jobs: `ingest` takes landing in, `build` makes everything of one as-of. Assets are not defined here."""
# Dagster leaves parts of its jobs and selections untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from typing import Any

import dagster as dg

from recs_platform.defs.assets import events

INGEST = "ingest"
BUILD = "build"
LOGGING: dict[str, Any] = {"loggers": {"file": {"config": {}}}}
_TAKEN_IN = dg.AssetSelection.groups(events.GROUP)

ingest_job = dg.define_asset_job(
    INGEST, selection=_TAKEN_IN, config=LOGGING, description="Take in every new file in landing, exactly once."
)
build_job = dg.define_asset_job(
    BUILD,
    selection=dg.AssetSelection.all() - _TAKEN_IN,
    config=LOGGING,
    description="Everything of one as-of: features, segments, candidates, ranker, lists, reports, release.",
)
JOBS = (ingest_job, build_job)
