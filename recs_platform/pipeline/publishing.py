"""Which tables the analysts' file holds. The file is built in `warehouse.publish`."""
# pyright: reportUnknownParameterType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import uuid
from collections.abc import Sequence
from dataclasses import replace

import polars as pl
import pyarrow as pa

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.tables import (
    CURRENT,
    EVENTS,
    LIST_REFERENCES,
    LISTS,
    PERSONAL_LISTS,
    RELEASES,
    SHARED_LISTS,
    SHORT_LISTS,
    TableContract,
)
from recs_platform.lake.column_types import arrow_schema
from recs_platform.pipeline.platform import Platform
from recs_platform.stages import releases
from recs_platform.stages.releases.references import current_view
from recs_platform.warehouse.meta import META, meta_frames
from recs_platform.warehouse.publish import PublishReport
from recs_platform.warehouse.publish import publish as write_file
from recs_platform.warehouse.published_tables import PublishedTable, published_contract, published_model

# With the release, which `recommendations.current` shows.
REFERENCES = LIST_REFERENCES.with_columns(*(column for column in CURRENT.columns if column.name == c.RELEASE_ID))
RELEASED = (PERSONAL_LISTS, SHARED_LISTS, REFERENCES, RELEASES, SHORT_LISTS)


def publish(platform: Platform, *, keep_older: bool = True) -> PublishReport:
    """Rebuild analytics.duckdb from the lake and the releases. Raises NotReady while nothing was ingested.

    Without `keep_older` no file of an earlier publish stays, which is what removed rows call for.
    """
    if not platform.lake.exists(EVENTS.name):
        raise NotReady("nothing to publish yet: land data and run `recs run` first")
    settings = platform.settings
    return write_file(
        platform.lake,
        platform.home.analytics,
        tables=_tables(platform),
        threads=settings.threads,
        memory_limit_gb=settings.memory_limit_gb,
        temporary=platform.home.temporary,
        events_as_table_max_rows=settings.publish.events_as_table_max_rows,
        as_ofs_max=settings.publish.as_ofs_max,
        publish_id=uuid.uuid4().hex[:12],
        keep_older=keep_older,
    )


def published_contracts(platform: Platform) -> tuple[TableContract, ...]:
    """Contract tables of the file; lists and short lists come from the release in force, histories are no tables."""
    apart = {LISTS.name, SHORT_LISTS.name, SHARED_LISTS.name, LIST_REFERENCES.name}
    return tuple(table for table in platform.contracts if table.name not in apart and table.history_of is None)


def _tables(platform: Platform) -> Sequence[PublishedTable]:
    lake_tables = [published_contract(table) for table in published_contracts(platform)]
    stored = [model for model in platform.models if model.materialized == "table"]
    models = [published_model(model, is_as_of=platform.models.is_as_of(model.name)) for model in stored]
    released = [published_contract(contract, rows) for contract, rows in _released(platform)]
    contracts = (*published_contracts(platform), CURRENT, *RELEASED)
    frames = meta_frames(platform.models, contracts, platform.lineage)
    described = [published_contract(contract, frames[contract.name]) for contract in META]
    current = replace(published_contract(CURRENT), view=current_view())
    return [*lake_tables, *models, *released, current, *described]


def _released(platform: Platform) -> list[tuple[TableContract, pl.DataFrame | pa.Table]]:
    found = releases.list_releases(platform.home)
    if found.is_empty():
        return [(contract, arrow_schema(contract.columns).empty_table()) for contract in RELEASED]
    current = releases.current_release(platform.home).version
    shared = releases.read_shared_lists(platform.home, current)
    return [
        (PERSONAL_LISTS, releases.read_personal_lists(platform.home, current)),
        (SHARED_LISTS, shared.lists),
        (REFERENCES, shared.references.with_columns(pl.lit(current).alias(c.RELEASE_ID))),
        (RELEASES, found),
        (SHORT_LISTS, releases.read_short_lists(platform.home, current)),
    ]
