"""Rankers as of an instant: trained on labelled windows, or reused where the same one is sealed already."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.manifests import Manifest, content_key
from recs_platform.contracts.shared_settings import LearningPlan
from recs_platform.contracts.time import parse_instant
from recs_platform.lake.artifacts import (
    artifact,
    is_sealed,
    library_versions,
    read_manifest,
    write_artifact,
    write_manifest,
)
from recs_platform.pipeline.artifact_keys import RANKER as RANKER_KIND
from recs_platform.pipeline.artifact_keys import artifact_key
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.data_versions import OPTED_OUT, opted_out_version
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.training.ranker_configs import adopted_changes
from recs_platform.pipeline.training.splits import LAST_FOLD
from recs_platform.pipeline.training.windows import read_window, window_basis
from recs_platform.stages import ranking

BASIS = "basis"
NO_LABELS = "1970-01-01T00:00:00+00:00"  # a ranker that learned from nothing may serve any as-of


def ranker_config(platform: Platform) -> ranking.RankerConfig:
    """How rankers are trained: the defaults, what was tuned and adopted, and what the settings say."""
    tuned = adopted_changes(platform.home.artifacts)
    return ranking.RankerConfig(
        **tuned, **platform.settings.training.model_dump(include=set(LearningPlan.model_fields))
    )


def ranker_basis(run: AsOfRun) -> str:
    """Hash of all that decides a ranker beside its windows: one made under other settings or code must not serve."""

    def make() -> str:
        inputs = {"windows": window_basis(run), "config": ranker_config(run.platform).model_dump()}
        return artifact_key(RANKER_KIND, inputs, run.platform.settings, feature_set=run.platform.feature_set)

    return run.known.once("basis of rankers", make)


def ranker_key(run: AsOfRun, windows: Sequence[Manifest]) -> str:
    """Hash of all that decides a ranker; the order of its windows does not."""
    return content_key({"windows": sorted(manifest.version for manifest in windows), BASIS: ranker_basis(run)})


def seal_ranker(run: AsOfRun, as_of: datetime, windows: Sequence[Manifest]) -> tuple[Manifest, bool]:
    """Train on the windows and seal unless the same ranker is sealed; returns its manifest and whether it was reused.

    `as_of` is the instant it is trained for. One thread trains it: several are trained side by side, and LightGBM's
    threads slow each other on a busy machine.
    """
    root, version = run.platform.home.artifacts, ranker_key(run, windows)
    if is_sealed(root, ranking.RANKER, version):
        return read_manifest(artifact(root, ranking.RANKER, version)), True
    config = ranker_config(run.platform)
    rows = _sampled_rows(run.platform, windows, config)
    trained = _train(run.platform, rows, config, threads=1)
    with write_artifact(root, ranking.RANKER, version) as folder:
        ranking.save_ranker(folder, trained)
        write_manifest(folder, _manifest(run, as_of, version, windows, trained, rows))
    return read_manifest(artifact(root, ranking.RANKER, version)), False


def seal_rankers(
    run: AsOfRun, wanted: Sequence[tuple[datetime, Sequence[Manifest]]], progress: Callable[[str], None]
) -> list[tuple[Manifest, bool]]:
    """`seal_ranker` of each, in their order, side by side on as many threads as there are.

    Of those that are one ranker the last says for which instant it is trained.
    """
    versions = [ranker_key(run, windows) for _, windows in wanted]
    by_version = dict(zip(versions, wanted, strict=True))

    def train(version: str) -> tuple[Manifest, bool]:
        as_of, windows = by_version[version]
        trained, reused = seal_ranker(run, as_of, windows)
        progress(f"ranker {version[:8]} as of {as_of:%Y-%m-%d}: {'reused' if reused else 'trained'}")
        return trained, reused

    with ThreadPoolExecutor(run.platform.settings.threads) as pool:
        sealed = dict(zip(by_version, pool.map(train, by_version), strict=True))
    return [sealed[version] for version in versions]


def train_on_windows(
    platform: Platform,
    windows: Sequence[Manifest],
    config: ranking.RankerConfig,
    *,
    threads: int,
    without: pl.Series | None = None,
) -> ranking.Ranker:
    """A ranker of another config, trained and not kept; `without`: ids of users it learns nothing from."""
    rows = _sampled_rows(platform, windows, config)
    if without is not None and not rows.is_empty():
        rows = rows.filter(~pl.col(c.USER_ID).is_in(without.implode()))
    return _train(platform, rows, config, threads=threads)


def _manifest(
    run: AsOfRun,
    as_of: datetime,
    version: str,
    windows: Sequence[Manifest],
    trained: ranking.Ranker,
    rows: pl.DataFrame,
) -> Manifest:
    labels_end = max((manifest.parameters[ranking.LABELS_END] for manifest in windows), default=NO_LABELS)
    return Manifest(
        name=ranking.RANKER,
        version=version,
        as_of=as_of,
        known_at=run.known_at,
        data_version=content_key({"windows": sorted(manifest.data_version for manifest in windows)}),
        feature_set_hash=run.platform.feature_set.hash,
        seed=run.platform.settings.seed,
        parameters={
            **ranker_config(run.platform).model_dump(),
            "kind": trained.kind,
            ranking.LABELS_END: labels_end,
            c.FOLD: max((manifest.parameters[c.FOLD] for manifest in windows), default=LAST_FOLD),
            OPTED_OUT: opted_out_version(run.files, parse_instant(labels_end)),
            BASIS: ranker_basis(run),
            "cutoffs": sorted(manifest.as_of.isoformat() for manifest in windows),
        },
        metrics={"rows": rows.height, "positives": float(rows[c.LABEL].sum()) if rows.height else 0.0},
        libraries=library_versions(*RANKER_KIND.libraries),
        sealed_at=datetime.now(UTC),
    )


def _sampled_rows(platform: Platform, windows: Sequence[Manifest], config: ranking.RankerConfig) -> pl.DataFrame:
    samples = [
        ranking.sample_rows(
            read_window(platform, manifest.version).rows,
            config.negatives_per_user,
            platform.settings.seed,
            shown_only=config.negatives == "shown",
        )
        for manifest in windows
    ]
    return pl.concat(samples) if samples else pl.DataFrame()


def _train(platform: Platform, rows: pl.DataFrame, config: ranking.RankerConfig, *, threads: int) -> ranking.Ranker:
    """LambdaRank, or the sources' fusion where there is too little to learn from: the manifest's `kind` says which."""
    if rows.is_empty():
        return ranking.fusion_ranker(platform.feature_set)
    try:
        return ranking.train_ranker(rows, platform.feature_set, config, seed=platform.settings.seed, threads=threads)
    except NotReady:
        return ranking.fusion_ranker(platform.feature_set)
