"""Trials of searches, kept in files of the home, so that a search that was stopped goes on where it was."""
# optuna's storages are partly untyped.
# pyright: reportUnknownMemberType=false

from pathlib import Path
from typing import TYPE_CHECKING

from recs_platform.pipeline.tuning.ranker_space import Sampler, make_sampler

if TYPE_CHECKING:
    import optuna

# The searches used last; trials on older data are of no use any more.
SEARCHES_KEPT = 8


def open_study(folder: Path, sampler: Sampler, key: str, seed: int) -> "optuna.Study":
    """The search of that sampler and key, with all trials that it had, kept in a file under `folder`.

    It draws other values than before it was stopped: a sampler begins anew in each process.
    """
    import optuna

    # A warning of an interrupted trial is a page of traceback; what fails by itself is raised.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    name = f"{sampler}-{key}"
    study = optuna.create_study(
        study_name=name,
        storage=_storage(folder / f"{name}.journal"),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
        direction="maximize",
        load_if_exists=True,
    )
    study.sampler = make_sampler(sampler, seed + len(study.trials))
    return study


def finished(study: "optuna.Study") -> "list[optuna.trial.FrozenTrial]":
    """Trials that came to an end, in order; one that was interrupted or killed did not, and is none of the budget's."""
    return [trial for trial in study.trials if trial.state.name in {"COMPLETE", "PRUNED"}]


def _storage(file: Path) -> "optuna.storages.BaseStorage":
    """Half-written lines of a killed search are passed over by Optuna."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    for older in sorted(file.parent.glob("*.journal"), key=lambda each: each.stat().st_mtime_ns)[:-SEARCHES_KEPT]:
        older.unlink(missing_ok=True)
    return JournalStorage(JournalFileBackend(str(file), lock_obj=JournalFileOpenLock(str(file))))
