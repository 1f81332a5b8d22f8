"""Labelled windows: the graph rebuilt as of a past cutoff, with what happened next.

A window is cached as a sealed artifact under the hash of everything it was made from, so neighbouring as-ofs share it.
"""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.tables import ITEM_NEIGHBOURS
from recs_platform.lake.artifacts import (
    artifact,
    is_sealed,
    library_versions,
    read_manifest,
    sealed_versions,
    write_artifact,
    write_manifest,
)
from recs_platform.pipeline.artifact_keys import WINDOWS as WINDOWS_KIND
from recs_platform.pipeline.artifact_keys import artifact_key
from recs_platform.pipeline.as_of_run import CONSUMED, INTERACTIONS, ITEMS, STAGED, USER_SEGMENTS, USERS, AsOfRun
from recs_platform.pipeline.candidates.candidate_features import CandidateFeatures
from recs_platform.pipeline.geo_availability import geo_model_hashes, read_geo_availability
from recs_platform.pipeline.item_counts import with_user_counts
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.embeddings import window_embeddings
from recs_platform.pipeline.retrieval.inputs import (
    encode,
    run_config,
    vectors_version,
    with_consent,
    with_profiles,
)
from recs_platform.pipeline.training.splits import (
    PAIR,
    Split,
    hold_out,
    interactions_of,
    later_events,
    leave_out,
)
from recs_platform.pipeline.user_features import HORIZONS_BEFORE, keep_features, register_features
from recs_platform.stages import ranking, retrieval
from recs_platform.stages.features import feature_tables
from recs_platform.warehouse.runner import ModelRun

WINDOWS = "windows"
USERS_MAX = 600
IS_KNOWN_ITEM = "is_known_item"


@dataclass(frozen=True)
class Window:
    """Rows to rank for users who went on to consume something new, with labels.

    `rows`: keys, sources, features, label, cutoff, fold, and what else became of the pair. `held_out`: positives, with
    whether the item was known by the cutoff. `items`: catalogue as of the cutoff with the count of users. `consumed`:
    what the users had consumed. `user_regions`: the availability region of the users. `exclusions`: what may not be
    offered there.
    """

    rows: pl.DataFrame
    held_out: pl.DataFrame
    items: pl.DataFrame
    consumed: pl.DataFrame
    user_regions: pl.DataFrame
    exclusions: pl.DataFrame


def seal_window(run: AsOfRun, split: Split) -> tuple[Manifest, bool]:
    """Build the window and seal it unless it is sealed already; returns its manifest and whether it was reused."""
    root, version = run.platform.home.artifacts, window_key(run, split)
    if is_sealed(root, WINDOWS, version):
        return read_manifest(artifact(root, WINDOWS, version)), True
    built = build_window(run, split)
    manifest = _manifest(run, split, version, built)
    with write_artifact(root, WINDOWS, version) as folder:
        for name, frame in vars(built).items():
            frame.write_parquet(folder / f"{name}.parquet")
        write_manifest(folder, manifest)
    return manifest, False


def is_window_sealed(run: AsOfRun, split: Split) -> bool:
    """Whether `seal_window` has nothing to build."""
    return is_sealed(run.platform.home.artifacts, WINDOWS, window_key(run, split))


def read_window(platform: Platform, version: str) -> Window:
    """The sealed window. Raises NotReady when it was never built."""
    folder = artifact(platform.home.artifacts, WINDOWS, version)
    return Window(*(_read(folder, name) for name in Window.__dataclass_fields__))


def learning_users(platform: Platform, version: str) -> pl.DataFrame:
    """user_id of those from whom a ranker learns in a sealed window: users with a positive among its rows, sorted."""
    file = artifact(platform.home.artifacts, WINDOWS, version) / "rows.parquet"
    rows = pl.scan_parquet(file).filter(pl.col(c.LABEL) > 0).select(c.USER_ID).unique()
    return rows.collect().sort(c.USER_ID)


def prune_windows(platform: Platform, kept: Iterable[Manifest]) -> int:
    """Drop windows of the same cutoffs that were made from other data, code or parameters; returns how many."""
    kept = list(kept)
    versions = {manifest.version for manifest in kept}
    cutoffs = {manifest.as_of for manifest in kept}
    stale = [
        manifest
        for manifest in sealed_versions(platform.home.artifacts, WINDOWS)
        if manifest.as_of in cutoffs and manifest.version not in versions
    ]
    for manifest in stale:
        shutil.rmtree(artifact(platform.home.artifacts, WINDOWS, manifest.version))
    return len(stale)


def window_key(run: AsOfRun, split: Split) -> str:
    """Hash of all that decides a window's content: its split, the data it sees and what windows are made with."""
    inputs = {"split": vars(split), "data": run.data_version(split.labels_end), "basis": window_basis(run)}
    return artifact_key(WINDOWS_KIND, inputs, run.platform.settings, feature_set=run.platform.feature_set)


def window_basis(run: AsOfRun) -> dict[str, object]:
    """What decides windows beside their split and data, the code, libraries and settings."""

    def make() -> dict[str, object]:
        platform = run.platform
        tables = [*feature_tables(platform.feature_set), USER_SEGMENTS, INTERACTIONS, STAGED, ITEMS, USERS, CONSUMED]
        return {
            "models": [*(platform.models.get(table).hash for table in tables), *geo_model_hashes(platform)],
            "users_max": USERS_MAX,
            "retrieval": run_config(run).model_dump(),
            "vectors": vectors_version(platform),
        }

    return run.known.once("basis of windows", make)


def build_window(run: AsOfRun, split: Split) -> Window:
    """Rebuild features and candidates from what the split keeps, for users with a positive among what it holds out.

    What is known is resolved to persons as of the cutoff, what is held out as of the labels' end: a login in between
    says nothing to the past.
    """
    then, happened = run.at(split.cutoff), later_events(run, split)
    later = None if happened is None else interactions_of(happened)
    with then.models(scratch=True) as models:
        known, positives = hold_out(models.frame(INTERACTIONS), later, split)
        if split.protocol == "per_user":
            leave_out(models, known)
        users, items, consumed = with_consent(models.frame(USERS)), models.frame(ITEMS), models.frame(CONSUMED)
        positives = positives.join(consumed, on=PAIR, how="anti").join(users, on=c.USER_ID, how="semi")
        positives = _sample_users(positives, run.platform.settings.seed)
        targets = positives.select(c.USER_ID).unique()
        geo = read_geo_availability(models)
        problem = encode(then, known, with_profiles(models, users), items, geo)
        register_features(models, then, targets)
        rows = _rows_to_rank(models, _fit(then, problem, split), targets, run.platform)
        if _is_compared(run, split):
            keep_features(models, then)
    theirs = geo.of(targets)
    return Window(
        rows=ranking.label_rows(
            rows,
            positives,
            cutoff=split.cutoff,
            fold=split.fold,
            outcomes=None if happened is None else ranking.outcomes_of(happened),
        ),
        held_out=_mark_known(positives, items),
        items=with_user_counts(items, known),
        consumed=consumed.select(PAIR).join(targets, on=c.USER_ID, how="semi").sort(pl.all()),
        user_regions=theirs.user_regions,
        exclusions=theirs.exclusions,
    )


def _is_compared(run: AsOfRun, split: Split) -> bool:
    """Whether the drift report of the run compares with features as of the cutoff."""
    if split.protocol == "per_user":
        return False
    return (run.root.as_of - split.cutoff) / (split.labels_end - split.cutoff) in HORIZONS_BEFORE


def _fit(run: AsOfRun, problem: retrieval.RetrievalProblem, split: Split) -> retrieval.RetrievalFit:
    """Retrieval of what the split keeps, with vectors made as those that serve are.

    Where users' last events are held out they are fitted in full: a sealed fit has seen what is held out.
    """
    settings = run.platform.settings
    made = None if split.protocol == "per_user" else window_embeddings(run, problem)
    return retrieval.fit_retrieval(
        problem, run_config(run), seed=settings.seed, threads=settings.threads, embeddings=made
    )


def _rows_to_rank(
    models: ModelRun, fit: retrieval.RetrievalFit, targets: pl.DataFrame, platform: Platform
) -> pl.DataFrame:
    """Candidates of the targets with their features, ordered by user and item."""
    neighbours = retrieval.item_neighbours(fit)
    at = pl.lit(models.as_of).dt.cast_time_unit("us").alias(c.AS_OF)
    models.register(ITEM_NEIGHBOURS.name, neighbours.with_columns(at).select(ITEM_NEIGHBOURS.column_names))
    users = targets[c.USER_ID].sort().to_list()
    features = CandidateFeatures.open(models, platform.models, platform.feature_set, fit, users)
    return pl.concat(features.rows(block) for block in features.blocks()).sort(c.USER_ID, c.ITEM_ID)


def _sample_users(positives: pl.DataFrame, seed: int) -> pl.DataFrame:
    users = positives[c.USER_ID].unique().sort()
    if len(users) > USERS_MAX:
        users = users.gather(np.random.default_rng(seed).permutation(len(users))[:USERS_MAX])
    return positives.filter(pl.col(c.USER_ID).is_in(users.implode())).sort(c.USER_ID, c.ITEM_ID)


def _mark_known(positives: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    return positives.with_columns(pl.col(c.ITEM_ID).is_in(items[c.ITEM_ID].implode()).alias(IS_KNOWN_ITEM))


def _manifest(run: AsOfRun, split: Split, version: str, built: Window) -> Manifest:
    positives = built.rows.filter(pl.col(c.LABEL) > 0)
    return Manifest(
        name=WINDOWS,
        version=version,
        as_of=split.cutoff,
        known_at=run.known_at,
        data_version=run.data_version(split.labels_end),
        feature_set_hash=run.platform.feature_set.hash,
        seed=run.platform.settings.seed,
        parameters={"protocol": split.protocol, c.FOLD: split.fold, "labels_end": split.labels_end.isoformat()},
        metrics={
            "rows": built.rows.height,
            "positives": positives.height,
            "users": positives[c.USER_ID].n_unique(),
            "evaluated_users": built.held_out[c.USER_ID].n_unique(),
            "held_out": built.held_out.height,
        },
        libraries=library_versions(*WINDOWS_KIND.libraries),
        sealed_at=datetime.now(UTC),
    )


def _read(folder: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(folder / f"{name}.parquet")
