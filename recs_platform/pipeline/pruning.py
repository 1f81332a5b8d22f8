"""Artifacts that nothing names any more: rankers, vectors, indexes, windows, bundles. As-ofs are removed in `defs`.

An artifact is kept while its as-of is, while what is kept names it, and for some days after it was last read.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest
from recs_platform.lake.artifacts import last_used, remove_artifact, sealed_versions
from recs_platform.pipeline.build_records import BUILDS
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.embeddings import EMBEDDINGS
from recs_platform.pipeline.retrieval.item_index import ITEM_INDEX
from recs_platform.pipeline.training.compiled import COMPILED
from recs_platform.pipeline.training.measurements import MEASUREMENTS
from recs_platform.pipeline.training.windows import WINDOWS
from recs_platform.stages import ranking
from recs_platform.stages.ranking.overrides import read_overrides
from recs_platform.stages.releases import RELEASES_ARTIFACT, WITHDRAWN_ARTIFACT
from recs_platform.stages.releases.bundle import SERVING_ARTIFACT
from recs_platform.stages.releases.files import SERVED_ARTIFACT
from recs_platform.stages.segments.segmenter import SEGMENTER

# Made again where they are asked for, or of no use without what they were made for.
PRUNED = (
    *(WINDOWS, MEASUREMENTS, EMBEDDINGS, ITEM_INDEX, COMPILED, ranking.RANKER, SEGMENTER, SERVING_ARTIFACT, BUILDS),
    *(WITHDRAWN_ARTIFACT, SERVED_ARTIFACT),
)


@dataclass(frozen=True)
class Unused:
    """A sealed artifact that nothing needs, with its size in bytes."""

    name: str
    manifest: Manifest
    size: int


def unused_artifacts(platform: Platform, now: datetime, *, without: Collection[datetime] = ()) -> list[Unused]:
    """Artifacts to remove; `without`: as-ofs that are about to go, whose releases name nothing any more."""
    root = platform.home.artifacts
    releases = [each for each in sealed_versions(root, RELEASES_ARTIFACT) if each.as_of not in without]
    kept = {each.as_of for each in releases}
    named = {each.version for each in releases} | set(_rankers(platform, releases))
    before = now - timedelta(days=platform.settings.retention.unused_days)
    return [
        Unused(name, manifest, _size(root / name / manifest.version))
        for name in PRUNED
        for manifest in sealed_versions(root, name)
        if manifest.as_of not in kept
        and not named & {manifest.version, *map(str, manifest.inputs.values())}
        and last_used(root, name, manifest.version) < before
    ]


def remove_unused(platform: Platform, unused: Collection[Unused]) -> None:
    """Remove them; each is gone at once."""
    for each in unused:
        remove_artifact(platform.home.artifacts, each.name, each.manifest.version)


def _rankers(platform: Platform, releases: Collection[Manifest]) -> Iterator[str]:
    """Rankers that made kept releases, and those that operators spoke of."""
    yield from (str(each.parameters[c.RANKER_VERSION]) for each in releases)
    yield from (each.version for each in read_overrides(platform.home.artifacts).log if each.version is not None)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
