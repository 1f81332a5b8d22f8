"""Which windows a ranker learns from, and the ranker as of an instant, trained or reused. Composes stages."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.manifests import Manifest, content_key
from recs_platform.contracts.time import parse_instant
from recs_platform.evaluation.cutoffs import CutoffPlan, plan_cutoffs
from recs_platform.evaluation.splits import new_pairs
from recs_platform.lake.artifacts import (
    artifact,
    is_sealed,
    library_versions,
    read_manifest,
    sealed_versions,
    write_artifact,
    write_manifest,
)
from recs_platform.pipeline.data_versions import WITHHELD, data_version, known_files, withheld_version
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.training.splits import Protocol, Split, global_splits, per_user_splits
from recs_platform.pipeline.training.windows import read_window, window, window_basis
from recs_platform.settings import TrainingSettings
from recs_platform.stages import ranking
from recs_platform.stages.retrieval.threads import limited

RANKER = "ranker"
BASIS = "basis"
NO_LABELS = "1970-01-01T00:00:00+00:00"  # a ranker that learned from nothing may serve any as-of
NOBODY = content_key({WITHHELD: []})


@dataclass(frozen=True)
class Curriculum:
    """What there is to learn from and to test at, as of an instant."""

    protocol: Protocol
    as_of: datetime
    known_at: datetime
    plan: CutoffPlan
    windows_min: int

    def tests(self) -> list[Split]:
        """Splits to test at, oldest first."""
        if self.protocol == "per_user":
            return [per_user_splits(self.as_of)[0]]
        return global_splits(self.plan.tests, self.plan.horizon)

    def surely_needed(self) -> list[Split]:
        """Windows that testing and training ask for however many positives they turn out to hold, oldest first."""
        tests = self.tests()
        learners = [*tests[:1], None]
        wanted = [split for learner in learners for split in self.training_for(learner)[: self.windows_min]]
        return sorted({*tests, *wanted}, key=lambda split: split.name)

    def training_for(self, split: Split | None) -> list[Split]:
        """Splits a ranker for this test may learn from, newest first; None = the ranker that serves at the as-of."""
        if self.protocol == "per_user":
            test, before = per_user_splits(self.as_of)
            return [test, before] if split is None else [before]
        instant = self.as_of if split is None else split.cutoff
        return global_splits(self.plan.training_cutoffs(instant), self.plan.horizon)[::-1]


def plan_curriculum(platform: Platform, as_of: datetime, known_at: datetime) -> Curriculum:
    """Rolling windows where they hold enough users with history, else each user's last events."""
    settings = platform.settings
    with platform.model_run(as_of, known_at, scratch=True) as run:
        interactions = run.frame("staging.stg_interactions")
    first = interactions[c.OCCURRED_AT].min()
    plan = plan_cutoffs(
        first if isinstance(first, datetime) else as_of,  # nothing but impressions so far: no windows
        as_of,
        horizon_days=settings.horizon_days,
        every_days=settings.train_every_days,
        windows=settings.evaluation_windows,
    )
    protocol = settings.evaluation_protocol
    if protocol == "auto":
        is_enough = _pooled_users(interactions, plan) >= settings.training.pooled_users_min
        protocol = "global" if is_enough else "per_user"
    return Curriculum(protocol, as_of, known_at, plan, settings.training.windows_min)


def _pooled_users(interactions: pl.DataFrame, plan: CutoffPlan) -> int:
    """Users with history and a new positive, summed over the test windows."""
    total = 0
    for cutoff in plan.tests:
        at = pl.col(c.OCCURRED_AT)
        known = interactions.filter(at < cutoff)
        later = interactions.filter((at >= cutoff) & (at < cutoff + plan.horizon))
        total += new_pairs(later, known).join(known, on=c.USER_ID, how="semi")[c.USER_ID].n_unique()
    return total


class Shelf:
    """The windows of one run: each is looked up or built once, under the version of the data it sees."""

    def __init__(self, platform: Platform, known_at: datetime, progress: Callable[[str], None]) -> None:
        self.platform = platform
        self.known_at = known_at
        self._progress = progress
        self.built = 0
        self._taken: dict[Split, Manifest] = {}
        self._files = known_files(platform, known_at)

    def take(self, split: Split) -> Manifest:
        if split not in self._taken:
            version = data_version(self._files, split.labels_end)
            self._taken[split], reused = window(self.platform, split, self.known_at, version)
            self.built += not reused
            self._progress(f"window {split.cutoff:%Y-%m-%d} {split.protocol}: {'reused' if reused else 'built'}")
        return self._taken[split]

    def prefetch(self, splits: Iterable[Split]) -> None:
        """Build windows side by side, as many as there are threads; which ones are built changes nothing in them."""
        threads = self.platform.settings.threads
        wanted = [split for split in dict.fromkeys(splits) if split not in self._taken]
        for split in wanted[:1]:
            self.take(split)
        # BLAS' limit is the process's: held around all of them, once the first has loaded the libraries, it is not
        # lifted by the window that ends first.
        with limited(threads), ThreadPoolExecutor(threads) as pool:
            list(pool.map(self.take, wanted[1:]))

    @property
    def taken(self) -> list[Manifest]:
        """The windows so far, oldest cutoff first."""
        return sorted(self._taken.values(), key=lambda manifest: (manifest.as_of, manifest.version))

    def to_learn_from(self, splits: Iterable[Split]) -> list[Manifest]:
        """Windows newest first: the least number, then on until they hold the least number of positives or users."""
        taken: list[Manifest] = []
        for split in splits:
            taken.append(self.take(split))
            if _is_enough(taken, self.platform.settings.training):
                break
        return taken


def _is_enough(windows: Sequence[Manifest], least: TrainingSettings) -> bool:
    positives = sum(manifest.metrics["positives"] for manifest in windows)
    users = max(manifest.metrics["users"] for manifest in windows)
    return len(windows) >= least.windows_min and (positives >= least.positives_min or users >= least.users_min)


def training_basis(platform: Platform) -> str:
    """Hash of all that decides a ranker beside its data: one made under other settings must not serve."""
    settings = platform.settings
    return content_key(
        {
            "windows": window_basis(platform),
            "parameters": ranking.RankerConfig().model_dump(),
            "seed": settings.seed,
            "horizon_days": settings.horizon_days,
            "train_every_days": settings.train_every_days,
            "evaluation_protocol": settings.evaluation_protocol,
            "training": settings.training.model_dump(),
        }
    )


def ranker_version(platform: Platform, windows: Sequence[Manifest]) -> str:
    """Hash of all that decides a ranker."""
    return content_key(
        {
            "windows": sorted(manifest.version for manifest in windows),
            BASIS: training_basis(platform),
        }
    )


def ranker(
    platform: Platform, as_of: datetime, known_at: datetime, windows: Sequence[Manifest]
) -> tuple[Manifest, bool]:
    """Train on the windows unless the same ranker is sealed already; returns its manifest and whether it was reused.

    One thread trains it: several are trained side by side, and LightGBM's threads slow each other on a busy machine.
    """
    root, settings = platform.home.artifacts, platform.settings
    config, version = ranking.RankerConfig(), ranker_version(platform, windows)
    if is_sealed(root, RANKER, version):
        return read_manifest(artifact(root, RANKER, version)), True
    rows = _sampled_rows(platform, windows, config)
    trained = _train(platform, rows, config)
    labels_end = max((manifest.parameters["labels_end"] for manifest in windows), default=NO_LABELS)
    withheld = withheld_version(known_files(platform, known_at), parse_instant(labels_end))
    with write_artifact(root, RANKER, version) as folder:
        ranking.save_ranker(folder, trained)
        write_manifest(
            folder,
            Manifest(
                name=RANKER,
                version=version,
                as_of=as_of,
                known_at=known_at,
                data_version=content_key({"windows": sorted(manifest.data_version for manifest in windows)}),
                feature_set_hash=platform.feature_set.hash,
                seed=settings.seed,
                parameters={
                    **config.model_dump(),
                    "kind": trained.kind,
                    "labels_end": labels_end,
                    WITHHELD: withheld,
                    BASIS: training_basis(platform),
                    "cutoffs": sorted(manifest.as_of.isoformat() for manifest in windows),
                },
                metrics={"rows": rows.height, "positives": float(rows[c.LABEL].sum()) if rows.height else 0.0},
                libraries=library_versions("lightgbm"),
                sealed_at=datetime.now(UTC),
            ),
        )
    return read_manifest(artifact(root, RANKER, version)), False


def _sampled_rows(platform: Platform, windows: Sequence[Manifest], config: ranking.RankerConfig) -> pl.DataFrame:
    samples = [
        ranking.sample_rows(
            read_window(platform, manifest.version).rows, config.negatives_per_user, platform.settings.seed
        )
        for manifest in windows
    ]
    return pl.concat(samples) if samples else pl.DataFrame()


def _train(platform: Platform, rows: pl.DataFrame, config: ranking.RankerConfig) -> ranking.Ranker:
    """LambdaRank, or the sources' fusion where there is too little to learn from: the manifest's `kind` says which."""
    if rows.is_empty():
        return ranking.fusion_ranker(platform.feature_set)
    try:
        return ranking.train_ranker(rows, platform.feature_set, config, seed=platform.settings.seed, threads=1)
    except NotReady:
        return ranking.fusion_ranker(platform.feature_set)


def champion(platform: Platform, as_of: datetime, known_at: datetime) -> ranking.Choice:
    """The ranker for an as-of among those made under today's settings, from what was known by `known_at`.

    One that learned from somebody who has withdrawn since is passed over.
    """
    files, basis = known_files(platform, known_at), training_basis(platform)
    return ranking.choose_champion(
        [
            manifest
            for manifest in sealed_versions(platform.home.artifacts, RANKER)
            if manifest.known_at <= known_at and manifest.parameters.get(BASIS) == basis and _is_lawful(manifest, files)
        ],
        as_of,
    )


def _is_lawful(manifest: Manifest, files: pl.DataFrame) -> bool:
    labels_end = parse_instant(manifest.parameters["labels_end"])
    return manifest.parameters.get(WITHHELD, NOBODY) == withheld_version(files, labels_end)
