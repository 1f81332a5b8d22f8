"""`recs tune ranker`: parameters of the ranker, tuned on cutoffs before every test, and confirmed on one set aside.

The space is in `ranker_space`, parts in `ranker_parts`; what was tuned is kept by `pipeline.training.ranker_configs`.
"""
# optuna's callbacks are partly untyped.
# pyright: reportUnknownMemberType=false

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.counted import counted
from recs_platform.contracts.manifests import Manifest, content_key
from recs_platform.evaluation.bootstrap import Interval, paired_difference
from recs_platform.evaluation.metrics import user_metrics
from recs_platform.lake.artifacts import library_versions
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.event_span import default_as_of, require_possible
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.training.ranker_configs import CONFIGS, adopted_changes, config_version, seal_config
from recs_platform.pipeline.training.rankers import ranker_config, train_on_windows
from recs_platform.pipeline.training.schedule import training_schedule
from recs_platform.pipeline.training.trials import lists_of
from recs_platform.pipeline.training.window_cache import WindowCache
from recs_platform.pipeline.training.windows import IS_KNOWN_ITEM, read_window
from recs_platform.pipeline.tuning.kept_trials import finished, open_study
from recs_platform.pipeline.tuning.ranker_parts import Part, validation_parts
from recs_platform.pipeline.tuning.ranker_space import SPACE, Sampler, default_values, suggest

if TYPE_CHECKING:
    import optuna

TRIALS = 40
_LIBRARIES = ("optuna", "lightgbm", "numpy")


@dataclass(frozen=True)
class RankerBudget:
    """At most `trials`, the default included, and none begun after `until` on `clock` (seconds)."""

    clock: Callable[[], float]
    until: float | None
    trials: int


@dataclass(frozen=True)
class TunedRanker:
    """What was found: the sealed manifest, the changes to the config, the gain where it was confirmed."""

    manifest: Manifest
    changes: dict[str, Any]
    gain: Interval

    @property
    def is_gained(self) -> bool:
        """Whether the cutoff that was set aside shows a gain beyond chance."""
        return bool(self.changes) and self.gain.low > 0


def tune_ranker(
    platform: Platform,
    as_of: datetime | None,
    known_at: datetime,
    *,
    sampler: Sampler,
    budget: RankerBudget,
    say: Callable[[str], None],
) -> TunedRanker:
    """Search the ranker's parameters for the tests of `as_of`, and seal what came of it; nothing is adopted.

    Each trial trains a ranker for every part of the past but one and measures NDCG of its re-ranked lists; one whose
    first parts lie below the median of others is dropped. The last part takes no share in the search: there the best is
    held against the default. Trials are kept, so that a search that was stopped goes on where it was. Raises NotReady
    where no window lies before the first test.
    """
    run = AsOfRun(platform, default_as_of(platform) if as_of is None else as_of, known_at)
    require_possible(platform, run.as_of, known_at)
    try:
        windows = WindowCache(run, say)
        *searched, confirmed = validation_parts(windows, training_schedule(run), say)
        tried = _Tried(windows)
        study = _search(tried, searched, sampler=sampler, budget=budget, say=say)
        changes = _changes(platform, study.best_params)
        default, best = (tried.ndcg(confirmed, values) for values in ({}, changes))
        gain = paired_difference(best, default, platform.settings.seed)
        manifest = _manifest(run, [*searched, confirmed], study, changes, gain, default)
    finally:
        run.close()
    seal_config(platform.home.artifacts, manifest, changes, _trial_rows(study))
    return TunedRanker(manifest, changes, gain)


class _Tried:
    """NDCG of rankers with changed parameters on parts of the past, in lists re-ranked like a release."""

    def __init__(self, windows: WindowCache) -> None:
        self.platform = windows.run.platform
        self._config = ranker_config(self.platform)

    @property
    def default(self) -> dict[str, Any]:
        """Where the search begins."""
        return default_values(self._config)

    def key(self, parts: Sequence[Part]) -> str:
        """Hash of what trials are measured on and with."""
        made_of = [each.key for each in parts]
        return content_key({"parts": made_of, "config": self._config.model_dump(), "space": str(SPACE)})

    def ndcg(self, part: Part, changes: Mapping[str, Any]) -> NDArray[np.float64]:
        """NDCG (n,) of each user window of a part, by window and user_id."""
        threads, k = self.platform.settings.threads, self.platform.settings.k
        config = self._config.model_copy(update=dict(changes))
        ranker = train_on_windows(self.platform, part.learned, config, threads=threads, without=part.users)
        values: list[NDArray[np.float64]] = []
        for manifest in part.tested:
            tested = part.only(read_window(self.platform, manifest.version))
            lists = lists_of(self.platform, tested, ranker.score(tested.rows, threads))
            found = user_metrics(lists, tested.held_out.filter(IS_KNOWN_ITEM), k)
            values.append(found.filter(pl.col(c.METRIC) == c.NDCG)[c.VALUE].to_numpy())
        return np.concatenate(values)


def _search(
    tried: _Tried,
    parts: Sequence[Part],
    *,
    sampler: Sampler,
    budget: RankerBudget,
    say: Callable[[str], None],
) -> "optuna.Study":
    import optuna

    platform = tried.platform
    study = open_study(platform.home.temporary / "ranker_trials", sampler, tried.key(parts), platform.settings.seed)
    known = len(finished(study))
    if known:
        say(f"{counted(known, 'trial')} of an earlier search {'is' if known == 1 else 'are'} known")
    elif not any(trial.state.name == "WAITING" for trial in study.trials):
        study.enqueue_trial(tried.default)

    def objective(trial: "optuna.Trial") -> float:
        values = suggest(trial)
        means: list[float] = []
        for step, part in enumerate(parts):
            means.append(float(tried.ndcg(part, values).mean()))
            trial.report(float(np.mean(means)), step)
            if trial.should_prune() and step + 1 < len(parts):
                raise optuna.TrialPruned
        return float(np.mean(means))

    def watch(study: "optuna.Study", trial: "optuna.trial.FrozenTrial") -> None:
        value = "dropped" if trial.value is None or trial.state.name == "PRUNED" else f"{trial.value:.4f}"
        say(f"trial {len(finished(study))} of at most {budget.trials}: {value}; best {study.best_value:.4f}")
        if budget.until is not None and budget.clock() >= budget.until:
            study.stop()

    if budget.trials > known:
        study.optimize(objective, n_trials=budget.trials - known, callbacks=[watch])
    return study


def _changes(platform: Platform, best: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that differs from the defaults: what is adopted already, and of the best values what is new."""
    config, adopted = ranker_config(platform), adopted_changes(platform.home.artifacts)
    if dict(best) == default_values(config):
        return adopted
    return {**adopted, **{name: value for name, value in sorted(best.items()) if value != getattr(config, name)}}


def _manifest(
    run: AsOfRun,
    parts: Sequence[Part],
    study: "optuna.Study",
    changes: Mapping[str, Any],
    gain: Interval,
    default: NDArray[np.float64],
) -> Manifest:
    until = max(part.labels_end for part in parts)
    return Manifest(
        name=CONFIGS,
        version=config_version(changes),
        as_of=run.as_of,
        known_at=run.known_at,
        data_version=run.data_version(until),
        seed=run.platform.settings.seed,
        parameters={
            "tuned_until": until.isoformat(),
            "parts": [part.name for part in parts],
            "sampler": study.study_name.split("-")[0],
            "changes": json.loads(json.dumps(dict(changes))),
        },
        metrics={
            c.DEFAULT_VALUE: float(default.mean()),
            c.TUNED_VALUE: float(default.mean()) + gain.value,
            "gain": gain.value,
            c.GAIN_LOW: gain.low,
            "gain_high": gain.high,
            "searched_value": study.best_value,
            "users": float(len(default)),
            c.TRIALS: float(len(finished(study))),
        },
        libraries=library_versions(*_LIBRARIES),
        sealed_at=datetime.now(UTC),
    )


def _trial_rows(study: "optuna.Study") -> pl.DataFrame:
    """trial, value (none where it was dropped), parameters as JSON, seconds: a row a trial, in order."""
    rows = [
        (
            trial.number,
            trial.value if trial.state.name == "COMPLETE" else None,
            json.dumps(trial.params, sort_keys=True),
            trial.duration.total_seconds() if trial.duration else None,
        )
        for trial in finished(study)
    ]
    columns = {c.TRIAL: pl.Int64, c.VALUE: pl.Float64, c.PARAMETERS: pl.String, c.SECONDS: pl.Float64}
    return pl.DataFrame(rows, schema=columns, orient="row")
