"""Whether a feature of the labelled windows tells their label. Composes; what counts as telling is evaluation's."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

import dagster as dg
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest
from recs_platform.defs import metadata
from recs_platform.defs.platform import Platform
from recs_platform.defs.windows import read_window
from recs_platform.evaluation.leakage import AUC_MAX, Telling, tell_labels
from recs_platform.stages import ranking

NO_LEAK = "no_feature_tells_the_label"
NO_LEAK_DESCRIPTION = (
    f"No feature alone sorts chosen from other candidates with an area under the curve of {AUC_MAX} or more: "
    "one that does was made from what happened after the cutoff"
)
SHOWN = 15


def tell_windows(platform: Platform, windows: Iterable[Manifest]) -> tuple[Telling, ...]:
    """What each feature of the feature set tells in the rows that a ranker would learn from."""
    return tell_labels(_rows(platform, windows), platform.feature_set.names, label=c.LABEL, user=c.USER_ID)


def _rows(platform: Platform, windows: Iterable[Manifest]) -> Iterator[pl.DataFrame]:
    config = ranking.RankerConfig()
    for manifest in windows:
        rows = read_window(platform, manifest.version).rows
        if rows.height:
            yield ranking.sample_rows(rows, config.negatives_per_user, platform.settings.seed)


def leak_check(asset: dg.AssetKey, told: Sequence[Telling]) -> dg.AssetCheckResult:
    """Failed where a feature is suspect; its metadata names the most telling ones."""
    suspects = [telling.feature for telling in told if telling.is_suspect]
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=NO_LEAK,
        passed=not suspects,
        description=f"made from the label: {', '.join(suspects)}" if suspects else None,
        metadata={
            "suspects": len(suspects),
            "features": len(told),
            "highest_auc": dg.MetadataValue.md(metadata.markdown_table(_table(told[:SHOWN]))),
        },
    )


def _table(told: Sequence[Telling]) -> pl.DataFrame:
    return pl.DataFrame([{**asdict(telling), "is_suspect": telling.is_suspect} for telling in told])
