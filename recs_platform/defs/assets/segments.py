"""Assets of the segments stage: one a SQL model in `models/segments`, and one step for the behavioural clusters."""

import base64
from typing import Any

import dagster as dg
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import BEHAVIOUR_SEGMENTS, CLUSTER_TRIALS, MIGRATIONS, SEGMENT_FACTORS
from recs_platform.defs import metadata
from recs_platform.defs.as_of_assets import Results, as_of_tables
from recs_platform.defs.partitions import run_of
from recs_platform.defs.resources import AsOfResource
from recs_platform.defs.sql_assets import sql_assets
from recs_platform.pipeline.partition_writer import write_frames
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.segments import (
    LIFECYCLE_TABLE,
    TABLES,
    USER_FEATURES,
    Segmented,
    segment_as_of,
)
from recs_platform.stages.segments import users_not_once

GROUP = "segments"
EVERY_USER_ONCE = "every_user_once"
BEHAVIOUR_KEY = metadata.asset_key(BEHAVIOUR_SEGMENTS.name)
SHOWN = 10


def build_assets(platform: Platform) -> list[dg.AssetsDefinition]:
    """The stage's models, in dependency order, and the clusters."""
    return [_behaviour_asset(), *sql_assets(platform, schema="segments", group=GROUP)]


def _behaviour_asset() -> dg.AssetsDefinition:
    @as_of_tables(
        "behaviour",
        TABLES,
        group=GROUP,
        deps=[metadata.asset_key(name) for name in (USER_FEATURES, LIFECYCLE_TABLE)],
        kinds=("python", "scikitlearn", "delta"),
        check_specs=[
            dg.AssetCheckSpec(
                EVERY_USER_ONCE,
                asset=BEHAVIOUR_KEY,
                blocking=True,
                description="Every user of features.user_features has exactly one behavioural segment, no one else has",
            )
        ],
    )
    def behaviour(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> Results:
        """Users clustered by what they do; ids follow those of the as-of before."""
        run = run_of(context, as_of_run)
        segmented = segment_as_of(run)
        for contract in TABLES:
            written = write_frames(run.platform, contract, [segmented.frame(contract)], run.as_of)
            yield dg.MaterializeResult(
                asset_key=metadata.asset_key(contract.name),
                metadata=metadata.table_metadata(written.rows, written.preview) | _shown(contract.name, segmented),
                data_version=dg.DataVersion(written.content),
            )
        with run.models() as models:
            users = models.frame(USER_FEATURES, [c.USER_ID])
            members = models.frame(BEHAVIOUR_SEGMENTS.name, [c.USER_ID])
        yield _every_user_once(users, members)

    return behaviour


def _shown(table: str, segmented: Segmented) -> dict[str, Any]:
    """What an operator looks at: sizes, the choice and the pictures with the members; moves and trials in their own."""
    moves = {name: png for name, png in segmented.plots.items() if name.startswith("migrations")}
    if table == MIGRATIONS.name:
        return _pictures(moves)
    if table == BEHAVIOUR_SEGMENTS.name:
        pictures = {name: png for name, png in segmented.plots.items() if name not in moves}
        numbers = {"clusters": len(segmented.segmentation.segmenter.clusters), "segmenter": segmented.manifest.version}
        return {**_choice(segmented), **numbers, "sizes": _table(segmented.sizes), **_pictures(pictures)}
    if table == CLUSTER_TRIALS.name:
        return {**_choice(segmented), "trials": _table(segmented.frame(CLUSTER_TRIALS))}
    if table == SEGMENT_FACTORS.name:
        return {"page": str(segmented.page)}
    return {}


def _choice(segmented: Segmented) -> dict[str, Any]:
    """The trial the segments are made by."""
    chosen = segmented.frame(CLUSTER_TRIALS).filter(pl.col(c.IS_CHOSEN)).row(0, named=True)
    shown = (c.TRIAL, c.ALGORITHM, c.PARAMETERS, c.SILHOUETTE, c.DAVIES_BOULDIN, c.STABILITY, c.REASON)
    return {"page": str(segmented.page)} | {name: chosen[name] for name in shown if chosen[name] is not None}


def _pictures(plots: dict[str, bytes]) -> dict[str, Any]:
    return {
        f"plot_{name}": dg.MetadataValue.md(f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})")
        for name, png in plots.items()
    }


def _every_user_once(users: pl.DataFrame, members: pl.DataFrame) -> dg.AssetCheckResult:
    wrong = users_not_once(users, members)
    sample = {"sample": _table(wrong.head(SHOWN))} if wrong.height else {}
    return dg.AssetCheckResult(
        asset_key=BEHAVIOUR_KEY,
        check_name=EVERY_USER_ONCE,
        passed=wrong.is_empty(),
        description=f"{wrong.height} of {users.height} users have no segment or more than one",
        metadata={"users": users.height, "failing_users": wrong.height, **sample},
    )


def _table(frame: pl.DataFrame) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md(metadata.markdown_table(frame))
