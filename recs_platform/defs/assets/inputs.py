"""The asset events/inputs: the input files of an as-of. Everything built from them is stale once they change."""

import dagster as dg

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import INPUTS
from recs_platform.defs import metadata
from recs_platform.defs.as_of_assets import Results, as_of_asset
from recs_platform.defs.partitions import INPUTS_KEY, run_of
from recs_platform.defs.resources import AsOfResource
from recs_platform.defs.sql_assets import upstream_keys
from recs_platform.defs.staleness import input_tags
from recs_platform.pipeline.build_records import run_basis
from recs_platform.pipeline.data_versions import CATALOGUE, FILES, OMISSIONS
from recs_platform.pipeline.partition_writer import write_frames
from recs_platform.pipeline.platform import Platform

GROUP = "features"


def build_assets(platform: Platform) -> list[dg.AssetsDefinition]:
    """One asset, which comes first in a build."""

    @as_of_asset(
        INPUTS_KEY,
        group=GROUP,
        deps=upstream_keys(platform, (FILES, OMISSIONS, *CATALOGUE)),
        kinds=("duckdb", "delta"),
        description=f"{INPUTS.description}. Later events are not part of it, so they make nothing of this as-of stale.",
        schema=metadata.contract_schema(INPUTS),
    )
    def inputs(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> Results:
        run = run_of(context, as_of_run)
        basis = run_basis(run)
        written = write_frames(run.platform, INPUTS, [basis.files], run.as_of)
        yield dg.MaterializeResult(
            metadata=metadata.table_metadata(
                written.rows,
                written.preview,
                rows_that_count=int(basis.files[c.ROW_COUNT].sum()),
                release_before=basis.previous or "none",
            ),
            data_version=dg.DataVersion(basis.inputs_version),
            tags=input_tags(run, basis.contents_key),
        )

    return [inputs]
