"""Assets of the features stage: one a SQL model in `models/features`. Nothing here knows a feature by name."""

import dagster as dg

from recs_platform.defs.platform import Platform
from recs_platform.defs.sql_assets import sql_assets

GROUP = "features"


def build_assets(platform: Platform) -> list[dg.AssetsDefinition]:
    """The stage's models, in dependency order."""
    return sql_assets(platform, schema="features", group=GROUP)
