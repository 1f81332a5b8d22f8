"""The asset check for a ranker that learned too long, and its learning curve as metadata; see `ranking.diagnosis`."""

import dagster as dg

from recs_platform.defs import metadata
from recs_platform.stages import ranking
from recs_platform.stages.ranking.diagnosis import LATER, LEARNED

NOT_OVERFITTED = "not_overfitted"
NOT_OVERFITTED_DESCRIPTION = (
    "On the newest window after all that the recipe's ranker learned from, no smaller number of trees is better beyond "
    "what the draw of users explains"
)


def learning_metadata(found: ranking.Diagnosis | None) -> dict[str, dg.MetadataValue | float]:
    """Learning curve and losses as tables, and the ends of the curve as numbers, which the UI plots over as-ofs."""
    if found is None:
        return {}
    last = found.curve.row(-1, named=True)
    return {
        LEARNED: float(last[LEARNED]),
        LATER: float(last[LATER]),
        "learning_curve": dg.MetadataValue.md(metadata.markdown_table(found.curve)),
        "importance_later": dg.MetadataValue.md(metadata.markdown_table(found.importance)),
    }


def overfitting_check(asset: dg.AssetKey, found: ranking.Diagnosis | None) -> dg.AssetCheckResult:
    """Failed, as a warning, where the ranker was better with fewer trees."""
    if found is None:
        told, about = "there is no forest, or no window after those it learned from", {}
    else:
        told = (
            f"NDCG on a later window of {found.users:,} users: {found.lost:.4f} was lost after the best number of "
            f"trees, at least {found.lost_low:.4f} (95 %)"
        )
        about = {"lost": found.lost, "lost_low": found.lost_low, "users": found.users}
    is_overfitted = found is not None and found.is_overfitted
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=NOT_OVERFITTED,
        passed=not is_overfitted,
        severity=dg.AssetCheckSeverity.WARN,
        description=told + ("; train fewer `trees`, or `recs tune ranker`" if is_overfitted else ""),
        metadata=about,
    )
