"""Which files an as-of is made from, and one hash of them. Builds made from them are in `build_records`."""

from collections.abc import Mapping
from datetime import UTC, datetime

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import content_key
from recs_platform.contracts.tables import CONSENTS, INGESTIONS, ITEM_TAGS, ITEMS, USERS
from recs_platform.pipeline.platform import Platform

# What is read of the tables of items and users: other rows of them that leave it alone change nothing.
# Tags reach the analysts' file and no model.
_READ_OF = {
    ITEMS.table: ("staging.stg_items", "staging.stg_item_texts"),
    USERS.table: ("staging.stg_users",),
    CONSENTS.table: ("staging.stg_users",),
    ITEM_TAGS.table: (),
}
# Views of the files that count, and of what is left out of them.
FILES, OMISSIONS = "staging.stg_files", "staging.stg_omissions"
CATALOGUE_TABLES = tuple(_READ_OF)
CATALOGUE = tuple(dict.fromkeys(name for names in _READ_OF.values() for name in names))
FIRST_OCCURRED_AT = "first_occurred_at"
ROW_COUNT = c.ROW_COUNT
OPTED_OUT = "opted_out"


def known_files(platform: Platform, known_at: datetime, versions: Mapping[str, int] | None = None) -> pl.DataFrame:
    """Files that contributed rows by `known_at`: contract_table, file_hash, row_count, first_occurred_at.

    What is left out of them is listed like files of their own: `opted_out` users and files with `flagged` events.
    Raw tables named in `versions` are read as they were then.
    """
    with platform.model_run(known_at, known_at, scratch=True, versions=versions) as run:
        files, omissions = run.frame(FILES), run.frame(OMISSIONS)
    left_out = omissions.select(
        pl.col("omission").alias(c.CONTRACT_TABLE),
        pl.col("subject").alias(c.FILE_HASH),
        pl.col(c.EVENT_COUNT).alias(ROW_COUNT),
        FIRST_OCCURRED_AT,
    )
    return pl.concat([files.select(left_out.columns), left_out]).sort(c.CONTRACT_TABLE, c.FILE_HASH)


def catalogue_contents(
    platform: Platform, at: datetime, known_at: datetime, versions: Mapping[str, int] | None = None
) -> dict[str, str]:
    """Hash of what a build as of `at` reads of items, users, consents and tags, by contract table."""
    with platform.model_run(at, known_at, scratch=True, versions=versions) as run:
        hashes = {name: run.content(name) for name in CATALOGUE}
    return {table: content_key({name: hashes[name] for name in read}) for table, read in _READ_OF.items()}


def data_version(files: pl.DataFrame, before: datetime) -> str:
    """Hash of the files that matter before an instant, and of what is left out of them.

    The same in every home that took in the same files and leaves out the same users and events.
    """
    matters = files.filter(pl.col(FIRST_OCCURRED_AT).is_null() | (pl.col(FIRST_OCCURRED_AT) < before))
    return content_key({"files": matters.select(c.CONTRACT_TABLE, c.FILE_HASH, ROW_COUNT).rows()})


def opted_out_version(files: pl.DataFrame, before: datetime) -> str:
    """Hash of the users with events before an instant that nothing may be learned from."""
    opted_out = files.filter((pl.col(c.CONTRACT_TABLE) == OPTED_OUT) & (pl.col(FIRST_OCCURRED_AT) < before))
    return content_key({OPTED_OUT: opted_out[c.FILE_HASH].sort().to_list()})


def last_ingestion(platform: Platform) -> datetime:
    """When a file was ingested last; the first instant of 1970 where none was."""
    files = platform.lake.files(INGESTIONS.name) if platform.lake.exists(INGESTIONS.name) else []
    last = pl.read_parquet(files, columns=[c.INGESTED_AT])[c.INGESTED_AT].max() if files else None
    return last if isinstance(last, datetime) else datetime.fromtimestamp(0, UTC)
