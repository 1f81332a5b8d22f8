"""Label leakage in the labelled windows of a run. The measure is in `evaluation.leakage`."""

from collections.abc import Iterable

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest
from recs_platform.evaluation.leakage import FeatureLeakage, count_leakage, sum_leakage
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.training.measurements import measured_once
from recs_platform.pipeline.training.windows import read_window
from recs_platform.stages import ranking

_KIND, _COUNTED = "leakage", "counted"


def measure_window_leakage(run: AsOfRun, windows: Iterable[Manifest]) -> tuple[FeatureLeakage, ...]:
    """Leakage of each feature of the feature set, in the rows that a ranker is trained on."""
    return sum_leakage((_counted(run, window) for window in windows), run.platform.feature_set.names)


def _counted(run: AsOfRun, window: Manifest) -> pl.DataFrame:
    config = ranking.RankerConfig()

    def count() -> dict[str, pl.DataFrame]:
        rows = read_window(run.platform, window.version).rows
        sampled = ranking.sample_rows(rows, config.negatives_per_user, run.platform.settings.seed)
        return {_COUNTED: count_leakage(sampled, run.platform.feature_set.names, label=c.LABEL, user=c.USER_ID)}

    return measured_once(run, _KIND, window, {"negatives_per_user": config.negatives_per_user}, count)[_COUNTED]
