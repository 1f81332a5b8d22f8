"""The check that no feature of the labelled windows gives their label away."""

from collections.abc import Sequence
from dataclasses import asdict

import dagster as dg
import polars as pl

from recs_platform.defs import metadata
from recs_platform.evaluation.leakage import AUC_MAX, Telling

NO_LEAK = "no_feature_tells_the_label"
NO_LEAK_DESCRIPTION = (
    f"No feature alone sorts chosen from other candidates with an area under the curve of {AUC_MAX} or more: "
    "one that does was made from what happened after the cutoff"
)
SHOWN = 15


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
