"""Label leakage in labelled windows: what each feature alone says of the label. The measure is in `evaluation`."""

from collections.abc import Iterable, Iterator

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest
from recs_platform.evaluation.leakage import Telling, tell_labels
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.training.windows import read_window
from recs_platform.stages import ranking


def tell_windows(platform: Platform, windows: Iterable[Manifest]) -> tuple[Telling, ...]:
    """What each feature of the feature set tells in the rows that a ranker would learn from."""
    return tell_labels(_rows(platform, windows), platform.feature_set.names, label=c.LABEL, user=c.USER_ID)


def _rows(platform: Platform, windows: Iterable[Manifest]) -> Iterator[pl.DataFrame]:
    config = ranking.RankerConfig()
    for manifest in windows:
        rows = read_window(platform, manifest.version).rows
        if rows.height:
            yield ranking.sample_rows(rows, config.negatives_per_user, platform.settings.seed)
