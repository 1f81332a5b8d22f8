"""Assets of the reranking stage: the lists of an as-of, complete and with reasons. Rules are in `stages.reranking`."""

import dagster as dg
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.regions import REGION_EXCLUSIONS, USER_REGIONS
from recs_platform.contracts.tables import ITEM_NEIGHBOURS, LISTS, RANKED, SHORT_LISTS
from recs_platform.defs import metadata
from recs_platform.defs.as_of_assets import Results, as_of_tables
from recs_platform.defs.partitions import run_of
from recs_platform.defs.resources import AsOfResource
from recs_platform.defs.sql_assets import upstream_keys
from recs_platform.pipeline.as_of_run import CONSUMED, INTERACTIONS, ITEMS, USERS
from recs_platform.pipeline.lists.lists import Lists, list_filters, make_lists
from recs_platform.pipeline.partition_writer import write_frames
from recs_platform.pipeline.platform import Platform
from recs_platform.stages.reranking import COMPLETE

GROUP = "reranking"
LISTS_KEY = metadata.asset_key(LISTS.name)
READS = (
    *(RANKED.name, ITEM_NEIGHBOURS.name, "segments.user_segments"),
    *(INTERACTIONS, CONSUMED, ITEMS, USERS, USER_REGIONS, REGION_EXCLUSIONS),
)
COMPLETE_LISTS = "Every known user has k distinct items at ranks 1 to k, or a row in short_lists"


def build_assets(platform: Platform) -> list[dg.AssetsDefinition]:
    """Lists and short lists, one step."""

    @as_of_tables(
        "recommendations",
        (LISTS, SHORT_LISTS),
        group=GROUP,
        deps=upstream_keys(platform, READS),
        kinds=("python", "polars", "delta"),
        check_specs=[
            dg.AssetCheckSpec(name, asset=LISTS_KEY, blocking=True, description=description)
            for name, description in _promises(platform).items()
        ],
    )
    def recommendations(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> Results:
        """Rules applied, everybody served, each row with a reason that is true."""
        run = run_of(context, as_of_run)
        made = make_lists(run)
        lists = write_frames(run.platform, LISTS, [made.lists], run.as_of)
        short = write_frames(run.platform, SHORT_LISTS, [made.short_lists], run.as_of)
        yield dg.MaterializeResult(
            asset_key=LISTS_KEY,
            metadata=metadata.table_metadata(
                lists.rows,
                lists.preview,
                users=lists.users,
                items=made.lists[c.ITEM_ID].n_unique(),
                filled_rows=made.lists.filter(pl.col(c.SOURCES).list.contains("fallback")).height,
            ),
            data_version=dg.DataVersion(lists.content),
        )
        yield dg.MaterializeResult(
            asset_key=metadata.asset_key(SHORT_LISTS.name),
            metadata=metadata.table_metadata(short.rows, made.short_lists),
            data_version=dg.DataVersion(short.content),
        )
        yield from _checks(made)

    return [recommendations]


def _promises(platform: Platform) -> dict[str, str]:
    """What each check of the lists says, by its name."""
    return {COMPLETE: COMPLETE_LISTS} | {rule.check_name: rule.promised for rule in list_filters(platform)}


def _checks(made: Lists) -> Results:
    for name, failing in made.violations.items():
        sample = metadata.markdown_table(failing.head(metadata.PREVIEW_ROWS))
        yield dg.AssetCheckResult(
            asset_key=LISTS_KEY,
            check_name=name,
            passed=failing.is_empty(),
            description=f"{failing.height} rows fail",
            metadata={"failing_rows": failing.height, "sample": dg.MetadataValue.md(sample)},
        )
