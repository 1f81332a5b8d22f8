"""Ingestion of one home with its settings: ingest, replay, a dry run of either, and the files waiting in landing.

The work itself is in `stages.events`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from recs_platform.contracts import columns as c
from recs_platform.pipeline.ingestion.quarantine import QuarantineFilter, files_to_replay
from recs_platform.pipeline.platform import Platform
from recs_platform.stages import events
from recs_platform.stages.events import FileCounts, IngestReport, PendingFile, ReplayReport
from recs_platform.stages.events.landing import look_into_landing, split_pending
from recs_platform.stages.events.pseudonyms import open_privacy
from recs_platform.stages.events.removals import settle_removals

Say = Callable[[str], None]


@dataclass(frozen=True)
class Waiting:
    """What lies in landing and is not in the ledger: files to ingest, and by name what is left there for now."""

    files: tuple[PendingFile, ...]
    settling: tuple[str, ...]
    rejected: tuple[tuple[str, str], ...]
    unknown: tuple[str, ...]
    markers: tuple[str, ...] = ()

    @property
    def aside(self) -> str:
        """One sentence for what is left alone, empty when there is nothing."""
        parts = [
            f"still settling: {', '.join(self.settling)}" if self.settling else "",
            "rejected: " + ", ".join(f"{name} ({reason})" for name, reason in self.rejected) if self.rejected else "",
            f"no source knows: {', '.join(self.unknown)}" if self.unknown else "",
        ]
        return "; ".join(part for part in parts if part)


def find_waiting(platform: Platform, now: datetime) -> Waiting:
    """What lies in landing now. Hashes only what changed since the last look."""
    seconds = platform.settings.landing_settle_seconds
    before = now - timedelta(seconds=seconds) if seconds else None
    landed = look_into_landing(platform.home, platform.sources, changed_before=before)
    files = split_pending(landed, platform.lake)
    return Waiting(tuple(files), tuple(landed.settling), landed.rejected, landed.unknown, landed.markers)


def ingest_files(platform: Platform, con: duckdb.DuckDBPyConnection, *, now: datetime, progress: Say) -> IngestReport:
    """Ingest every new file."""
    return _run(events.ingest, platform, con, now, progress)


def dry_run_ingest(platform: Platform, con: duckdb.DuckDBPyConnection, *, now: datetime, progress: Say) -> IngestReport:
    """Decide about every row of every new file as `ingest_files` would, and keep nothing."""
    return _run(events.ingest_dry_run, platform, con, now, progress)


def _run(
    way: Callable[..., IngestReport],
    platform: Platform,
    con: duckdb.DuckDBPyConnection,
    now: datetime,
    progress: Say,
) -> IngestReport:
    return way(
        platform.home,
        platform.lake,
        platform.sources,
        con,
        now=now,
        progress=progress,
        settle_seconds=platform.settings.landing_settle_seconds,
        privacy=open_privacy(platform.home, platform.lake, platform.settings.privacy),
    )


def replay_files(
    platform: Platform,
    con: duckdb.DuckDBPyConnection,
    which: QuarantineFilter,
    *,
    now: datetime,
    progress: Say,
    dry_run: bool = False,
) -> ReplayReport:
    """Replay the chosen files with rejected rows, with today's source SQL and what they hold today.

    Raises as `files_to_replay` does.
    """
    chosen = frozenset(files_to_replay(platform, which)[c.SOURCE_FILE])

    def choose(file: FileCounts) -> bool:
        return file.source_file in chosen

    return events.replay(
        platform.home,
        platform.lake,
        platform.sources,
        con,
        now=now,
        progress=progress,
        choose=choose,
        dry_run=dry_run,
        privacy=open_privacy(platform.home, platform.lake, platform.settings.privacy),
    )


def settle_ledger(platform: Platform, con: duckdb.DuckDBPyConnection, *, now: datetime, progress: Say) -> None:
    """Correct the counts of removed rows, so that the ledger can be checked: a removal may have died."""
    settle_removals(platform.home, platform.lake, con, now=now, progress=progress)
