"""Sealing the lists of an as-of as a release, with the bundle that serves them.

Releases and bundles themselves are in `stages.releases`.
"""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.manifests import Manifest, content_key
from recs_platform.contracts.tables import LIST_REFERENCES, LISTS, SHARED_LISTS, SHORT_LISTS, SURFACE_LISTS, VERDICTS
from recs_platform.contracts.time import as_of_key
from recs_platform.pipeline.as_of_run import USERS, AsOfRun
from recs_platform.pipeline.build_records import build_code, build_settings
from recs_platform.pipeline.lists.active_users import USER_FEATURES
from recs_platform.pipeline.retrieval.embeddings import embeddings_key
from recs_platform.pipeline.retrieval.inputs import IS_OPTED_OUT
from recs_platform.pipeline.served import changing_what_is_served
from recs_platform.pipeline.serving_bundle import bundle_content
from recs_platform.stages import releases
from recs_platform.stages.releases.bundle import seal_bundle
from recs_platform.stages.releases.expiry import list_expiry
from recs_platform.stages.releases.references import SharedRows
from recs_platform.warehouse.hashing import content_hash
from recs_platform.warehouse.runner import ModelRun

# Tables whose rows a release seals.
RELEASED_TABLES = (LISTS.name, SHORT_LISTS.name, SHARED_LISTS.name, LIST_REFERENCES.name, SURFACE_LISTS.name)


def release_lists(run: AsOfRun, *, sealed_at: datetime) -> Manifest:
    """Seal the lake's lists of this as-of; the same content again is the release that is there.

    Raises NotReady where a report blocks the as-of, or none was judged.
    """
    home, rows = run.platform.home, _read(run)
    content = replace(bundle_content(run, rows.lists, rows.surfaces), expiry=rows.expiry)
    # A rollback does not wait while a bundle is written, which takes a minute of a million users.
    with ExitStack() as alone:

        def bundle(release: Manifest) -> Manifest:
            return seal_bundle(
                home,
                release,
                content,
                known_at=run.known_at,
                data_version=run.data_version(),
                before_sealing=lambda: alone.enter_context(changing_what_is_served(home)),
            )

        return releases.seal_release(
            home,
            rows,
            _origin(run, rows.lists),
            content_hash=_digest(run, rows),
            sealed_at=sealed_at,
            before_sealing=bundle,
        )


def _origin(run: AsOfRun, lists: pl.DataFrame) -> releases.ReleaseOrigin:
    platform = run.platform
    return releases.ReleaseOrigin(
        as_of=run.as_of,
        known_at=run.known_at,
        data_version=run.data_version(),
        seed=platform.settings.seed,
        ranker_version=lists[c.RANKER_VERSION][0] if lists.height else "none",
        item_index=embeddings_key(run),
        models=content_key({model.name: model.hash for model in platform.models.all()}),
        settings=content_key(build_settings(platform, run.known_at)),
        code=build_code(platform),
    )


def _read(run: AsOfRun) -> releases.ReleaseRows:
    with run.models() as models:
        _require_release_allowed(models)
        lists = models.frame(LISTS.name).sort(c.USER_ID, c.RANK)
        short_lists = models.frame(SHORT_LISTS.name).sort(c.USER_ID)
        surfaces = models.frame(SURFACE_LISTS.name).sort(c.SURFACE, c.USER_ID, c.RANK)
        shared = SharedRows(models.frame(SHARED_LISTS.name), models.frame(LIST_REFERENCES.name))
        users = pl.concat([each.select(c.USER_ID) for each in (lists, short_lists, shared.references)])
        expiry = _expiry(run, models, users[c.USER_ID].unique())
    return releases.ReleaseRows(lists, short_lists, shared, surfaces, expiry)


def _expiry(run: AsOfRun, models: ModelRun, users: pl.Series) -> pl.DataFrame:
    """Until when the lists of the users are meant; of those who opted out nothing they did counts."""
    activity = models.frame(USER_FEATURES, [c.USER_ID, c.ACTIVE_DAY_COUNT_28D])
    # Not the run's: an opt-out that came meanwhile is obeyed.
    opted_out = models.frame(USERS, [c.USER_ID, IS_OPTED_OUT]).filter(pl.col(IS_OPTED_OUT))
    known, settings = activity.join(opted_out, on=c.USER_ID, how="anti"), run.platform.settings.lists
    return list_expiry(users, known, run.as_of, days_min=settings.expires_days_min, days_max=settings.expires_days_max)


def _digest(run: AsOfRun, rows: releases.ReleaseRows) -> str:
    """Hash of all that is sealed, which names the release."""
    # Without a list for anybody, why there is none is all that the release holds.
    digest = _content(run, rows.short_lists if rows.lists.is_empty() else rows.lists)
    if rows.shared is not None and rows.referring_count:
        parts = [digest, _content(run, rows.shared.lists), _content(run, rows.shared.references)]
        digest = content_key({"lists": parts})
    for further in (rows.surfaces, rows.expiry):
        # Releases of before there were any are named without them.
        if further is not None and further.height:
            digest = content_key({"lists": [digest, _content(run, further)]})
    return digest


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
