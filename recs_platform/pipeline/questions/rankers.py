"""What operators ask of sealed rankers: which there are, what one is made of, and which of two is better.

Pins and retirements are written in `stages.ranking.overrides`; the gate's own decisions are in `reports.promotions`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import RecsError
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.spelling import did_you_mean
from recs_platform.contracts.tables import CHAMPION
from recs_platform.contracts.time import as_of_key, parse_instant
from recs_platform.lake.artifacts import artifact, sealed_versions
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.training.promotion import match_rankers
from recs_platform.pipeline.training.rankers import BASIS
from recs_platform.pipeline.training.schedule import training_schedule
from recs_platform.pipeline.training.window_cache import WindowCache
from recs_platform.stages import ranking

IN_FORCE, PINNED, RETIRED = "champion", "pinned", "retired"


@dataclass(frozen=True)
class Compared:
    """Two rankers at the same cutoffs: lines of the gate, the first as challenger, and how many user windows."""

    lines: pl.DataFrame
    n_pairs: int
    passes: bool


def list_rankers(platform: Platform, *, every: bool) -> pl.DataFrame:
    """A row a sealed ranker, the newest labels first.

    Columns version, kind, labels_end, trained_as_of, rows, positives, recipe, serves (as-ofs it scored), state.
    Without `every`, rankers made to test at past cutoffs are left out: those that served, the newest, and those an
    operator named are shown.
    """
    overrides = ranking.read_overrides(platform.home.artifacts)
    served = _served(platform)
    found = sorted(sealed_versions(platform.home.artifacts, ranking.RANKER), key=_by_labels, reverse=True)
    last = max((at for ats in served.values() for at in ats), default=None)
    rows = [
        {
            "version": manifest.version,
            "kind": str(manifest.parameters["kind"]),
            "labels_end": as_of_key(parse_instant(manifest.parameters[ranking.LABELS_END])),
            "trained_as_of": as_of_key(manifest.as_of),
            "rows": int(manifest.metrics["rows"]),
            "positives": int(manifest.metrics["positives"]),
            "recipe": str(manifest.parameters[BASIS])[:8],
            "serves": len(served.get(manifest.version, ())),
            "state": _state(manifest.version, overrides, served, last),
        }
        for manifest in found
    ]
    frame = pl.DataFrame(rows, schema=_LISTED)
    named = pl.col("state").str.len_chars() > 0
    return frame if every else frame.filter(named | (pl.col("serves") > 0) | (pl.int_range(pl.len()) == 0))


def sealed_ranker(platform: Platform, version: str) -> Manifest:
    """The manifest of a ranker, named by its version or the beginning of it. Raises RecsError naming what is near."""
    found = sealed_versions(platform.home.artifacts, ranking.RANKER)
    matching = [manifest for manifest in found if manifest.version.startswith(version)] if version else []
    if len(matching) == 1:
        return matching[0]
    known = [manifest.version for manifest in found]
    if matching:
        raise RecsError(f"{version!r} begins the versions of {len(matching)} rankers: write more of it")
    raise RecsError(f"no ranker {version!r}{did_you_mean(version, known) or '; `recs rankers list --all` names them'}")


def importance(platform: Platform, manifest: Manifest) -> pl.DataFrame:
    """What the ranker's trees split on: feature, gain, gain_share; empty for the fusion ranker."""
    folder = artifact(platform.home.artifacts, ranking.RANKER, manifest.version)
    return ranking.feature_importance(ranking.load_ranker(folder))


def compare_rankers(
    platform: Platform, a: Manifest, b: Manifest, as_of: datetime, known_at: datetime, say: Callable[[str], None]
) -> Compared:
    """Ranker `a` against `b` at the trial cutoffs of an as-of, by the lines of the gate; nothing is decided.

    Of different recipes, those that each recipe had at a cutoff stand in for them; of one recipe, both are tried where
    their labels had ended. Raises RecsError where there is no such cutoff.
    """
    run = AsOfRun(platform, as_of, known_at)
    try:
        match = match_rankers(WindowCache(run, say), training_schedule(run), a, b, say)
    finally:
        run.close()
    if not match.n_pairs:
        raise RecsError(
            f"there is no cutoff before {as_of_key(as_of)} at which both rankers could have served; "
            "name a later --as-of, or build one first"
        )
    lines = ranking.judge_match(match, platform.settings.promotion, platform.settings.seed)
    return Compared(lines, match.n_pairs, ranking.passes(lines))


_LISTED = {
    "version": pl.String, "kind": pl.String, "labels_end": pl.String, "trained_as_of": pl.String, "rows": pl.Int64,
    "positives": pl.Int64, "recipe": pl.String, "serves": pl.Int64, "state": pl.String,
}  # fmt: skip


def _served(platform: Platform) -> dict[str, list[datetime]]:
    """As-ofs by the version of their champion."""
    if not platform.lake.exists(CHAMPION.name):
        return {}
    served: dict[str, list[datetime]] = {}
    for at in platform.lake.as_ofs(CHAMPION.name):
        files = platform.lake.files(CHAMPION.name, as_of=at)
        for version in pl.read_parquet(files, columns=[c.RANKER_VERSION])[c.RANKER_VERSION]:
            served.setdefault(version, []).append(at)
    return served


def _state(version: str, overrides: ranking.Overrides, served: dict[str, list[datetime]], last: datetime | None) -> str:
    now = datetime.now(UTC)
    until = overrides.serving_on(now).get(version)
    words = {
        PINNED: overrides.pinned is not None and overrides.pinned.version == version,
        RETIRED: version in overrides.known_at(now).retired,
        f"to be {RETIRED} on {until:%Y-%m-%d}" if until else "": until is not None,
        IN_FORCE: last in served.get(version, ()),
    }
    return ", ".join(word for word, holds in words.items() if holds)


def _by_labels(manifest: Manifest) -> tuple[datetime, datetime, str]:
    return parse_instant(manifest.parameters[ranking.LABELS_END]), manifest.known_at, manifest.version
