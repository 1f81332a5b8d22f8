"""Folders of landing as assets that nothing of the graph makes: one a source, with what each ingestion took from it."""

from collections.abc import Iterable, Iterator

import dagster as dg

from recs_platform.defs import metadata
from recs_platform.pipeline.platform import Platform
from recs_platform.stages.events import FileCounts

LANDING = "landing"
_GROUP = "events"


def landing_assets(platform: Platform) -> list[dg.AssetSpec]:
    """The folder of each source."""
    return [
        dg.AssetSpec(
            landing_key(name),
            group_name=_GROUP,
            kinds={"file"},
            owners=metadata.OWNERS,
            description=f"Raw files of the source {name} as they came, in landing/{name}/. Whoever has them drops them "
            "there; `ingest` takes in new ones and says how many.",
        )
        for name in platform.sources
    ]


def landing_keys(platform: Platform) -> list[dg.AssetKey]:
    """All of them."""
    return [landing_key(name) for name in platform.sources]


def landing_key(source: str) -> dg.AssetKey:
    """That of one source."""
    return dg.AssetKey([LANDING, source])


def observations(files: Iterable[FileCounts]) -> Iterator[dg.AssetObservation]:
    """What an ingestion took from the folder of each source; nothing of a folder without a new file."""
    by_source: dict[str, list[FileCounts]] = {}
    for each in files:
        by_source.setdefault(each.source, []).append(each)
    for source, counts in sorted(by_source.items()):
        yield dg.AssetObservation(
            landing_key(source),
            metadata={
                "files_taken_in": len({each.file_hash for each in counts}),
                "rows_read": sum(each.rows_read for each in counts),
                "rows_accepted": sum(each.rows_accepted for each in counts),
                "rows_quarantined": sum(each.rows_quarantined for each in counts),
            },
        )
