"""Which files a replay reads again, and in which order. What becomes of them is in `replay_batch`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import INGESTIONS
from recs_platform.lake.tables import Lake
from recs_platform.stages.events.deduplication import (
    HISTORIES,
)
from recs_platform.stages.events.ingestion import (
    IngestContext,
)
from recs_platform.stages.events.landing import PendingFile, look_into_landing
from recs_platform.stages.events.ledger import FileCounts
from recs_platform.stages.events.sources import SOURCE_TABLES

_CATALOGUE = tuple(contract.table for contract in SOURCE_TABLES.values() if contract.name in HISTORIES)


@dataclass(frozen=True)
class Plan:
    """Files to read in the order of their first arrival, and hashes of which all rows go first.

    By hash: `arrived` holds each content's own instant, `in_force` that of the content it replaces if that came first,
    `places` the same as a place in the ledger.
    """

    files: list[PendingFile]
    removed: frozenset[str]
    arrived: Mapping[str, datetime]
    in_force: Mapping[str, datetime]
    places: Mapping[str, int]
    before: tuple[FileCounts, ...]
    missing: tuple[str, ...]
    is_catalogue_whole: bool


def plan_replay(
    context: IngestContext, choose: Callable[[FileCounts], bool], companions: frozenset[str] = frozenset()
) -> Plan:
    """Files that have to be read again where those that `choose` picks of the ledger's rows are.

    `companions`: hashes of further files, because rows of theirs repeat some of those.
    """
    ledger = _ledger(context.lake)
    came = {counts.source_file: place for place, (counts, _) in reversed(list(enumerate(ledger)))}
    # A repaired file was written later, and counts from when its name first came.
    landed = sorted(
        look_into_landing(context.home, context.sources).files, key=lambda file: came.get(file.source_file, len(ledger))
    )
    by_hash = {file.file_hash: file for file in reversed(landed)}
    hash_by_name = {file.source_file: file.file_hash for file in landed}

    def current(counts: FileCounts) -> list[PendingFile]:
        """What lies there with its content, and what lies there under its name."""
        digests = dict.fromkeys((counts.file_hash, hash_by_name.get(counts.source_file, "")))
        return [by_hash[digest] for digest in digests if digest in by_hash]

    chosen = {counts.file_hash for counts, _ in ledger if counts.rows_quarantined and choose(counts)}
    found = {counts.file_hash for counts, _ in ledger if counts.file_hash in chosen and current(counts)}
    touches_catalogue = any(counts.contract_table in _CATALOGUE for counts, _ in ledger if counts.file_hash in found)
    again = {
        counts.file_hash
        for counts, _ in ledger
        if counts.file_hash in found | companions
        or (found and counts.rows_duplicate)
        or (touches_catalogue and counts.contract_table in _CATALOGUE)
    }
    wanted = [(counts, current(counts)) for counts, _ in ledger if counts.file_hash in again | chosen]
    first = _first_places(ledger, wanted)
    files = {file.file_hash: file for _, found_files in wanted for file in found_files} if found else {}
    removed = frozenset({counts.file_hash for counts, found_files in wanted if found_files} | set(files))
    catalogue = {counts.file_hash for counts, _ in ledger if counts.contract_table in _CATALOGUE}
    return Plan(
        files=sorted(files.values(), key=lambda file: (first[file.file_hash], file.source, file.source_file)),
        removed=removed if found else frozenset(),
        arrived={counts.file_hash: at for counts, at in ledger},
        in_force={digest: ledger[place][1] for digest, place in first.items()},
        places=first,
        before=tuple(counts for counts, _ in ledger if counts.file_hash in removed),
        missing=tuple(dict.fromkeys(counts.source_file for counts, found_files in wanted if not found_files)),
        is_catalogue_whole=catalogue <= removed,
    )


def _first_places(
    ledger: Sequence[tuple[FileCounts, datetime]], wanted: Sequence[tuple[FileCounts, list[PendingFile]]]
) -> dict[str, int]:
    """Where in the ledger a content, or the content that it replaces, came first; by hash."""
    places: dict[str, int] = {}
    for place, (counts, _) in enumerate(ledger):
        places.setdefault(counts.file_hash, place)
    first = dict(places)
    for counts, files in wanted:
        place = places[counts.file_hash]
        for file in files:
            first[file.file_hash] = min(first.get(file.file_hash, place), place)
    return first


def _ledger(lake: Lake) -> list[tuple[FileCounts, datetime]]:
    """The ledger's rows with their instants, in the order in which files were ingested."""
    if not lake.exists(INGESTIONS.name) or not lake.files(INGESTIONS.name):
        return []
    rows = pl.concat([pl.read_parquet(file) for file in lake.files(INGESTIONS.name)], how="diagonal_relaxed")
    names = [field.name for field in fields(FileCounts) if field.name in rows.columns]
    # Of one ingestion, rows stand in the order in which its files were read.
    ordered = rows.sort(c.INGESTED_AT, maintain_order=True).with_columns(pl.col(pl.Int64).fill_null(0))
    return [(FileCounts(**{name: row[name] for name in names}), row[c.INGESTED_AT]) for row in ordered.to_dicts()]
