"""Label leakage in the labelled windows of a run. The measure is in `evaluation.leakage`."""

from collections.abc import Iterable, Iterator

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest
from recs_platform.evaluation.leakage import FeatureLeakage, measure_leakage
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.training.windows import read_window
from recs_platform.stages import ranking


def measure_window_leakage(platform: Platform, windows: Iterable[Manifest]) -> tuple[FeatureLeakage, ...]:
    """Leakage of each feature of the feature set, in the rows that a ranker is trained on."""
    return measure_leakage(_rows(platform, windows), platform.feature_set.names, label=c.LABEL, user=c.USER_ID)


def _rows(platform: Platform, windows: Iterable[Manifest]) -> Iterator[pl.DataFrame]:
    config = ranking.RankerConfig()
    for manifest in windows:
        rows = read_window(platform, manifest.version).rows
        if rows.height:
            yield ranking.sample_rows(rows, config.negatives_per_user, platform.settings.seed)
