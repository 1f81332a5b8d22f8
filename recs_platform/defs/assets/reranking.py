"""Assets of the reranking stage: the lists of an as-of, complete and with reasons. Rules are in `stages.reranking`."""

from typing import Any

import dagster as dg
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.regions import REGION_EXCLUSIONS, USER_REGIONS
from recs_platform.contracts.tables import (
    ITEM_NEIGHBOURS,
    LIST_REFERENCES,
    LISTS,
    RANKED,
    RULE_CONFLICTS,
    SCORE_PARTS,
    SHARED_LISTS,
    SHORT_LISTS,
    SURFACE_LISTS,
    TableContract,
)
from recs_platform.defs import metadata
from recs_platform.defs.as_of_assets import Results, as_of_asset, as_of_tables
from recs_platform.defs.assets.ranking import RANKER_KEY
from recs_platform.defs.partitions import run_of
from recs_platform.defs.resources import AsOfResource
from recs_platform.defs.sql_assets import upstream_keys
from recs_platform.pipeline.as_of_run import CONSUMED, INTERACTIONS, ITEMS, USERS, AsOfRun
from recs_platform.pipeline.contributions import READS as SCORE_PARTS_READ
from recs_platform.pipeline.contributions import write_score_parts
from recs_platform.pipeline.lists.active_users import USER_FEATURES
from recs_platform.pipeline.lists.exploring import ITEM_FEATURES
from recs_platform.pipeline.lists.lists import Lists, list_filters, make_lists
from recs_platform.pipeline.lists.rule_facts import SHOWN_ITEMS
from recs_platform.pipeline.partition_writer import write_frames
from recs_platform.pipeline.platform import Platform
from recs_platform.stages.features import feature_tables
from recs_platform.stages.reranking import COMPLETE

GROUP = "reranking"
LISTS_KEY = metadata.asset_key(LISTS.name)
CONFLICTS_KEY = metadata.asset_key(RULE_CONFLICTS.name)
RULES_ARE_MET = "rules_are_met"
RULES_MET = "Every list holds what the rules of the settings ask for, and what they name is in the catalogue"
READS = (
    *(RANKED.name, ITEM_NEIGHBOURS.name, "segments.user_segments", USER_FEATURES),
    *(INTERACTIONS, CONSUMED, ITEMS, USERS, USER_REGIONS, REGION_EXCLUSIONS, SHOWN_ITEMS),
)
COMPLETE_LISTS = "Every known user has k distinct items at ranks 1 to k, or a row in short_lists"


def build_assets(platform: Platform) -> list[dg.AssetsDefinition]:
    """Lists and short lists, one step."""

    @as_of_tables(
        "recommendations",
        (LISTS, SHORT_LISTS, SHARED_LISTS, LIST_REFERENCES, RULE_CONFLICTS, SURFACE_LISTS),
        group=GROUP,
        deps=upstream_keys(platform, (*READS, *((ITEM_FEATURES,) if platform.settings.exploration.slots else ()))),
        kinds=("python", "polars", "delta"),
        check_specs=[
            *(
                dg.AssetCheckSpec(name, asset=LISTS_KEY, blocking=True, description=description)
                for name, description in _promises(platform).items()
            ),
            dg.AssetCheckSpec(RULES_ARE_MET, asset=CONFLICTS_KEY, description=RULES_MET),
        ],
    )
    def recommendations(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> Results:
        """Rules applied, everybody served, each row with a reason that is true."""
        run = run_of(context, as_of_run)
        made = make_lists(run)
        lists = write_frames(run.platform, LISTS, [made.lists], run.as_of)
        yield dg.MaterializeResult(
            asset_key=LISTS_KEY,
            metadata=metadata.table_metadata(
                lists.rows,
                lists.preview,
                users=lists.users,
                items=made.lists[c.ITEM_ID].n_unique(),
                filled_rows=made.lists.filter(pl.col(c.SOURCES).list.contains("fallback")).height,
                users_who_share_a_list=made.references.height,
                drawn_rows=made.lists.filter(pl.col(c.PROPENSITY) < 1).height,
                users_held_out=made.lists.filter(c.IS_HOLDOUT)[c.USER_ID].n_unique(),
            ),
            data_version=dg.DataVersion(lists.content),
        )
        for contract, frame in (
            (SHORT_LISTS, made.short_lists),
            (SHARED_LISTS, made.shared),
            (LIST_REFERENCES, made.references),
            (RULE_CONFLICTS, made.conflicts),
            (SURFACE_LISTS, made.surfaces),
        ):
            yield _written(run, contract, frame)
        yield from _checks(made)

    return [recommendations, _score_parts(platform)]


def _score_parts(platform: Platform) -> dg.AssetsDefinition:
    """A step of its own: where the settings ask for it, it takes longer than the lists."""
    features = feature_tables(platform.feature_set)

    @as_of_asset(
        metadata.asset_key(SCORE_PARTS.name),
        group=GROUP,
        deps=[*upstream_keys(platform, (*SCORE_PARTS_READ, *features)), RANKER_KEY],
        kinds=("python", "lightgbm", "delta"),
        description="What each listed row's score is made of: the parts that `lists.contributions_kept` asks for.",
        schema=metadata.contract_schema(SCORE_PARTS),
    )
    def score_parts(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> Results:
        run = run_of(context, as_of_run)
        written = write_score_parts(run)
        yield dg.MaterializeResult(
            metadata=metadata.table_metadata(written.rows, written.preview),
            data_version=dg.DataVersion(written.content),
        )

    return score_parts


def _written(run: AsOfRun, contract: TableContract, frame: pl.DataFrame) -> dg.MaterializeResult[Any]:
    columns = [name for name in contract.column_names if name != c.AS_OF]
    written = write_frames(run.platform, contract, [frame.select(columns)], run.as_of)
    return dg.MaterializeResult(
        asset_key=metadata.asset_key(contract.name),
        metadata=metadata.table_metadata(written.rows, frame),
        data_version=dg.DataVersion(written.content),
    )


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
    sample = metadata.markdown_table(made.conflicts.sort(c.USER_COUNT, descending=True).head(metadata.PREVIEW_ROWS))
    yield dg.AssetCheckResult(
        asset_key=CONFLICTS_KEY,
        check_name=RULES_ARE_MET,
        passed=made.conflicts.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{made.conflicts.height} demands of rules are not met by every list",
        metadata={"unmet": made.conflicts.height, "sample": dg.MetadataValue.md(sample)},
    )
