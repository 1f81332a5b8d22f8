"""Labelled windows: the graph rebuilt as of a past instant, with what happened next. Composes stages; trains nothing.

A window is cached as a sealed artifact under the hash of everything it was made from, so neighbouring as-ofs share it.
"""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest, content_key
from recs_platform.contracts.tables import CANDIDATES, EVENTS, ITEM_NEIGHBOURS
from recs_platform.lake.artifacts import (
    artifact,
    is_sealed,
    read_manifest,
    sealed_versions,
    write_artifact,
    write_manifest,
)
from recs_platform.pipeline.geo_availability import Places, place_hashes, read_places
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.embeddings import passing_embeddings
from recs_platform.pipeline.retrieval.inputs import (
    item_vectors,
    retrieval_config,
    vectors_version,
    with_consent,
    with_profiles,
)
from recs_platform.pipeline.training.splits import (
    INTERACTIONS,
    PAIR,
    Split,
    hold_out,
    later_interactions,
    without_held_out,
)
from recs_platform.stages import ranking, retrieval
from recs_platform.stages.features import feature_tables, ranking_rows_sql
from recs_platform.warehouse.runner import ModelRun

WINDOWS = "windows"
USERS_MAX = 600
IS_KNOWN_ITEM = "is_known_item"
USER_COUNT = "user_count"


@dataclass(frozen=True)
class Window:
    """Rows to rank for users who went on to consume something new, with labels.

    `rows`: keys, sources, features, label, cutoff. `held_out`: positives, with whether the item was known by the
    cutoff. `items`: catalogue as of the cutoff with the count of users. `consumed`: what the users had consumed.
    `places`: where the users are. `barred`: what may not be offered there.
    """

    rows: pl.DataFrame
    held_out: pl.DataFrame
    items: pl.DataFrame
    consumed: pl.DataFrame
    places: pl.DataFrame
    barred: pl.DataFrame


def window(platform: Platform, split: Split, known_at: datetime, data_version: str) -> tuple[Manifest, bool]:
    """Build the window unless it is sealed already; returns its manifest and whether it was reused."""
    root, version = platform.home.artifacts, window_key(platform, split, data_version)
    if is_sealed(root, WINDOWS, version):
        return read_manifest(artifact(root, WINDOWS, version)), True
    built = build_window(platform, split, known_at)
    manifest = _manifest(platform, split, version, known_at, data_version, built)
    with write_artifact(root, WINDOWS, version) as folder:
        for name, frame in vars(built).items():
            frame.write_parquet(folder / f"{name}.parquet")
        write_manifest(folder, manifest)
    return manifest, False


def read_window(platform: Platform, version: str) -> Window:
    """The sealed window. Raises NotReady when it was never built."""
    folder = artifact(platform.home.artifacts, WINDOWS, version)
    return Window(*(_read(folder, name) for name in Window.__dataclass_fields__))


def prune_windows(platform: Platform, kept: Iterable[Manifest]) -> int:
    """Drop windows of the same cutoffs that were made from other data or parameters; returns how many."""
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


def window_key(platform: Platform, split: Split, data_version: str) -> str:
    """Hash of all that decides a window's content."""
    return content_key({"split": vars(split), "data": data_version, "basis": window_basis(platform)})


def window_basis(platform: Platform) -> str:
    """Hash of all that decides windows beside their split and data: SQL models, features, settings."""
    return content_key(
        {
            "models": [platform.models.get(table).hash for table in feature_tables(platform.feature_set)],
            "places": place_hashes(platform),
            "features": platform.feature_set.hash,
            **_parameters(platform),
        }
    )


def build_window(platform: Platform, split: Split, known_at: datetime) -> Window:
    """Rebuild features and candidates from what the split keeps, for users with a positive among what it holds out.

    What is known is resolved to persons as of the cutoff, what is held out as of the labels' end: a login in between
    tells nothing to the past.
    """
    later = later_interactions(platform, split, known_at)
    with platform.model_run(split.cutoff, known_at, scratch=True) as run:
        known, positives = hold_out(run.frame(INTERACTIONS), later, split)
        if split.protocol == "per_user":
            run.register(EVENTS.name, without_held_out(run, known))
        users, items = with_consent(run.frame("staging.stg_users")), run.frame("staging.stg_items")
        consumed = run.frame("staging.stg_consumed")
        positives = positives.join(consumed, on=PAIR, how="anti").join(users, on=c.USER_ID, how="semi")
        positives = _sample_users(positives, platform.settings.seed)
        places = read_places(run)
        rows = _rank_rows(platform, run, split, known, with_profiles(run, users), items, places, positives)
    targets = positives.select(c.USER_ID).unique()
    theirs = places.of(targets)
    return Window(
        # two peels share the instant: a microsecond apart they stay two groups, the fuller history the later one
        rows=ranking.label_rows(rows, positives, cutoff=split.cutoff - timedelta(microseconds=split.peels - 1)),
        held_out=_mark_known(positives, items),
        items=with_user_counts(items, known),
        consumed=consumed.select(PAIR).join(targets, on=c.USER_ID, how="semi").sort(pl.all()),
        places=theirs.users,
        barred=theirs.barred,
    )


def _rank_rows(
    platform: Platform,
    run: ModelRun,
    split: Split,
    known: pl.DataFrame,
    users: pl.DataFrame,
    items: pl.DataFrame,
    places: Places,
    positives: pl.DataFrame,
) -> pl.DataFrame:
    known_at = None if split.protocol == "per_user" else run.known_at
    fit = fit_retrieval(platform, known, users, items, split.cutoff, places, known_at=known_at)
    targets = positives[c.USER_ID].unique().sort().to_list()
    at = pl.lit(split.cutoff).dt.cast_time_unit("us").alias(c.AS_OF)
    contract = platform.contract(CANDIDATES.name)
    candidates = pl.concat(list(retrieval.generate_candidates(fit, targets=targets)))
    run.register(CANDIDATES.name, candidates.with_columns(at).select(contract.column_names))
    run.register(
        ITEM_NEIGHBOURS.name, retrieval.item_neighbours(fit).with_columns(at).select(ITEM_NEIGHBOURS.column_names)
    )
    for table in feature_tables(platform.feature_set):
        run.require(table)
    return run.query(ranking_rows_sql(platform.feature_set, platform.models))


def fit_retrieval(
    platform: Platform,
    interactions: pl.DataFrame,
    users: pl.DataFrame,
    items: pl.DataFrame,
    as_of: datetime,
    places: Places,
    *,
    known_at: datetime | None = None,
) -> retrieval.RetrievalFit:
    """Embeddings, index and sources fitted on interactions before `as_of`.

    With `known_at` the interactions are all that was known then, and vectors are made as those that serve are: folded
    in from a sealed full fit where `refit_every_days` is set. Without, as where users' last events are held out, they
    are fitted in full: a sealed fit has seen what is held out.
    """
    settings = platform.settings
    problem = retrieval.encode(
        interactions,
        users,
        items,
        as_of=as_of,
        allow_repeats=settings.allow_repeats,
        vectors=item_vectors(platform),
        places=places.users,
        barred=places.barred,
    )
    made = None if known_at is None else passing_embeddings(platform, problem, as_of, known_at)
    return retrieval.fit_retrieval(
        problem, retrieval_config(platform), seed=settings.seed, threads=settings.threads, embeddings=made
    )


def with_user_counts(items: pl.DataFrame, interactions: pl.DataFrame) -> pl.DataFrame:
    """Catalogue rows with the number of users who liked the item: what fallback lists and novelty go by."""
    counts = (
        interactions.filter(pl.col(c.WEIGHT) > 0)
        .group_by(c.ITEM_ID)
        .agg(pl.col(c.USER_ID).n_unique().alias(USER_COUNT))
    )
    return items.join(counts, on=c.ITEM_ID, how="left").with_columns(pl.col(USER_COUNT).fill_null(0)).sort(c.ITEM_ID)


def _sample_users(positives: pl.DataFrame, seed: int) -> pl.DataFrame:
    users = positives[c.USER_ID].unique().sort()
    if len(users) > USERS_MAX:
        users = users.gather(np.random.default_rng(seed).permutation(len(users))[:USERS_MAX])
    return positives.filter(pl.col(c.USER_ID).is_in(users.implode())).sort(c.USER_ID, c.ITEM_ID)


def _mark_known(positives: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    return positives.with_columns(pl.col(c.ITEM_ID).is_in(items[c.ITEM_ID].implode()).alias(IS_KNOWN_ITEM))


def _parameters(platform: Platform) -> dict[str, Any]:
    return {
        "seed": platform.settings.seed,
        "allow_repeats": platform.settings.allow_repeats,
        "users_max": USERS_MAX,
        "retrieval": retrieval_config(platform).model_dump(),
        "vectors": vectors_version(platform),
    }


def _manifest(
    platform: Platform, split: Split, version: str, known_at: datetime, data_version: str, built: Window
) -> Manifest:
    positives = built.rows.filter(pl.col(c.LABEL) > 0)
    return Manifest(
        name=WINDOWS,
        version=version,
        as_of=split.cutoff,
        known_at=known_at,
        data_version=data_version,
        feature_set_hash=platform.feature_set.hash,
        seed=platform.settings.seed,
        parameters={"protocol": split.protocol, "peels": split.peels, "labels_end": split.labels_known_at.isoformat()},
        metrics={
            "rows": built.rows.height,
            "positives": positives.height,
            "users": positives[c.USER_ID].n_unique(),
            "evaluated_users": built.held_out[c.USER_ID].n_unique(),
            "held_out": built.held_out.height,
        },
        sealed_at=datetime.now(UTC),
    )


def _read(folder: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(folder / f"{name}.parquet")
