"""Assets of the segments stage: one a SQL model in `models/segments`."""

import dagster as dg

from recs_platform.defs.platform import Platform
from recs_platform.defs.sql_assets import sql_assets

GROUP = "segments"


def build_assets(platform: Platform) -> list[dg.AssetsDefinition]:
    """The stage's models, in dependency order."""
    return sql_assets(platform, schema="segments", group=GROUP)
