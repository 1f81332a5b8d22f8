"""The windows of one run: each is looked up or built once, under the version of the data it sees."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.setting_groups import TrainingSettings
from recs_platform.contracts.threads import limited
from recs_platform.pipeline.as_of_run import AsOfRun, Memo
from recs_platform.pipeline.training.splits import Split
from recs_platform.pipeline.training.windows import is_window_sealed, seal_window


class WindowCache:
    """Windows by split; `built` counts those that were not sealed before."""

    def __init__(self, run: AsOfRun, progress: Callable[[str], None]) -> None:
        self.run = run
        self.built = 0
        self._progress = progress
        self._taken: dict[Split, Manifest] = {}
        self._windows = Memo()

    def take(self, split: Split) -> Manifest:
        """The manifest of a split's window, which is built unless it is sealed; threads may ask side by side."""
        return self._windows.once(str(split), lambda: self._take(self.run, split))

    def _take(self, run: AsOfRun, split: Split) -> Manifest:
        if not is_window_sealed(run, split):
            self._progress(f"window {split.cutoff:%Y-%m-%d} {split.protocol}: being built")
        self._taken[split], reused = seal_window(run, split)
        self.built += not reused
        self._progress(f"window {split.cutoff:%Y-%m-%d} {split.protocol}: {'reused' if reused else 'built'}")
        return self._taken[split]

    def prefetch(self, splits: Iterable[Split]) -> None:
        """Build windows side by side, as many as there are threads, each on one; which are built changes none."""
        threads, alone = self.run.platform.settings.threads, self.run.on_threads(1)
        wanted = [split for split in dict.fromkeys(splits) if split not in self._taken]
        for split in wanted[:1]:
            self.take(split)

        def take(split: Split) -> Manifest:
            return self._windows.once(str(split), lambda: self._take(alone, split))

        # BLAS' limit is the process's: held around all of them, once the first has loaded the libraries, it is not
        # lifted by the window that ends first.
        with limited(threads), ThreadPoolExecutor(threads) as pool:
            list(pool.map(take, wanted[1:]))

    @property
    def taken(self) -> list[Manifest]:
        """The windows so far, oldest cutoff first."""
        return [self._taken[split] for split in sorted(self._taken)]

    def to_learn_from(self, splits: Iterable[Split]) -> list[Manifest]:
        """Windows newest first: the least number, then on until they hold the least number of positives or users."""
        taken: list[Manifest] = []
        for split in splits:
            taken.append(self.take(split))
            if _is_enough(taken, self.run.platform.settings.training):
                break
        return taken


def _is_enough(windows: Sequence[Manifest], least: TrainingSettings) -> bool:
    positives = sum(manifest.metrics["positives"] for manifest in windows)
    users = max(manifest.metrics["users"] for manifest in windows)
    return len(windows) >= least.windows_min and (positives >= least.positives_min or users >= least.users_min)
