"""`recs tune retrieval`: parameters of the sources and weights of their merge, tuned on what lies before every test.

The search itself is in `stages.retrieval.tuning`.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest
from recs_platform.lake.artifacts import library_versions
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.event_span import default_as_of, event_span, require_possible
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.inputs import config_with
from recs_platform.pipeline.retrieval.tuned_configs import CONFIGS, config_version, seal_config
from recs_platform.pipeline.training.schedule import training_schedule
from recs_platform.pipeline.training.splits import Split
from recs_platform.pipeline.tuning.validation_sets import read_validation_sets, validation_splits
from recs_platform.stages import retrieval
from recs_platform.stages.retrieval.benchmark.benchmark import source_names
from recs_platform.stages.retrieval.tuning.budget import Budget, Watched
from recs_platform.stages.retrieval.tuning.source_variants import ValidationSet
from recs_platform.stages.retrieval.tuning.tune import Tuning, tune_retrieval

K_MIN = 20
_LIBRARIES = ("optuna", "implicit", "numpy", "scipy")


@dataclass(frozen=True)
class Tuned:
    """A sealed tuned config: `is_known` where the same changes had been sealed before."""

    manifest: Manifest
    tuning: Tuning
    is_known: bool


def tune(
    platform: Platform,
    as_of: datetime | None,
    known_at: datetime,
    *,
    sources: Sequence[str] | None,
    budget: Budget,
    watch: Callable[[Watched], None],
    say: Callable[[str], None],
) -> Tuned:
    """Tune the sources named, all by default, for the tests of `as_of`, and seal what came of it; nothing is adopted.

    `as_of` is midnight after the last event by default. Fields that the settings name stay as they are. Raises
    UsageError for an unknown source, NotReady where there is nothing to validate on.
    """
    names, config = _named(platform, sources), config_with(platform, {})
    run = AsOfRun(platform, default_as_of(platform) if as_of is None else as_of, known_at)
    require_possible(platform, run.as_of, known_at)
    try:
        splits = validation_splits(training_schedule(run), event_span(platform)[0])
        validation_sets = read_validation_sets(run, splits, say)
    finally:
        run.close()
    tuning = tune_retrieval(
        validation_sets,
        config,
        names,
        budget,
        k=max(2 * platform.settings.k, K_MIN),
        fixed=platform.settings.retrieval.sources,
        seed=platform.settings.seed,
        threads=platform.settings.threads,
        watch=watch,
    )
    manifest = _manifest(run, splits, validation_sets, tuning)
    known = seal_config(
        platform.home.artifacts, manifest, tuning.changes, trial_rows(tuning), source_rows(config, tuning)
    )
    return Tuned(manifest, tuning, known)


def _named(platform: Platform, sources: Sequence[str] | None) -> list[str]:
    """The sources asked for; all of them by default, less those that the settings switch off."""
    given = platform.settings.retrieval.sources
    everything = [source.name for source in retrieval.SOURCES if given.get(source.name, {}).get("enabled", True)]
    return source_names(sources, everything)


def _manifest(
    run: AsOfRun, splits: Sequence[Split], validation_sets: Sequence[ValidationSet], tuning: Tuning
) -> Manifest:
    until = splits[-1].labels_end
    return Manifest(
        name=CONFIGS,
        version=config_version(tuning.changes),
        as_of=run.as_of,
        known_at=run.known_at,
        data_version=run.data_version(until),
        seed=run.platform.settings.seed,
        parameters={
            "tuned_until": until.isoformat(),
            "protocol": splits[-1].protocol,
            "cutoffs": [split.cutoff.isoformat() for split in splits],
            "sources": sorted(tuning.changes),
            "k": tuning.k,
        },
        metrics={
            c.DEFAULT_VALUE: tuning.default,
            c.TUNED_VALUE: tuning.tuned,
            "gain": tuning.gain.value,
            c.GAIN_LOW: tuning.gain.low,
            "gain_high": tuning.gain.high,
            "default_recall": tuning.default_recall,
            "tuned_recall": tuning.tuned_recall,
            "users": sum(len(each.held_out.users) for each in validation_sets),
            c.TRIALS: sum(len(search.trials) for search in tuning.searches.values()),
        },
        libraries=library_versions(*_LIBRARIES),
        sealed_at=datetime.now(UTC),
    )


def trial_rows(tuning: Tuning) -> pl.DataFrame:
    """source, trial, value, parameters as JSON, seconds, is_dropped: a row a trial, in order."""
    rows = [
        (trial.source, trial.number, trial.value, json.dumps(trial.parameters), trial.seconds, trial.is_dropped)
        for search in tuning.searches.values()
        for trial in search.trials
    ]
    columns = {c.SOURCE: pl.String(), c.TRIAL: pl.Int64(), c.VALUE: pl.Float64()}
    taken = {c.PARAMETERS: pl.String(), c.SECONDS: pl.Float64(), c.IS_DROPPED: pl.Boolean()}
    return pl.DataFrame(rows, schema={**columns, **taken}, orient="row")


def source_rows(config: retrieval.RetrievalConfig, tuning: Tuning) -> pl.DataFrame:
    """A row a source: value of its default and of the trial kept or the best, the gain's low end, IS_KEPT, weights."""
    rows = [
        (
            name,
            len(search.trials),
            search.default.value,
            (search.kept if search.gain.low > 0 else search.best).value,
            search.gain.low,
            search.gain.low > 0,
            config.sources[name].weight if config.sources[name].enabled else None,
            tuning.weights.get(name),
        )
        for name, search in tuning.searches.items()
    ]
    values = {
        c.DEFAULT_VALUE: pl.Float64(),
        c.TUNED_VALUE: pl.Float64(),
        c.GAIN_LOW: pl.Float64(),
        c.IS_KEPT: pl.Boolean(),
    }
    weights = {c.DEFAULT_WEIGHT: pl.Float64(), c.WEIGHT: pl.Float64()}
    return pl.DataFrame(rows, schema={c.SOURCE: pl.String(), c.TRIALS: pl.Int64(), **values, **weights}, orient="row")
