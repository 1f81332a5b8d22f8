"""Sealing the lists of an as-of as a release. What a release is belongs to the stage."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from datetime import datetime

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.tables import LISTS, SHORT_LISTS
from recs_platform.pipeline.data_versions import data_version, known_files
from recs_platform.pipeline.platform import Platform
from recs_platform.stages import releases
from recs_platform.warehouse.hashing import content_hash


def release_lists(platform: Platform, at: datetime, known: datetime, *, sealed_at: datetime) -> Manifest:
    """Seal the lake's lists of this as-of; the same content again is the release that is there."""
    with platform.model_run(at, known) as run:
        lists = run.frame(LISTS.name).sort(c.USER_ID, c.RANK)
        short_lists = run.frame(SHORT_LISTS.name).sort(c.USER_ID)
    with platform.connection() as con:
        # Without a list for anybody, why there is none is all that the release holds.
        con.register("released", (short_lists if lists.is_empty() else lists).to_arrow())
        con.execute("create table lists as from released")
        digest = content_hash(con, "lists")
    return releases.seal_release(
        platform.home,
        lists=lists,
        short_lists=short_lists,
        as_of=at,
        known_at=known,
        data_version=data_version(known_files(platform, known), at),
        seed=platform.settings.seed,
        ranker_version=lists[c.RANKER_VERSION][0] if lists.height else "none",
        content_hash=digest,
        sealed_at=sealed_at,
    )
