"""Sealing the lists of an as-of as a release, with the bundle that serves them.

Releases and bundles themselves are in `stages.releases`.
"""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from datetime import datetime

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.manifests import Manifest, content_key
from recs_platform.contracts.tables import LIST_REFERENCES, LISTS, SHARED_LISTS, SHORT_LISTS, SURFACE_LISTS, VERDICTS
from recs_platform.contracts.time import as_of_key
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.serving_bundle import bundle_content
from recs_platform.stages import releases
from recs_platform.stages.releases.bundle import seal_bundle
from recs_platform.stages.releases.references import SharedRows
from recs_platform.warehouse.hashing import content_hash
from recs_platform.warehouse.runner import ModelRun

# Tables whose rows a release seals.
RELEASED_TABLES = (LISTS.name, SHORT_LISTS.name, SHARED_LISTS.name, LIST_REFERENCES.name, SURFACE_LISTS.name)


def release_lists(run: AsOfRun, *, sealed_at: datetime) -> Manifest:
    """Seal the lake's lists of this as-of; the same content again is the release that is there.

    Raises NotReady where a report blocks the as-of, or none was judged.
    """
    with run.models() as models:
        _require_release_allowed(models)
        lists = models.frame(LISTS.name).sort(c.USER_ID, c.RANK)
        short_lists = models.frame(SHORT_LISTS.name).sort(c.USER_ID)
        surfaces = models.frame(SURFACE_LISTS.name).sort(c.SURFACE, c.USER_ID, c.RANK)
        shared = SharedRows(models.frame(SHARED_LISTS.name), models.frame(LIST_REFERENCES.name))
    # Without a list for anybody, why there is none is all that the release holds.
    digest = _content(run, short_lists if lists.is_empty() else lists)
    if shared.references.height:
        parts = [digest, _content(run, shared.lists), _content(run, shared.references)]
        digest = content_key({"lists": parts})

    if surfaces.height:
        digest = content_key({"lists": [digest, _content(run, surfaces)]})

    def bundle(release: Manifest) -> Manifest:
        content = bundle_content(run, lists, surfaces)
        return seal_bundle(run.platform.home, release, content, known_at=run.known_at, data_version=run.data_version())

    return releases.seal_release(
        run.platform.home,
        lists=lists,
        short_lists=short_lists,
        shared=shared,
        surfaces=surfaces,
        as_of=run.as_of,
        known_at=run.known_at,
        data_version=run.data_version(),
        seed=run.platform.settings.seed,
        ranker_version=lists[c.RANKER_VERSION][0] if lists.height else "none",
        content_hash=digest,
        sealed_at=sealed_at,
        before_sealing=bundle,
    )


def _content(run: AsOfRun, rows: pl.DataFrame) -> str:
    with run.platform.connection() as con:
        con.register("released", rows.to_arrow())
        con.execute("create table lists as from released")
        return content_hash(con, "lists")


def _require_release_allowed(models: ModelRun) -> None:
    judged = models.frame(VERDICTS.name, [c.REPORT, c.SUBJECT, c.VERDICT], ordered=False)
    if judged.is_empty():
        raise NotReady(f"no report has a verdict for {as_of_key(models.as_of)}; materialize reports/verdicts first")
    blocking = judged.filter(pl.col(c.VERDICT) == "block").sort(c.REPORT, c.SUBJECT)
    if blocking.height:
        named = ", ".join(f"{report} ({subject})" for report, subject, _ in blocking.iter_rows())
        raise NotReady(f"reports block the release of {as_of_key(models.as_of)}: {named}")
