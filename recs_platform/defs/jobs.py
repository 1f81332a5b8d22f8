"""The two jobs of assets: `ingest` reads landing, `build` makes everything of one as-of. `forgetting` has one more."""
# Dagster leaves parts of its jobs and selections untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from typing import Any

import dagster as dg

from recs_platform.defs.assets import events

INGEST = "ingest"
BUILD = "build"
LOGGING: dict[str, Any] = {"loggers": {"file": {"config": {}}}}
_INGESTED = dg.AssetSelection.groups(events.GROUP)

ingest_job = dg.define_asset_job(
    INGEST, selection=_INGESTED, config=LOGGING, description="Ingest every new file in landing, exactly once."
)
build_job = dg.define_asset_job(
    BUILD,
    selection=dg.AssetSelection.all() - _INGESTED,
    config=LOGGING,
    description="Everything of one as-of: features, segments, candidates, ranker, lists, reports, release.",
)
JOBS = (ingest_job, build_job)
