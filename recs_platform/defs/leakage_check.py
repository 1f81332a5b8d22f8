"""The asset check for label leakage in the labelled windows. The measure is in `evaluation.leakage`."""

from collections.abc import Sequence
from dataclasses import asdict

import dagster as dg
import polars as pl

from recs_platform.defs import metadata
from recs_platform.evaluation.leakage import AUC_MAX, FeatureLeakage

NO_LABEL_LEAKAGE = "no_label_leakage"
NO_LABEL_LEAKAGE_DESCRIPTION = (
    f"No feature alone separates positive from negative rows with an AUC of {AUC_MAX} or more; "
    "one that does was computed from data after the cutoff"
)
SHOWN = 15


def label_leakage_check(asset: dg.AssetKey, measured: Sequence[FeatureLeakage]) -> dg.AssetCheckResult:
    """Failed where a feature is suspect; the metadata shows those with the highest AUC."""
    suspects = [leakage.feature for leakage in measured if leakage.is_suspect]
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=NO_LABEL_LEAKAGE,
        passed=not suspects,
        description=f"features computed from the label: {', '.join(suspects)}; fix their SQL models"
        if suspects
        else None,
        metadata={
            "suspects": len(suspects),
            "features": len(measured),
            "highest_auc": dg.MetadataValue.md(metadata.markdown_table(_table(measured[:SHOWN]))),
        },
    )


def _table(measured: Sequence[FeatureLeakage]) -> pl.DataFrame:
    return pl.DataFrame([{**asdict(leakage), "is_suspect": leakage.is_suspect} for leakage in measured])
