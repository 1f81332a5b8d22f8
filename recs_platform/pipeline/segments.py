"""The behavioural segments of an as-of: features and the as-of before in, tables, pictures and page out.

Composes the stage with the lake and the artifacts; clustering itself is in `stages.segments`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest, content_key
from recs_platform.contracts.tables import (
    BEHAVIOUR_SEGMENTS,
    CLUSTER_PROFILES,
    CLUSTER_TRIALS,
    MIGRATIONS,
    SEGMENT_FACTORS,
    TableContract,
)
from recs_platform.contracts.time import as_of_key
from recs_platform.lake.artifacts import artifact, library_versions, sealed_versions, write_artifact, write_manifest
from recs_platform.lake.column_types import polars_schema
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.platform import Platform
from recs_platform.stages import segments

USER_FEATURES = "features.user_features"
LIFECYCLE_TABLE = "segments.user_segments"
BEHAVIOUR, LIFECYCLE = "behaviour", "lifecycle"
MEMBER = [c.USER_ID, c.SEGMENT_ID]
USER_SHARE = "user_share"
PREVIOUS = "previous"
TABLES = (BEHAVIOUR_SEGMENTS, CLUSTER_TRIALS, CLUSTER_PROFILES, MIGRATIONS, SEGMENT_FACTORS)


@dataclass(frozen=True)
class Segmented:
    """Rows by table, beside what an operator looks at; `page` is relative to the home."""

    frames: Mapping[str, pl.DataFrame]
    segmentation: segments.Segmentation
    sizes: pl.DataFrame
    plots: Mapping[str, bytes]
    page: Path
    manifest: Manifest

    def frame(self, contract: TableContract) -> pl.DataFrame:
        return self.frames[contract.name]


@dataclass(frozen=True)
class Before:
    """The greatest as-of before this one that has behavioural segments: its members and what made them."""

    as_of: datetime
    version: str
    behaviour: segments.Previous
    lifecycle: pl.DataFrame


def measures(platform: Platform) -> list[segments.Measure]:
    """The user features whose yml has a scaling, in its order."""
    return [
        segments.Measure(column.name, column.missing, column.scaling)
        for column in platform.models.get(USER_FEATURES).columns
        if column.scaling is not None
    ]


def segment_as_of(run: AsOfRun) -> Segmented:
    """Cluster the users of an as-of, seal the segmenter, write the page; writing the tables is left to the asset."""
    platform, at = run.platform, run.as_of
    settings, measured = platform.settings, measures(platform)
    config = segments.SegmentConfig(**settings.segments.model_dump())
    with run.models() as models:
        wanted = dict.fromkeys([c.USER_ID, c.EVENT_COUNT, c.TOP_CATEGORY, *(measure.name for measure in measured)])
        features = models.frame(USER_FEATURES, list(wanted))
        lifecycle = models.frame(LIFECYCLE_TABLE, MEMBER)
    before = previous_segments(run)
    found = segments.segment_users(features, measured, config, seed=settings.seed, previous=before and before.behaviour)
    factors, explanations = _explain(found, lifecycle, seed=settings.seed, users_max=config.fit_users)
    moves = _moves(found, lifecycle, before)
    plots = segments.draw_plots(found.sampled, found.profiles.rows, moves)
    sizes = _sizes(found.members)
    page = platform.home.reports / "segments" / f"{as_of_key(at).replace(':', '')}.html"
    segments.write_page(
        page,
        segments.SegmentsPage(
            as_of=at,
            reason=found.choice.reason,
            sizes=sizes,
            trials=found.choice.rows,
            profiles=found.profiles.rows,
            explanations=explanations,
            plots=plots,
        ),
    )
    rows = (found.members, found.choice.rows, found.profiles.rows, _all(moves), factors)
    return Segmented(
        frames={table.name: frame for table, frame in zip(TABLES, rows, strict=True)},
        segmentation=found,
        sizes=sizes,
        plots=plots,
        page=page.relative_to(platform.home.root),
        manifest=_seal(run, found, before),
    )


def previous_segments(run: AsOfRun) -> Before | None:
    """What ids follow on from; None where no earlier as-of has segments together with their sealed segmenter."""
    platform = run.platform
    sealed = {each.as_of: each for each in sealed_versions(platform.home.artifacts, segments.SEGMENTER)}
    earlier = [each for each in platform.lake.as_ofs(BEHAVIOUR_SEGMENTS.name) if each < run.as_of and each in sealed]
    if not earlier:
        return None
    instant = earlier[-1]
    with run.at(instant).models() as models:
        members, lifecycle = models.frame(BEHAVIOUR_SEGMENTS.name, MEMBER), models.frame(LIFECYCLE_TABLE, MEMBER)
    version = sealed[instant].version
    segmenter = segments.load_segmenter(artifact(platform.home.artifacts, segments.SEGMENTER, version))
    return Before(instant, version, segments.Previous(segmenter, members), lifecycle)


def _explain(
    found: segments.Segmentation, lifecycle: pl.DataFrame, *, seed: int, users_max: int
) -> tuple[pl.DataFrame, list[segments.Explanation]]:
    """Explanations of the clustered users' segments and favourite categories."""
    of_active = found.active.select(c.USER_ID, c.TOP_CATEGORY).join(
        lifecycle.rename({c.SEGMENT_ID: LIFECYCLE}), on=c.USER_ID, how="left", maintain_order="left"
    )
    behaviour = found.active.select(c.USER_ID).join(found.members, on=c.USER_ID, how="left", maintain_order="left")
    targets = {
        BEHAVIOUR: behaviour[c.SEGMENT_ID],
        LIFECYCLE: of_active[LIFECYCLE],
        c.TOP_CATEGORY: of_active[c.TOP_CATEGORY],
    }
    values = segments.filled_values(found.segmenter, found.values)
    return segments.explain_targets(values, found.segmenter.names, targets, users_max=users_max, seed=seed)


def _moves(found: segments.Segmentation, lifecycle: pl.DataFrame, before: Before | None) -> dict[str, pl.DataFrame]:
    """Migrations by segmentation since the as-of before; none without one."""
    if before is None:
        return {}
    then_and_now = {
        LIFECYCLE: (before.lifecycle, lifecycle),
        BEHAVIOUR: (before.behaviour.members, found.members),
    }
    return {
        name: segments.migrations(then, now, segmentation=name, previous_as_of=before.as_of)
        for name, (then, now) in then_and_now.items()
    }


def _all(moves: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """One frame, with the table's columns also where there is no row."""
    if moves:
        return pl.concat(moves.values())
    return pl.DataFrame(schema=polars_schema(column for column in MIGRATIONS.columns if column.name != c.AS_OF))


def _sizes(members: pl.DataFrame) -> pl.DataFrame:
    """segment_id, segment_name, user_count, user_share; largest first, ties by id."""
    counted = members.group_by(c.SEGMENT_ID, c.SEGMENT_NAME).agg(pl.len().cast(pl.Int64).alias(c.USER_COUNT))
    share = (pl.col(c.USER_COUNT) / pl.col(c.USER_COUNT).sum()).alias(USER_SHARE)
    return counted.with_columns(share).sort([c.USER_COUNT, c.SEGMENT_ID], descending=[True, False])


def _seal(run: AsOfRun, found: segments.Segmentation, before: Before | None) -> Manifest:
    """Seal it as `artifacts/segmenter/<as_of>-<hash>`: each build its own, so that the last is that of the lake."""
    platform, now, fitted = run.platform, datetime.now(UTC), found.segmenter.model_dump(mode="json")
    version = f"{as_of_key(run.as_of).replace(':', '')}-{content_key({'segmenter': fitted, 'sealed_at': now})}"
    manifest = Manifest(
        name=segments.SEGMENTER,
        version=version,
        as_of=run.as_of,
        known_at=run.known_at,
        data_version=hashlib.sha256(found.values.tobytes()).hexdigest()[:16],
        seed=platform.settings.seed,
        parameters=platform.settings.segments.model_dump(mode="json"),
        inputs={} if before is None else {PREVIOUS: before.version},
        metrics={"users": float(len(found.values)), "clusters": float(len(found.segmenter.clusters))},
        libraries=library_versions("numpy", "scikit-learn", "scipy"),
        sealed_at=now,
    )
    with write_artifact(platform.home.artifacts, segments.SEGMENTER, version) as folder:
        segments.save_segmenter(folder, found.segmenter)
        write_manifest(folder, manifest)
    return manifest
